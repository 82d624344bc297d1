/**
 * The exceptions of manifests, judged as the operator would judge them: their policies, and what a user should know. Pure.
 *
 * An exception that waits for an approval counts as approved: manifests are read before somebody approves.
 */
import type { Namespace } from '../analysis/cluster.ts';
import type { SegmentationException } from '../api/exception.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import type { LastKnown } from '../policy/compile.ts';
import { compileException, type Granted } from '../policy/exceptions/compile.ts';
import { judge, type Verdict } from '../policy/exceptions/judge.ts';
import type { ExtensionPolicy } from '../policy/extensions.ts';
import type { ClusterFacts } from '../policy/facts.ts';
import { rfc3339 } from '../util/rfc3339.ts';

export interface ManifestExceptions {
  readonly exceptions: readonly SegmentationException[];
  /** Wall clock, in milliseconds since the epoch. */
  readonly now: number;
}

export interface Opened {
  readonly exception: SegmentationException;
  /** The name of the profile that grants it; undefined if none does. */
  readonly profile?: string;
  readonly policies: readonly NetworkPolicy[];
  /** The extensions that the network engine carries beside them. */
  readonly extensions: readonly ExtensionPolicy[];
  readonly remarks: readonly Remark[];
}

export interface Remark {
  /** True if less is opened than the exception asks for. */
  readonly isWarning: boolean;
  readonly text: string;
}

export interface OpenedContext {
  readonly namespace: Namespace;
  /** The profiles that select the namespace. */
  readonly profiles: readonly SegmentationProfile[];
  readonly facts: ClusterFacts;
  readonly lastKnown: LastKnown;
}

/** The exceptions of one namespace. */
export function openedByExceptions(
  { exceptions, now }: ManifestExceptions,
  context: OpenedContext,
): readonly Opened[] {
  const own = exceptions
    .filter(({ metadata }) => metadata.namespace === context.namespace.name)
    .map((each) => createdAt(each, now));
  return [...judge(own, context.profiles, now)].map(([exception, verdict]) =>
    opened(exception, verdict, context),
  );
}

/** An exception that was not created yet would be created now. */
function createdAt(exception: SegmentationException, now: number): SegmentationException {
  const { creationTimestamp = rfc3339(now) } = exception.metadata;
  return { ...exception, metadata: { ...exception.metadata, creationTimestamp } };
}

function opened(exception: SegmentationException, verdict: Verdict, context: OpenedContext): Opened {
  const title = `exception ${exception.metadata.namespace}/${exception.metadata.name}`;
  const remarks = nameRemarks(title, exception);
  if (verdict.kind === 'expired' || verdict.kind === 'refused') {
    const text = `${title} opens nothing: ${reasonOf(exception, verdict)}`;
    return { exception, policies: [], extensions: [], remarks: [...remarks, { isWarning: true, text }] };
  }
  const { profile } = verdict;
  const isAwaiting = verdict.kind === 'awaiting-approval';
  const end = isAwaiting ? Date.parse(exception.spec.expires) : verdict.end;
  const compiled = compiledIn(exception, { profile, end }, context);
  const approval = isAwaiting
    ? [{ isWarning: false, text: `${title} is taken as approved: it ${verdict.message}` }]
    : [];
  const unresolved = compiled.unresolved.map(({ rule, peer, message }) => ({
    isWarning: true,
    text: `${title}, rule ${rule}: ${peer} is not resolved: ${message}`,
  }));
  const excess = compiled.excess === undefined ? [] : [compiled.excess];
  const tooLarge = excess.map((why) => ({ isWarning: true, text: `${title} opens nothing: ${why}` }));
  return {
    exception,
    profile: profile.metadata.name,
    policies: compiled.policies,
    extensions: compiled.extensions,
    remarks: [...remarks, ...approval, ...unresolved, ...tooLarge],
  };
}

function compiledIn(exception: SegmentationException, granted: Granted, context: OpenedContext) {
  const { namespace, facts, lastKnown } = context;
  return compileException(exception, granted, { namespace, cluster: facts, lastKnown });
}

function reasonOf(
  { spec }: SegmentationException,
  verdict: Extract<Verdict, { kind: 'expired' | 'refused' }>,
): string {
  if (verdict.kind === 'refused') return verdict.message;
  return `it expired at ${spec.expires}, and the API server refuses to create it: write a later time`;
}

/** The schema demands the name, which a MutatingAdmissionPolicy may fill in. */
function nameRemarks(title: string, { spec }: SegmentationException): Remark[] {
  const { requestedBy }: Partial<SegmentationException['spec']> = spec;
  if (requestedBy !== undefined) return [];
  const text = `${title} has no requestedBy: with config/exceptions/fill-in the API server fills it in, and otherwise it refuses the exception`;
  return [{ isWarning: false, text }];
}
