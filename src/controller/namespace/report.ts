/** What is noted of one namespace after a reconcile: its results for the profiles' status, and what stands now. */
import type { SegmentationProfile } from '../../api/profile.ts';
import { encodePeerSource, type PeerSource } from '../../policy/facts.ts';
import { begun, type Intent } from './desired.ts';
import type { Enforced } from './enforced.ts';
import type { Failure, NamespaceResult, Results } from '../results.ts';
import type { PeerSources } from '../../cluster-state/peer-sources/sources.ts';
import type { Postponed } from './postponed.ts';
import type { Relation } from '../../cluster-state/state.ts';

/** Remembers what stands now. Drift must find it, whatever was deleted. */
export function noteEnforced(
  namespace: string,
  intents: readonly Intent[],
  postponed: ReadonlyMap<string, Postponed>,
  enforced: Enforced,
): void {
  const standing = intents.flatMap((intent) => {
    const { profile, relation, compiled } = intent;
    const waits = postponed.get(profile.metadata.name);
    const isolation = profile.spec.isolation.filter((each) => !waits?.directions.includes(each));
    if (relation !== 'enforce' || isolation.length === 0) return [];
    const held = compiled.unresolved.some((each) => each.hasLastKnown) ? begun(intent, waits) : [];
    return [[profile.metadata.name, { isolation, held }] as const];
  });
  enforced.note(namespace, new Map(standing));
}

/** A profile that no longer concerns the namespace has no result there. */
export function forgetOthers(
  namespace: string,
  concerned: readonly SegmentationProfile[],
  results: Results,
): void {
  const names = new Set(concerned.map(({ metadata }) => metadata.name));
  for (const profile of results.profiles()) if (!names.has(profile)) results.delete(profile, namespace);
}

/** The reconcile is done: everything stands but what is postponed. */
export function report(
  namespace: string,
  intents: readonly Intent[],
  postponed: ReadonlyMap<string, Postponed>,
  conflicts: readonly string[],
  results: Results,
): void {
  for (const intent of intents) {
    const { profile, relation, compiled } = intent;
    const { name, generation = 0 } = profile.metadata;
    if (relation === 'none') {
      results.delete(name, namespace);
      continue;
    }
    const { unresolved, policies } = compiled;
    const own = new Set(policies.map(({ metadata }) => metadata.name));
    const waits = postponed.get(name);
    const failure = waits?.failure;
    // A default-deny of fewer directions is not as it should be.
    const present = begun(intent, waits);
    const applied = present === policies ? present : present.filter((each) => policies.includes(each));
    results.set(name, namespace, {
      generation,
      state: stateOf(relation, failure),
      desired: policies.length,
      applied: applied.length,
      unresolved,
      conflicts: conflicts.filter((conflict) => own.has(conflict)),
      ...(failure && { failure }),
    });
  }
}

/**
 * Nothing is written while a source can't be read: what stands stays (invariant I3). A first read that is merely on
 * its way is not worth a report: its end brings the namespace back here.
 */
export function reportMissing(
  namespace: string,
  intents: readonly Intent[],
  missing: readonly PeerSource[],
  { results, sources }: { readonly results: Results; readonly sources: PeerSources },
): void {
  const why = missing.map((source) => sources.readError(source)).find((each) => each !== undefined);
  if (why === undefined) return;
  const message = `waiting to read ${missing.map(encodePeerSource).join(', ')}: ${why}`;
  reportFailure(
    namespace,
    intents,
    'pending',
    { reason: 'SourceUnavailable', message, kind: 'waiting' },
    results,
  );
}

/** The reconcile failed, or could not begin: what was applied before counts on. */
export function reportFailure(
  namespace: string,
  intents: readonly Intent[],
  state: 'pending' | 'failed',
  failure: Failure,
  results: Results,
): void {
  for (const { profile, relation, compiled } of intents) {
    if (relation === 'none') continue;
    const { name, generation = 0 } = profile.metadata;
    results.set(name, namespace, {
      generation,
      state,
      desired: compiled.policies.length,
      applied: results.of(name).get(namespace)?.applied ?? 0,
      unresolved: compiled.unresolved,
      conflicts: [],
      failure,
    });
  }
}

function stateOf(relation: Relation, failure: Failure | undefined): NamespaceResult['state'] {
  if (failure !== undefined) return failure.kind === 'stalled' ? 'failed' : 'pending';
  return relation === 'audit' ? 'audited' : 'enforced';
}
