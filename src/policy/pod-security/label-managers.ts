/** The field managers of a Namespace's Pod Security labels, from `metadata.managedFields`. Pure. */
import type { ManagedFieldsEntry, ObjectMeta } from '../../api/meta.ts';
import { POD_SECURITY_MANAGER } from '../../api/names.ts';
import { isRecord } from '../../util/is-record.ts';
import { POD_SECURITY_KEYS } from './levels.ts';

/** Names of the field managers that own a label, by the key of the label, sorted. */
export type LabelManagers = ReadonlyMap<string, readonly string[]>;

export function labelManagers({ managedFields = [] }: Pick<ObjectMeta, 'managedFields'>): LabelManagers {
  return new Map(
    POD_SECURITY_KEYS.map((key) => {
      const names = managedFields.filter((entry) => owns(entry, key)).map(({ manager = '' }) => manager);
      return [key, [...new Set(names)].sort()];
    }),
  );
}

/** Keys of the Pod Security labels that the operator owns, alone or with others; undefined if there is none. */
export function ownedKeys({
  managedFields,
}: Pick<ObjectMeta, 'managedFields'>): readonly string[] | undefined {
  const entries = managedFields?.filter(({ manager }) => manager === POD_SECURITY_MANAGER) ?? [];
  const keys = POD_SECURITY_KEYS.filter((key) => entries.some((entry) => owns(entry, key)));
  return keys.length > 0 ? keys : undefined;
}

/** https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management has the form of fieldsV1. */
function owns({ fieldsV1 }: ManagedFieldsEntry, key: string): boolean {
  const metadata = isRecord(fieldsV1) ? fieldsV1['f:metadata'] : undefined;
  const labels = isRecord(metadata) ? metadata['f:labels'] : undefined;
  return isRecord(labels) && Object.hasOwn(labels, `f:${key}`);
}
