/** Decides for a waiver if an audit has looked for all findings that it may be for: only then is it known to be unused. Pure. */
import type { Check } from '../check.ts';
import { isNamed } from '../finding.ts';
import type { Waiver } from './waiver.ts';

export interface AuditScope {
  /** The checks that ran. */
  readonly ran: readonly Check[];
  readonly all: readonly Check[];
  /** Namespaces that exist, and were left out. */
  readonly leftOut: ReadonlySet<string>;
}

export function judges({ ran, all, leftOut }: AuditScope): (waiver: Waiver) => boolean {
  const ids = new Set(ran.map(({ id }) => id));
  return ({ check, object }) => {
    if (all.some((each) => isNamed(each, check) && !ids.has(each.id))) return false;
    if (leftOut.size === 0) return true;
    const namespace = namespaceOf(object);
    return namespace !== undefined && !namespace.includes('*') && !leftOut.has(namespace);
  };
}

/** The namespace of `KIND NAMESPACE/NAME`; of a Namespace, its name. Undefined for other cluster-scoped objects. */
function namespaceOf(object: string): string | undefined {
  const [kind = '', rest = ''] = object.split(' ');
  if (kind === 'Namespace') return rest;
  return rest.includes('/') ? rest.split('/')[0] : undefined;
}
