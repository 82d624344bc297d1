/** The status of an exception. Its reasons are documented in docs/troubleshooting.md. Pure. */
import { type ConditionValue, mergeConditions } from '../../api/conditions.ts';
import type { ExceptionStatus, Notice, SegmentationException } from '../../api/exception.ts';
import type { ConditionStatus } from '../../api/meta.ts';
import type { UnresolvedPeer } from '../../policy/compile.ts';
import { rfc3339 } from '../../util/rfc3339.ts';
import type { Verdict } from '../../policy/exceptions/judge.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { counted } from '../../util/list-text.ts';

/** The policies of an exception, as they were compiled last and as they are. */
export interface PolicyState {
  /** How many policies the exception asks for. */
  readonly desired: number;
  /** True if exactly these are in place. */
  readonly isInPlace: boolean;
  readonly unresolved: readonly UnresolvedPeer[];
  /** Why the API server would refuse one of them for its size. */
  readonly excess?: string | undefined;
}

/** The policies of an exception in a namespace that was not reconciled with it: how many it asks for is not known. */
export const NOT_COMPILED: PolicyState = { desired: 0, isInPlace: false, unresolved: [] };

export interface StatusInput {
  readonly exception: SegmentationException;
  readonly verdict: Verdict;
  readonly policies: PolicyState;
  /** Why the policies of the namespace can't be written; undefined if they can, or that is not known. */
  readonly obstacle: string | undefined;
  readonly notice: Notice | undefined;
  readonly now: Date;
}

/** An aspect with the reason and the message that several conditions share. */
interface Summary {
  readonly inForce: ConditionStatus;
  readonly ready: ConditionStatus;
  readonly isReconciling: boolean;
  readonly isStalled: boolean;
  readonly reason: string;
  readonly message: string;
  /** The reason and message of Ready, if they are others. */
  readonly notReady?: { readonly reason: string; readonly message: string };
}

/** Longest message of a condition, in characters. */
const MAX_MESSAGE = 1024;

export function exceptionStatus(input: StatusInput): ExceptionStatus {
  const { exception, verdict, policies, notice, now } = input;
  const { generation: observedGeneration = 0 } = exception.metadata;
  const conditions = conditionsOf(summaryOf(input)).map((condition) => ({
    ...condition,
    message: condition.message.slice(0, MAX_MESSAGE),
    observedGeneration,
  }));
  const profile = 'profile' in verdict ? verdict.profile.metadata.name : exception.status?.profile;
  const end = 'end' in verdict ? verdict.end : Number.NaN;
  return {
    observedGeneration,
    conditions: mergeConditions(exception.status?.conditions ?? [], conditions, now),
    ...(profile !== undefined && { profile }),
    ...(!Number.isNaN(end) && { until: rfc3339(end) }),
    policies: policies.desired,
    ...(notice && { notice }),
  };
}

/** True if two statuses say the same, in any order of keys. */
export function sameStatus(a: ExceptionStatus | undefined, b: ExceptionStatus): boolean {
  return a !== undefined && canonicalJSON(a) === canonicalJSON(b);
}

function conditionsOf({
  inForce,
  ready,
  isReconciling,
  isStalled,
  reason,
  message,
  notReady = { reason, message },
}: Summary): Omit<ConditionValue, 'observedGeneration'>[] {
  const settled = { reason: 'Settled', message: 'nothing is left to do' };
  return [
    { type: 'InForce', status: inForce, reason, message },
    { type: 'Ready', status: ready, ...notReady },
    {
      type: 'Reconciling',
      status: isReconciling ? 'True' : 'False',
      ...(isReconciling ? notReady : settled),
    },
    {
      type: 'Stalled',
      status: isStalled ? 'True' : 'False',
      ...(isStalled ? { reason, message } : { reason: 'Settled', message: 'nothing needs a person' }),
    },
  ];
}

function summaryOf(input: StatusInput): Summary {
  const { verdict, policies } = input;
  switch (verdict.kind) {
    case 'in-force':
      return policies.excess === undefined
        ? granted(input, verdict)
        : refused('TooLarge', policies.excess, input);
    case 'awaiting-approval':
      return {
        inForce: 'False',
        ready: 'False',
        isReconciling: true,
        isStalled: false,
        reason: 'ApprovalRequired',
        message: `SegmentationProfile ${verdict.profile.metadata.name} asks for an approval: the exception ${verdict.message}`,
      };
    case 'expired':
      return expired(input);
    case 'refused':
      return refused(verdict.reason, verdict.message, input);
  }
}

function granted(
  { exception, policies, obstacle }: StatusInput,
  { profile, end }: Extract<Verdict, { kind: 'in-force' }>,
): Summary {
  const { name } = profile.metadata;
  const { requestedBy, extendedBy, approval } = exception.spec;
  const people = [
    `asked for by ${extendedBy ?? requestedBy}`,
    ...(approval === undefined ? [] : [`approved by ${approval.by}`]),
  ].join(', ');
  const until = `until ${rfc3339(end)}, ${people}`;
  if (!policies.isInPlace) {
    const message =
      obstacle === undefined
        ? `policies are being written in namespace ${exception.metadata.namespace}`
        : `the policies of SegmentationProfile ${name} in namespace ${exception.metadata.namespace} can't be written: ${obstacle}`;
    return { ...NEITHER, isReconciling: true, reason: 'Progressing', message };
  }
  const message =
    policies.desired === 0
      ? `nothing to open ${until}: SegmentationProfile ${name} isolates no direction in which a rule has an effect`
      : `${counted(policies.desired, 'policy', 'policies')} of SegmentationProfile ${name} ${until}`;
  const inForce = { ...NEITHER, inForce: 'True', reason: 'InForce', message } as const;
  const [first] = policies.unresolved;
  if (first === undefined) return { ...inForce, ready: 'True' };
  const detail = `rule ${first.rule}: peer ${first.peer}: ${first.message}`;
  return { ...inForce, isReconciling: true, notReady: { reason: 'PeersUnresolved', message: detail } };
}

const NEITHER = { inForce: 'False', ready: 'False', isReconciling: false, isStalled: false } as const;

function expired({ exception, policies }: StatusInput): Summary {
  const message = `expired at ${exception.spec.expires}`;
  if (policies.isInPlace) return { ...NEITHER, ready: 'True', reason: 'Expired', message };
  const left = { reason: 'Progressing', message: `${message}; its policies are being deleted` };
  return { ...NEITHER, isReconciling: true, reason: 'Expired', message, notReady: left };
}

function refused(reason: string, message: string, { policies }: StatusInput): Summary {
  return { ...NEITHER, isStalled: true, isReconciling: !policies.isInPlace, reason, message };
}
