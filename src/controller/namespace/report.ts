/** Records what a reconcile of one namespace led to: its results for the profiles' status, and what is enforced. No I/O. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Relation } from '../../cluster-state/relation.ts';
import type { Records } from '../records.ts';
import type { Failure, NamespaceResult } from '../results.ts';
import { withoutPostponed } from './desired.ts';
import type { Decision } from './enforce.ts';
import type { ProfileIntent } from './gather.ts';
import { type EnforcedProfile, type NamespaceRecord, NOTHING_ENFORCED } from './record.ts';

/** Remembers what is enforced now, so that drift is found and repaired whatever somebody deletes. */
export function recordEnforced(record: NamespaceRecord, { intents, postponed }: Decision): void {
  const enforced = intents.flatMap((intent) => {
    const waiting = postponed.get(intent.profile.metadata.name);
    const isolation = intent.profile.spec.isolation.filter((each) => !waiting?.directions.includes(each));
    return intent.relation === 'enforce' && isolation.length > 0 ? [{ intent, waiting, isolation }] : [];
  });
  const [only] = enforced;
  if (only === undefined) record.enforced = NOTHING_ENFORCED;
  else if (enforced.length === 1 && only.waiting === undefined && !hasLastKnown(only.intent))
    record.enforced = wholeOf(only.intent.profile);
  else
    record.enforced = new Map(
      enforced.map(({ intent, waiting, isolation }) => [
        intent.profile.metadata.name,
        { isolation, lastWritten: hasLastKnown(intent) ? withoutPostponed(intent, waiting) : [] },
      ]),
    );
}

/** The isolation by one profile, of all its directions and without last known peers, as in most of its namespaces. */
function wholeOf(profile: SegmentationProfile): ReadonlyMap<string, EnforcedProfile> {
  let whole = wholes.get(profile);
  if (whole === undefined) {
    whole = new Map([[profile.metadata.name, { isolation: profile.spec.isolation, lastWritten: [] }]]);
    wholes.set(profile, whole);
  }
  return whole;
}

/** Thousands of namespaces share one. An edited profile is another value. */
const wholes = new WeakMap<SegmentationProfile, ReadonlyMap<string, EnforcedProfile>>();

function hasLastKnown({ compiled, added }: ProfileIntent): boolean {
  return [...compiled.unresolved, ...(added?.unresolved ?? [])].some((each) => each.hasLastKnown);
}

export const GATE_ENDING: Failure = {
  reason: 'GateEnding',
  message:
    'policies stay until the API server no longer acts on an admission gate that looks for the default-deny here',
  kind: 'waiting',
};
const NONE: ReadonlySet<string> = new Set();

/** A decision that was carried out. */
export interface CarriedOut extends Decision {
  readonly conflicts: readonly string[];
  /** The profiles whose policies stay for an admission gate. */
  readonly gated?: ReadonlySet<string>;
}

/** The reconcile is done: every policy is in place, but for what is postponed. */
export function recordResults(
  namespace: string,
  { intents, postponed, conflicts, gated = NONE }: CarriedOut,
  records: Records,
): void {
  for (const intent of intents) {
    const { profile, relation, revision, compiled } = intent;
    const { name, generation = 0 } = profile.metadata;
    if (relation === 'none' || relation === 'held') {
      if (intent.isAwaited) records.setResult(name, namespace, awaitedResult(intent));
      else records.deleteResult(name, namespace);
      continue;
    }
    const { unresolved, policies, connections } = compiled;
    const names = new Set(policies.map(({ metadata }) => metadata.name));
    const waiting = postponed.get(name);
    const failure = waiting?.failure ?? (gated.has(name) ? GATE_ENDING : undefined);
    // A default-deny that isolates fewer directions than it should does not count as applied.
    const written = withoutPostponed(intent, waiting);
    const applied = written === policies ? written : written.filter((each) => policies.includes(each));
    records.setResult(name, namespace, {
      generation,
      ...(revision !== undefined && { revision }),
      state: stateOf(relation, failure),
      desired: policies.length,
      applied: applied.length,
      unresolved,
      connections,
      conflicts: conflicts.filter((conflict) => names.has(conflict)),
      ...(failure && { failure }),
    });
  }
}

/** The reconcile failed, or could not begin: the policies that were applied before still count. */
export function recordFailure(
  namespace: string,
  intents: readonly ProfileIntent[],
  { state, failure }: { readonly state: 'pending' | 'failed'; readonly failure: Failure },
  records: Records,
): void {
  for (const { profile, relation, revision, isAwaited, compiled } of intents) {
    if (relation === 'none' || (relation === 'held' && !isAwaited)) continue;
    const { name, generation = 0 } = profile.metadata;
    records.setResult(name, namespace, {
      generation,
      ...(revision !== undefined && { revision }),
      state,
      desired: compiled.policies.length,
      applied: records.resultsOf(name).get(namespace)?.applied ?? 0,
      unresolved: compiled.unresolved,
      connections: compiled.connections,
      conflicts: [],
      failure,
    });
  }
}

/** The rollout has not reached the namespace. */
function awaitedResult({ profile, compiled, isAsAsked = false }: ProfileIntent): NamespaceResult {
  const { generation = 0 } = profile.metadata;
  const desired = compiled.policies.length;
  const state = isAsAsked ? (profile.spec.mode === 'Audit' ? 'audited' : 'enforced') : 'awaited';
  const applied = isAsAsked ? desired : 0;
  const { connections } = compiled;
  return { generation, state, desired, applied, unresolved: [], connections, conflicts: [] };
}

function stateOf(relation: Relation, failure: Failure | undefined): NamespaceResult['state'] {
  if (failure !== undefined) return failure.kind === 'stalled' ? 'failed' : 'pending';
  return relation === 'audit' ? 'audited' : 'enforced';
}
