/** Who changed an object, by `metadata.managedFields`. Pure. */
import type { KubeObject } from './meta.ts';
import { MANAGER } from './names.ts';

/**
 * The field managers, other than the operator, of the latest change. The API server dates the entry of a manager by the
 * last change of its fields, in whole seconds: a manager that set a label long ago is not named. Managers of the status are none:
 * they report on what others have changed.
 */
export function changedBy(object: Pick<KubeObject, 'metadata'> | undefined): string[] {
  const others = (object?.metadata.managedFields ?? []).filter(
    ({ manager, subresource }) => manager !== MANAGER && subresource !== 'status',
  );
  const latest = others.reduce((time, entry) => ((entry.time ?? '') > time ? (entry.time ?? '') : time), '');
  const managers = others.filter(({ time = '' }) => time === latest).map(({ manager }) => manager);
  return [...new Set(managers.filter((manager) => manager !== undefined))];
}
