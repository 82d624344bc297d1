/**
 * Remembers which flows the writes of a rollout closed in its namespaces, for the message of a failure. Bounded. The first of
 * them are recorded in the profile's status, so that another replica knows them. No I/O.
 */
import type { RolloutState } from '../../rollout/assign.ts';
import { summarizeChange } from '../../policy/planning/change-summary.ts';
import { shortList } from '../../util/list-text.ts';
import { byKey, compareText } from '../../util/order.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { PolicyWrite } from '../observer.ts';
import type { RevisionChange } from './revision-changes.ts';

/** Namespaces of a profile that are remembered, at most. */
const MAX_NAMESPACES = 200;
/** Flows of a namespace that are remembered, at most; a message names fewer. */
const MAX_FLOWS = 20;
/** Namespaces, and flows of each, that are recorded; the bounds of the schema. */
const MAX_RECORDED_NAMESPACES = 20;
const MAX_RECORDED_FLOWS = 5;
const NAMED = 3;

/** The part of a rollout's state that says which flows which revision closed. */
type Recorded = Pick<RolloutState, 'revision' | 'closed'>;

interface Noted {
  readonly revision: number;
  readonly namespaces: Map<string, Set<string>>;
}

export class ClosedFlows {
  /** By profile. */
  readonly #noted = new Map<string, Noted>();

  /** Notes a write in a namespace that has this revision of the profile. */
  note(
    profile: string,
    revision: number,
    { step, before, after }: Pick<PolicyWrite, 'step' | 'before' | 'after'>,
  ): void {
    if (step.reason === 'transition') return;
    const { namespace = '' } = (after ?? before)?.metadata ?? {};
    this.#add(profile, revision, namespace, closedBy(before, after));
  }

  /**
   * Adds the flows of a namespace that the revision closes by what it compiles to, if none is known of the namespace: the
   * process that wrote its policies may have died before it recorded any.
   */
  derive(profile: string, state: Recorded, { namespace, before, after }: RevisionChange): void {
    if (this.#all(profile, state).has(namespace)) return;
    const byName = (policies: readonly NetworkPolicy[]) =>
      new Map(policies.map((policy) => [policy.metadata.name, policy]));
    const [old, next] = [byName(before), byName(after)];
    const flows = [...new Set([...old.keys(), ...next.keys()])].flatMap((name) =>
      closedBy(old.get(name), next.get(name)),
    );
    this.#add(profile, state.revision, namespace, flows);
  }

  #add(profile: string, revision: number, namespace: string, flows: readonly string[]): void {
    if (flows.length === 0) return;
    let noted = this.#noted.get(profile);
    if (noted?.revision !== revision) this.#noted.set(profile, (noted = { revision, namespaces: new Map() }));
    const { namespaces } = noted;
    let known = namespaces.get(namespace);
    if (known === undefined && namespaces.size >= MAX_NAMESPACES) return;
    if (known === undefined) namespaces.set(namespace, (known = new Set()));
    for (const flow of flows) if (known.size < MAX_FLOWS) known.add(flow);
  }

  forget(profile: string): void {
    this.#noted.delete(profile);
  }

  /** The flows to record: those that are, and those that were noted since; undefined if none is known. */
  recorded(profile: string, state: Recorded): RolloutState['closed'] {
    const all = this.#all(profile, state);
    // The first ones stay, so that a large wave does not write the status again and again.
    const first = [...all].slice(0, MAX_RECORDED_NAMESPACES).sort(byKey);
    return first.length === 0
      ? undefined
      : first.map(([namespace, flows]) => ({ namespace, flows: [...flows].slice(0, MAX_RECORDED_FLOWS) }));
  }

  /**
   * The flows as a text; undefined if none is known.
   *
   * @param namespace undefined: of all namespaces
   */
  text(profile: string, state: Recorded, namespace: string | undefined): string | undefined {
    const all = this.#all(profile, state);
    if (namespace !== undefined) {
      const flows = all.get(namespace);
      return flows && `closed there since the rollout began: ${shortList([...flows], { most: NAMED })}`;
    }
    const texts = [...all].map(([name, flows]) => `in ${name}: ${shortList([...flows], { most: NAMED })}`);
    return texts.length === 0
      ? undefined
      : `closed since the rollout began: ${shortList(texts.sort(compareText), { most: NAMED })}`;
  }

  /** Recorded and noted flows by namespace, the recorded ones first. */
  #all(profile: string, { revision, closed = [] }: Recorded): ReadonlyMap<string, ReadonlySet<string>> {
    const all = new Map(closed.map(({ namespace, flows }) => [namespace, new Set(flows)]));
    const noted = this.#noted.get(profile);
    if (noted?.revision !== revision) return all;
    for (const [namespace, flows] of noted.namespaces)
      all.set(namespace, (all.get(namespace) ?? new Set<string>()).union(flows));
    return all;
  }
}

/** The flows that a write of a policy closes. */
function closedBy(before: NetworkPolicy | undefined, after: NetworkPolicy | undefined): readonly string[] {
  const isNew = before === undefined && after?.spec.ingress === undefined && after?.spec.egress === undefined;
  if (isNew) return ['all that its policies do not allow, as it was not isolated'];
  return summarizeChange(before, after).removed ?? [];
}
