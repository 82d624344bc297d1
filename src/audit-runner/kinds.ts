/** The kinds that an audit in the cluster reads. Pure. */
import { GROUP, KIND, PLURAL } from '../api/names.ts';
import type { Check } from '../audit/check.ts';
import { AUDIT_KINDS, KNOWN_KINDS, type KnownKind } from '../snapshot/objects.ts';

export interface AuditedKind extends KnownKind {
  /** True if nothing can be said without its objects. */
  readonly isRequired: boolean;
  /** Lists only the objects that it selects. */
  readonly fieldSelector?: string;
}

/** An audit without one of these would be about another cluster. */
const REQUIRED: readonly string[] = [KIND, 'Namespace', 'NetworkPolicy', 'Pod'];
/** Kinds that most checks read, whether or not they need them. */
const READ: readonly string[] = [...REQUIRED, 'Service', 'EndpointSlice', 'Node'];

/** Checks judge the definition of profiles alone, and definitions are large. */
const SELECTED: Readonly<Record<string, string>> = {
  CustomResourceDefinition: `metadata.name=${PLURAL}.${GROUP}`,
};

/**
 * Never read: the permission to list Secrets is the permission to read all of them, which is too much for a finding about
 * tokens. The plugin reads them with the permissions of its user.
 */
export const NEVER_READ: readonly string[] = ['Secret'];

/** The kinds to list, in order. Jobs are listed only if they own pods. @param checks those that run */
export function auditedKinds(checks: readonly Check[]): AuditedKind[] {
  const needed = new Set<string>([...READ, ...checks.flatMap(({ needs }) => needs)]);
  return [...KNOWN_KINDS.filter(({ kind }) => needed.has(kind)), ...AUDIT_KINDS]
    .filter(({ kind }) => !NEVER_READ.includes(kind))
    .map((kind) => {
      const fieldSelector = SELECTED[kind.kind];
      return { ...kind, isRequired: REQUIRED.includes(kind.kind), ...(fieldSelector && { fieldSelector }) };
    });
}

/** Jobs, which are read to find the CronJobs of their pods. */
export function jobKind(): AuditedKind {
  const job = KNOWN_KINDS.find(({ kind }) => kind === 'Job');
  if (job === undefined) throw new TypeError('Job is not among the known kinds');
  return { ...job, isRequired: false };
}
