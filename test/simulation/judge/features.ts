/** The status of rollouts and exceptions in a converged cluster, by the model. */
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { isGranting } from '../../../src/policy/exceptions/grant.ts';
import type { Verdict } from '../../../src/policy/exceptions/judge.ts';
import { fingerprint } from '../../../src/policy/semantics/normalize.ts';
import { isStopped } from '../../../src/rollout/advance.ts';
import { intentOf, sameIntent } from '../../../src/rollout/revision.ts';
import { rfc3339 } from '../../../src/util/rfc3339.ts';
import { exceptionsInForce, verdicts } from '../schedule/exception-policies.ts';
import type { Recorder } from './recorder.ts';

export type RolloutStanding =
  /** The profile is in force as it is, in all its namespaces. */
  | { readonly kind: 'complete' }
  /** A person has to act, or has paused the rollout: namespaces have several revisions. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'unmet'; readonly unmet: string };

export function rolloutStanding(profile: SegmentationProfile, { inputs }: Recorder): RolloutStanding {
  const { spec, status } = profile;
  const unmet = (text: string): RolloutStanding => ({ kind: 'unmet', unmet: text });
  const state = status?.rollout;
  if (spec.rollout === undefined)
    return state === undefined ? { kind: 'complete' } : unmet('its status still has a rollout');
  if (state === undefined) return unmet('its status has no rollout');
  const revision = inputs.forms.revisionsOf(profile).get(state.revision);
  if (revision === undefined || !sameIntent(revision.intent, intentOf(spec)))
    return unmet(`the rollout is of revision ${state.revision}, which is not the profile as it is`);
  const { phase } = state;
  if (phase !== 'Complete' && phase !== 'Paused' && !isStopped(state))
    return unmet(`its rollout is ${phase}`);
  const shouldPause = spec.rollout.paused && phase !== 'Complete' && !isStopped(state);
  if ((phase === 'Paused') !== shouldPause)
    return unmet(`its rollout is ${phase}, and paused is ${spec.rollout.paused}`);
  return { kind: phase === 'Complete' ? 'complete' : 'stopped' };
}

/** Describes an exception whose status does not say if it is in force. */
export function unmetInExceptions(namespace: string, { inputs, observed }: Recorder): string | undefined {
  const current = inputs.current(namespace);
  // Without a profile that grants exceptions, nobody has to read them.
  if (!current.profiles.some(({ asItIs }) => asItIs !== undefined && isGranting(asItIs))) return undefined;
  const policies = observed.policies(namespace);
  const present = new Set(policies.map(fingerprint));
  const complete = new Set(
    exceptionsInForce(current, namespace, policies)
      .filter((each) => each.policies.every((policy) => present.has(fingerprint(policy))))
      .map(({ exception }) => exception),
  );
  for (const [exception, verdict] of verdicts(current, namespace, policies)) {
    const stored = observed.exception(exception) ?? exception;
    const unmet = unmetInException(stored, verdict, complete.has(exception));
    if (unmet !== undefined) return `exception ${exception.metadata.name}: ${unmet}`;
  }
  return undefined;
}

function unmetInException(
  { metadata, status }: SegmentationException,
  verdict: Verdict,
  isComplete: boolean,
): string | undefined {
  if (status?.observedGeneration !== metadata.generation) return 'its status is of an older generation';
  const condition = status?.conditions?.find(({ type }) => type === 'InForce');
  const isInForce = verdict.kind === 'in-force' && isComplete;
  if (condition?.status !== (isInForce ? 'True' : 'False'))
    return `it is ${verdict.kind}, and InForce is ${condition?.status}: ${condition?.message}`;
  if (verdict.kind === 'in-force' && status?.until !== rfc3339(verdict.end))
    return `it ends at ${rfc3339(verdict.end)}, and its status says ${status?.until}`;
  if ((verdict.kind === 'expired') !== (condition?.reason === 'Expired'))
    return `it is ${verdict.kind}, and the reason is ${condition?.reason}`;
  return undefined;
}
