/** A profile's status, from the results of its namespaces. Pure. */
import { mergeConditions } from '../../api/conditions.ts';
import type { ProfileFailure, ProfileStatus } from '../../api/profile.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { compareText } from '../../util/order.ts';
import type { AdmissionReport } from '../admission/report.ts';
import type { NamespaceResult } from '../results.ts';
import { conditionsOf, type StatusInput } from './conditions.ts';
import { brief, named, ruleAndPeer } from './messages.ts';
import { type CurrentResult, tallyOf, withNotable } from './tally.ts';
import { stuckTerminations } from './termination.ts';

/** Most failures that the status lists; the schema's bound. */
export const MAX_FAILURES = 50;

export type { StatusInput };

export function profileStatus(input: StatusInput): ProfileStatus {
  const { profile, selected, results, terminating, admission, capabilities = [], now } = input;
  const { generation = 0 } = profile.metadata;
  const stuck = stuckTerminations(terminating, now.getTime(), generation);
  const tally = withNotable(tallyOf(profile, selected, results), stuck);
  const done = profile.spec.mode === 'Audit' ? tally.audited : tally.enforced;
  const conditions = conditionsOf(input, tally).map((condition) => ({
    ...condition,
    observedGeneration: generation,
  }));
  const failures = failuresOf(tally.notable);
  return {
    observedGeneration: generation,
    conditions: mergeConditions(profile.status?.conditions ?? [], conditions, now),
    namespaces: {
      matched: selected.length,
      enforced: tally.enforced,
      pending: tally.pending.length + tally.awaited,
      failed: tally.failed.length,
      summary: `${done}/${selected.length}`,
    },
    policies: { desired: tally.desired, applied: tally.applied },
    ...wideningOf(admission),
    ...(input.workloads && { workloads: input.workloads }),
    ...Object.assign({}, ...capabilities.map(({ status }) => status)),
    ...(failures.length > 0 && { failures }),
  };
}

/** True if two statuses say the same, in any order of keys. */
export function sameStatus(a: ProfileStatus | undefined, b: ProfileStatus): boolean {
  return a !== undefined && canonicalJSON(a) === canonicalJSON(b);
}

/** The foreign policies that allow more than the profile admits, if it limits them. */
function wideningOf(admission: AdmissionReport | undefined): Pick<ProfileStatus, 'admission'> {
  if (admission?.widening === undefined) return {};
  const { length } = admission.widening;
  const policies = admission.widening.slice(0, MAX_FAILURES);
  return { admission: { wideningPolicies: length, ...(length > 0 && { policies }) } };
}

/** The first failures, conflicts and unresolved peers, by namespace. */
function failuresOf(notable: readonly CurrentResult[]): ProfileFailure[] {
  const failures: ProfileFailure[] = [];
  for (const [namespace, result] of notable) {
    failures.push(...failuresIn(namespace, result));
    if (failures.length >= MAX_FAILURES) break;
  }
  return failures.slice(0, MAX_FAILURES);
}

function failuresIn(
  namespace: string,
  { failure, conflicts, unresolved }: NamespaceResult,
): ProfileFailure[] {
  const found = [
    ...(failure ? [{ namespace, reason: failure.reason, message: brief(failure.message) }] : []),
    ...(conflicts.length > 0
      ? [{ namespace, reason: 'Conflict', message: `${named(conflicts)}: ${CONFLICT}` }]
      : []),
    ...unresolved.map((peer) => ({
      namespace,
      reason: peer.reason,
      message: `${ruleAndPeer(peer)}: ${brief(peer.message)}`,
    })),
  ];
  // Both sides of a connection within one namespace say the same of an end.
  const distinct = new Map(found.map((each) => [`${each.reason} ${each.message}`, each]));
  return [...distinct.values()].sort(
    (a, b) => compareText(a.reason, b.reason) || compareText(a.message, b.message),
  );
}

const CONFLICT = 'a foreign NetworkPolicy has the name; the own one has an alternative name';
