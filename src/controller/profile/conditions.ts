/** The conditions of a profile. Their reasons are documented in docs/troubleshooting.md. Pure. */
import type { ConditionValue } from '../../api/conditions.ts';
import type { SegmentationProfile, WorkloadFindings } from '../../api/profile.ts';
import { counted } from '../../util/list-text.ts';
import type { NamespaceItem } from '../../cluster-state/items.ts';
import type { AdmissionReport } from '../admission/report.ts';
import type { CapabilityReport } from '../capability.ts';
import type { EnforcementVerdict } from '../enforcement.ts';
import type { NamespaceResult } from '../results.ts';
import { terminatingMessage } from './termination.ts';
import {
  brief,
  named,
  pendingMessage,
  removingMessage,
  unresolvedMessage,
  unusedMessage,
} from './messages.ts';
import type { Tally } from './tally.ts';

export interface StatusInput {
  readonly profile: SegmentationProfile;
  /** Names of the selected namespaces. */
  readonly selected: readonly string[];
  readonly results: ReadonlyMap<string, NamespaceResult>;
  /** How many namespaces have policies that the operator still has to remove. */
  readonly removing: number;
  /** Namespaces with policies of the profile that are being deleted: the profile selects them no longer. */
  readonly terminating: readonly NamespaceItem[];
  /** Undefined if the profile asks for no admission. */
  readonly admission?: AdmissionReport | undefined;
  /** Objects that break limits of `spec.workloads`; undefined if they were not counted. */
  readonly workloads?: WorkloadFindings | undefined;
  /** Reports of the capabilities that the profile asks for. */
  readonly capabilities?: readonly CapabilityReport[];
  /** Absent if nothing in the cluster tries by packets if policies are enforced. */
  readonly enforcement?: EnforcementVerdict | 'pending' | undefined;
  readonly now: Date;
}

type Condition = Omit<ConditionValue, 'observedGeneration'>;
type Verdict = Omit<Condition, 'type'>;

export function conditionsOf(input: StatusInput, tally: Tally): Condition[] {
  return [
    { type: 'Ready', ...ready(input, tally) },
    { type: 'Reconciling', ...reconciling(input, tally) },
    { type: 'Stalled', ...stalled(input, tally) },
    { type: 'PeersResolved', ...peersResolved(tally) },
    ...(hasConnections(input) ? [{ type: 'ConnectionsUnused', ...connectionsUnused(input, tally) }] : []),
    { type: 'EnforcementVerified', ...enforcementVerified(input) },
    ...(input.admission ? [{ type: 'AdmissionReady', ...admissionReady(input.admission) }] : []),
    ...(input.capabilities ?? []).map(({ condition }) => ({
      ...condition,
      message: brief(condition.message),
    })),
  ];
}

/** The reports on which Ready depends. */
function capabilitiesOf({ capabilities = [] }: StatusInput): readonly CapabilityReport[] {
  return capabilities.filter(({ isInformation = false }) => !isInformation);
}

function isTrue(reason: string, message: string): Verdict {
  return { status: 'True', reason, message };
}

function isFalse(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}

function ready(input: StatusInput, tally: Tally): Verdict {
  const { profile, selected, removing } = input;
  if (profile.metadata.deletionTimestamp !== undefined)
    return isFalse('Deleting', `the profile is being deleted; ${counted(removing, 'namespace')} to go`);
  const { reason, ...verdict } =
    notReady(input, tally) ?? (selected.length === 0 ? nothingSelected() : complete(input, tally));
  const message = [verdict.message, terminatingMessage(input.terminating)].filter(Boolean).join('; ');
  return { ...verdict, reason, message };
}

/** The first reason why the profile is not ready; undefined if there is none. */
function notReady(input: StatusInput, tally: Tally): Verdict | undefined {
  const { removing, admission } = input;
  const { failed, unresolved, pending } = tally;
  if (failed.length > 0) {
    const message = `${counted(failed.length, 'namespace')} failed: ${named(failed)}; see .status.failures`;
    return isFalse('NamespacesFailed', message);
  }
  if (unresolved.length > 0) return isFalse('PeersUnresolved', unresolvedMessage(unresolved));
  if (pending.length > 0) return isFalse('Progressing', pendingMessage(tally));
  if (removing > 0) return isFalse('Progressing', removingMessage(removing));
  if (admission?.ready === false) {
    const reason = admission.reason === 'Progressing' ? 'Progressing' : 'AdmissionNotReady';
    return isFalse(reason, admission.message);
  }
  const lacking = capabilitiesOf(input).find(({ condition }) => condition.status !== 'True')?.condition;
  if (lacking === undefined) return undefined;
  const { type, reason, message } = lacking;
  return isFalse(reason === 'Progressing' ? reason : type.replace(/Ready$/, 'NotReady'), message);
}

function nothingSelected(): Verdict {
  return isTrue('NoNamespaceSelected', 'the namespaceSelector matches no namespace at the moment');
}

function complete(input: StatusInput, { enforced, audited, applied }: Tally): Verdict {
  if (input.profile.spec.mode === 'Audit')
    return isTrue('Audited', `${counted(audited, 'namespace')} computed, nothing is enforced: mode is Audit`);
  const written = `${counted(applied, 'policy', 'policies')} in ${counted(enforced, 'namespace')} written`;
  const isVerified = enforcementVerified(input).status === 'True';
  return isTrue('Enforced', `${written}, enforcement ${isVerified ? 'verified' : 'not verified'}`);
}

function reconciling(input: StatusInput, tally: Tally): Verdict {
  const { profile, removing, admission } = input;
  const isDeleting = profile.metadata.deletionTimestamp !== undefined;
  const parts = [
    ...(tally.pending.length > 0 ? [pendingMessage(tally)] : []),
    ...(removing > 0 ? [removingMessage(removing)] : []),
  ];
  const isProgressing =
    admission?.reason === 'Progressing' ||
    capabilitiesOf(input).some(({ condition }) => condition.reason === 'Progressing');
  if (parts.length === 0 && !isDeleting && !isProgressing) return isFalse('Settled', 'nothing is left to do');
  return isTrue(isDeleting ? 'Deleting' : 'Progressing', parts.join('; ') || 'settling');
}

function stalled(input: StatusInput, { notable, unresolved }: Tally): Verdict {
  const { admission } = input;
  const stuck = notable.filter(([, { failure }]) => failure?.kind === 'stalled');
  const [first] = stuck;
  if (first !== undefined) {
    const [namespace, { failure }] = first;
    const count = counted(stuck.length, 'namespace');
    const message = `${count} can't go on without a change: ${namespace}: ${brief(failure?.message ?? '')}`;
    return isTrue(failure?.reason ?? 'Failed', message);
  }
  if (admission?.stalled) return isTrue(admission.reason, brief(admission.message));
  const blocked = capabilitiesOf(input).find(({ isStalled }) => isStalled)?.condition;
  if (blocked !== undefined) return isTrue(blocked.reason, brief(blocked.message));
  const isWaiting = unresolved.length > 0;
  return isFalse('Settled', `nothing needs a person${isWaiting ? ', but for what PeersResolved names' : ''}`);
}

function peersResolved({ unresolved }: Tally): Verdict {
  const [first] = unresolved;
  return first === undefined
    ? isTrue('Resolved', 'every peer of every rule is resolved')
    : isFalse(first[1].unresolved[0]?.reason ?? 'Unresolved', unresolvedMessage(unresolved));
}

function hasConnections({ profile }: StatusInput): boolean {
  return (profile.spec.connections ?? []).length > 0;
}

function connectionsUnused({ selected }: StatusInput, { unused, isComplete }: Tally): Verdict {
  if (unused.length === 0) return isFalse('Used', 'an end of each connection lies in a selected namespace');
  if (selected.length === 0)
    return { status: 'Unknown', reason: 'NoNamespaceSelected', message: 'no namespace is selected' };
  if (isComplete) return isTrue('NoEndSelected', brief(unusedMessage(unused)));
  const message = 'some selected namespaces have not been reconciled yet';
  return { status: 'Unknown', reason: 'Progressing', message };
}

function admissionReady({ ready: isReady, reason, message }: AdmissionReport): Verdict {
  return { status: isReady ? 'True' : 'False', reason, message: brief(message) };
}

/** The API server stores policies; only packets show that the network plugin enforces them. */
function enforcementVerified({ profile, enforcement }: StatusInput): Verdict {
  if (enforcement === undefined) return NO_PROOF;
  if (enforcement !== 'pending') return { ...enforcement, message: brief(enforcement.message) };
  const stored = profile.status?.conditions?.find(({ type }) => type === 'EnforcementVerified');
  if (stored === undefined)
    return { status: 'Unknown', reason: 'NoReport', message: 'the canary has not reported yet' };
  return { status: stored.status, reason: stored.reason, message: stored.message };
}

const NO_PROOF: Verdict = {
  status: 'Unknown',
  reason: 'NoCanary',
  message: 'nothing tries by packets if the network plugin enforces policies; see docs/enforcement.md',
};
