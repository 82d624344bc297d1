/** The state of the model, followed from its revisions and never asked of the operator, and the inputs that change with it. */
import type { SegmentationException } from '../../../src/api/exception.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import type { StringMap } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { isProfileReference } from '../../../src/policy/semantics/normalize.ts';
import type { Inputs, ProfileValue } from '../schedule/inputs.ts';
import {
  CONTROLLER_REVISION,
  ENDPOINT_SLICE,
  EXCEPTION,
  NAMESPACE,
  NETWORK_POLICY,
  NODE,
  PROFILE,
  SERVICE,
} from '../server/kinds.ts';
import { isOperator } from '../server/server.ts';
import type { Revision, Storage } from '../server/storage.ts';

export class ObservedCluster {
  /** Labels of the namespaces that are not terminating. Replaced at each change. */
  labels: ReadonlyMap<string, StringMap> = new Map();
  /** The profile's name in the labels of each policy that the operator created, by the policy's uid. */
  readonly operatorPolicies = new Map<string, string>();
  /** `NAMESPACE PROFILE` of the profiles that were deleted while their policies were held there, which stay as they are. */
  readonly leftHeld = new Set<string>();
  readonly #policies = new Map<string, readonly NetworkPolicy[]>();
  readonly #inputs: Inputs;
  readonly #storage: Storage;

  constructor(storage: Storage, inputs: Inputs) {
    this.#storage = storage;
    this.#inputs = inputs;
  }

  /** The policies of a namespace. A new list after each change. */
  policies(namespace: string): readonly NetworkPolicy[] {
    return this.#policies.get(namespace) ?? NONE;
  }

  profile(name: string): SegmentationProfile | undefined {
    return this.#storage.get(PROFILE, name) as SegmentationProfile | undefined;
  }

  /** An exception with its status of now. */
  exception({ metadata }: SegmentationException): SegmentationException | undefined {
    const stored: unknown = this.#storage.get(EXCEPTION, `${metadata.namespace}/${metadata.name}`);
    return stored as SegmentationException | undefined;
  }

  /** The existing profile that a policy belongs to by its labels or owner; undefined for a foreign policy. */
  ownerOf({ metadata: { labels = {}, ownerReferences = [] } }: NetworkPolicy): string | undefined {
    const name = labels[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined;
    if (name !== undefined && this.profile(name) !== undefined) return name;
    return ownerReferences.find(
      (each) => isProfileReference(each) && this.profile(each.name)?.metadata.uid === each.uid,
    )?.name;
  }

  /** Applies a revision, and records the inputs that it changes. `time` is the simulation's, in milliseconds. */
  follow({ kind, type, object, previous, author }: Revision, time: number): void {
    const { name, namespace = '', uid = '', labels = {}, deletionTimestamp } = object.metadata;
    const isDeleted = type === 'DELETED';
    switch (kind) {
      case NETWORK_POLICY: {
        if (type === 'ADDED' && isOperator(author))
          this.operatorPolicies.set(uid, labels[LABEL_PROFILE] ?? '');
        const others = this.policies(namespace).filter(({ metadata }) => metadata.name !== name);
        this.#policies.set(namespace, isDeleted ? others : [...others, object as unknown as NetworkPolicy]);
        if (!this.operatorPolicies.has(uid)) {
          const foreign = this.policies(namespace).filter(
            ({ metadata }) => !this.operatorPolicies.has(metadata.uid ?? ''),
          );
          this.#inputs.record(`foreign ${namespace}`, foreign, time);
        }
        return;
      }
      case NAMESPACE: {
        const next = new Map(this.labels);
        if (isDeleted || deletionTimestamp !== undefined) next.delete(name);
        else next.set(name, labels);
        const [old, current] = [this.labels.get(name), next.get(name)];
        if (JSON.stringify(old) === JSON.stringify(current)) return;
        this.labels = next;
        this.#inputs.record(`labels ${name}`, current, time);
        return;
      }
      case PROFILE: {
        const [old, current] = [previous, object] as unknown as [
          SegmentationProfile | undefined,
          SegmentationProfile,
        ];
        for (const [each, own] of this.labels) {
          const isHeld = isDeleted && this.#inputs.forms.in(current, { name: each, labels: own }).isHeld;
          if (isHeld) this.leftHeld.add(`${each} ${name}`);
          else this.leftHeld.delete(`${each} ${name}`);
        }
        if (isDeleted) this.#inputs.record(`profile ${name}`, deleted(current), time);
        else if (formOf(old) !== formOf(current))
          this.#inputs.record(`profile ${name}`, { profile: current } satisfies ProfileValue, time);
        return;
      }
      case EXCEPTION:
        if (isDeleted || versionOf(previous) !== versionOf(object)) this.#recordExceptions(namespace, time);
        return;
      case CONTROLLER_REVISION:
        if (type === 'ADDED') this.#inputs.forms.record(object);
        return;
      case SERVICE:
        if (name === 'api') this.#inputs.record('service', isDeleted ? undefined : object, time);
        return;
      case ENDPOINT_SLICE:
        this.#inputs.record('slices', [...this.#storage.values(ENDPOINT_SLICE)], time);
        return;
      case NODE:
        this.#inputs.record('nodes', [...this.#storage.values(NODE)], time);
        return;
    }
  }

  #recordExceptions(namespace: string, time: number): void {
    const exceptions = [...this.#storage.values(EXCEPTION)].filter(
      ({ metadata }) => metadata.namespace === namespace,
    ) as unknown as SegmentationException[];
    this.#inputs.clock.noteEnds(exceptions);
    this.#inputs.record(`exceptions ${namespace}`, exceptions, time);
  }
}

/** Equal for states of a profile that ask for the same policies: its status has the state of its rollout. */
function formOf(profile: SegmentationProfile | undefined): string {
  return `${versionOf(profile)} ${JSON.stringify(profile?.status?.rollout ?? null)}`;
}

/** Equal for states of an object with the same spec. */
function versionOf(object: Pick<SegmentationProfile, 'metadata'> | undefined): string {
  return `${object?.metadata.uid} ${object?.metadata.generation}`;
}

const NONE: readonly NetworkPolicy[] = [];

function deleted(last: SegmentationProfile): ProfileValue {
  return { profile: undefined, ...(last.spec.deletionPolicy === 'Retain' && { retained: last }) };
}
