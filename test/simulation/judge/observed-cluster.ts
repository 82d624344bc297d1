// What stands in the model, as the judge needs it: read off the revisions, never asked of the operator.
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../../src/api/names.ts';
import type { StringMap } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { isProfileReference } from '../../../src/policy/semantics/normalize.ts';
import type { Inputs, ProfileValue } from '../schedule/inputs.ts';
import { ENDPOINT_SLICE, NAMESPACE, NETWORK_POLICY, NODE, PROFILE, SERVICE } from '../server/kinds.ts';
import type { Revision, Storage } from '../server/storage.ts';

export const isOperator = (author: string): boolean => author.startsWith('operator');

export class ObservedCluster {
  /** Not changed in place. Namespaces that are ending, or gone, are not in it. */
  labels: ReadonlyMap<string, StringMap> = new Map();
  /** By the uid of each policy that the operator made: its name for the profile. */
  readonly operatorPolicies = new Map<string, string>();
  readonly #policies = new Map<string, readonly NetworkPolicy[]>();
  readonly #inputs: Inputs;
  readonly #storage: Storage;

  constructor(storage: Storage, inputs: Inputs) {
    this.#storage = storage;
    this.#inputs = inputs;
  }

  /** The policies of a namespace; a new list after each change. */
  policies(namespace: string): readonly NetworkPolicy[] {
    return this.#policies.get(namespace) ?? NONE;
  }

  profile(name: string): SegmentationProfile | undefined {
    return this.#storage.get(PROFILE, name) as SegmentationProfile | undefined;
  }

  /** The existing profile that a policy is marked with; what is not marked is nobody's, or somebody else's. */
  ownerOf({ metadata: { labels = {}, ownerReferences = [] } }: NetworkPolicy): string | undefined {
    const name = labels[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined;
    if (name !== undefined && this.profile(name) !== undefined) return name;
    return ownerReferences.find(
      (each) => isProfileReference(each) && this.profile(each.name)?.metadata.uid === each.uid,
    )?.name;
  }

  /** Follows one revision, and notes what it means as an input. `time`: milliseconds of the simulation. */
  follow({ kind, type, object, previous, author }: Revision, time: number): void {
    const { name, namespace = '', uid = '', labels = {}, deletionTimestamp } = object.metadata;
    const isGone = type === 'DELETED';
    switch (kind) {
      case NETWORK_POLICY: {
        if (type === 'ADDED' && isOperator(author))
          this.operatorPolicies.set(uid, labels[LABEL_PROFILE] ?? '');
        const others = this.policies(namespace).filter(({ metadata }) => metadata.name !== name);
        this.#policies.set(namespace, isGone ? others : [...others, object as unknown as NetworkPolicy]);
        if (!this.operatorPolicies.has(uid)) {
          const foreign = this.policies(namespace).filter(
            ({ metadata }) => !this.operatorPolicies.has(metadata.uid ?? ''),
          );
          this.#inputs.note(`foreign ${namespace}`, foreign, time);
        }
        return;
      }
      case NAMESPACE: {
        const next = new Map(this.labels);
        if (isGone || deletionTimestamp !== undefined) next.delete(name);
        else next.set(name, labels);
        const [old, present] = [this.labels.get(name), next.get(name)];
        if (JSON.stringify(old) === JSON.stringify(present)) return;
        this.labels = next;
        this.#inputs.note(`labels ${name}`, present, time);
        return;
      }
      case PROFILE: {
        const [old, present] = [previous, object] as unknown as [
          SegmentationProfile | undefined,
          SegmentationProfile,
        ];
        if (isGone) this.#inputs.note(`profile ${name}`, gone(present), time);
        else if (old?.metadata.generation !== present.metadata.generation || old?.metadata.uid !== uid)
          this.#inputs.note(`profile ${name}`, { profile: present } satisfies ProfileValue, time);
        return;
      }
      case SERVICE:
        if (name === 'api') this.#inputs.note('service', isGone ? undefined : object, time);
        return;
      case ENDPOINT_SLICE:
        this.#inputs.note('slices', [...this.#storage.values(ENDPOINT_SLICE)], time);
        return;
      case NODE:
        this.#inputs.note('nodes', [...this.#storage.values(NODE)], time);
        return;
    }
  }
}

const NONE: readonly NetworkPolicy[] = [];

function gone(last: SegmentationProfile): ProfileValue {
  return { profile: undefined, ...(last.spec.deletionPolicy === 'Retain' && { retained: last }) };
}
