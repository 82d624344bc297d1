/** The condition ImagesVerified of a profile, and the namespaces in which images are not known to be verified. Pure. */
import type { ProfileFailure, ProfileStatus } from '../../api/profile.ts';
import type { Verification } from '../../policy/image-verification/verification.ts';
import { counted, shortList } from '../../util/list-text.ts';
import { compareText } from '../../util/order.ts';
import type { CapabilityReport } from '../capability.ts';

export const IMAGES_VERIFIED = 'ImagesVerified';

/** Most namespaces that the status lists; the schema's bound. */
const MAX_NAMESPACES = 50;
/** Longest message of a namespace, in characters. */
const MAX_MESSAGE = 1024;

export interface JudgedNamespace {
  readonly name: string;
  readonly verification: Verification;
}

type ImageVerification = NonNullable<ProfileStatus['imageVerification']>;

/** @param forbidden resources that the operator may not list: with them, verifiers may be unseen */
export function reportOf(judged: readonly JudgedNamespace[], forbidden: readonly string[]): CapabilityReport {
  const sorted = judged.toSorted((a, b) => compareText(a.name, b.name));
  const known = forbidden.length === 0 ? sorted : sorted.map((each) => unseen(each, forbidden));
  const of = (kind: Verification['kind']) => known.filter(({ verification }) => verification.kind === kind);
  const open = known.filter(({ verification }) => verification.kind !== 'verified');
  const imageVerification: ImageVerification = {
    verified: of('verified').length,
    unverified: of('unverified').length,
    undetermined: of('undetermined').length,
    ...(open.length > 0 && { namespaces: open.slice(0, MAX_NAMESPACES).map(listed) }),
  };
  return { ...information(known, open), status: { imageVerification } };
}

function information(
  known: readonly JudgedNamespace[],
  open: readonly JudgedNamespace[],
): Omit<CapabilityReport, 'status'> {
  const all = counted(known.length, 'namespace');
  const first = open.find(({ verification }) => verification.kind === 'unverified') ?? open[0];
  if (first === undefined) {
    const by = new Set(
      known.flatMap(({ verification }) => (verification.kind === 'verified' ? verification.by : [])),
    );
    const verifiers = by.size === 0 ? '' : `, by ${shortList([...by].sort())}`;
    return condition('True', 'Verified', `signatures of images are verified in ${all}${verifiers}`);
  }
  const { reason, message } = listed(first);
  const text = `signatures of images are not known to be verified in ${open.length} of ${all}: ${first.name}: ${message}`;
  return condition(reason === 'Unverified' ? 'False' : 'Unknown', reason, text);
}

function condition(
  status: 'True' | 'False' | 'Unknown',
  reason: string,
  message: string,
): Omit<CapabilityReport, 'status'> {
  return {
    condition: { type: IMAGES_VERIFIED, status, reason, message },
    isInformation: true,
    isStalled: false,
  };
}

/** A namespace without a known verifier may have one that can't be read. */
function unseen({ name, verification }: JudgedNamespace, forbidden: readonly string[]): JudgedNamespace {
  if (verification.kind !== 'unverified') return { name, verification };
  const reason = `the operator may not list ${shortList(forbidden)}: kubectl apply -k config/workloads`;
  return { name, verification: { kind: 'undetermined', reasons: [reason] } };
}

function listed({ name, verification }: JudgedNamespace): ProfileFailure {
  const reasons = verification.kind === 'verified' ? [] : verification.reasons;
  const message =
    reasons.join('; ') || 'nothing that is known to verify signatures of images covers its pods';
  return {
    namespace: name,
    reason: verification.kind === 'undetermined' ? 'Undetermined' : 'Unverified',
    message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message,
  };
}
