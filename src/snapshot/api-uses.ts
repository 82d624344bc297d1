/** Finds objects of a snapshot by their API versions: those that Kubernetes stops to serve, and those that nothing reads. Pure. */
import type { KubeObject, ObjectMeta } from '../api/meta.ts';
import { removalOf } from '../audit/platform/api-removals.ts';
import type { ApiUse, UnreadObject } from '../audit/snapshot.ts';
import { isRecord } from '../util/is-record.ts';
import { AUDIT_KINDS, isPolicyByName, type ObjectSet } from './objects.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The field managers of an object that use such an API version: all that a snapshot keeps of managed fields. */
export function outdatedManagers(
  kind: string,
  { managedFields = [] }: ObjectMeta,
): ObjectMeta['managedFields'] {
  const outdated = managedFields.filter(({ apiVersion = '' }) => removalOf(apiVersion, kind) !== undefined);
  return outdated.map(({ manager = '', apiVersion = '' }) => ({ manager, apiVersion }));
}

/** The apiVersion of the manifest that `kubectl apply` wrote last. The annotation is JSON, which begins with it. */
function lastApplied({ metadata }: KubeObject): string | undefined {
  const text = metadata.annotations?.[LAST_APPLIED];
  if (text === undefined) return undefined;
  const [, apiVersion] = /^\{"apiVersion":"([^"]+)"/.exec(text) ?? [];
  if (apiVersion !== undefined) return apiVersion;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) && typeof value['apiVersion'] === 'string' ? value['apiVersion'] : undefined;
  } catch {
    return undefined;
  }
}

/** The uses of such API versions, in the order of the objects. */
export function apiUsesOf(objects: ObjectSet): ApiUse[] {
  const uses = objects
    .unreadable()
    .flatMap(({ apiVersion = '', kind = '', metadata }): ApiUse[] =>
      removalOf(apiVersion, kind) === undefined
        ? []
        : [{ object: referenceOf(kind, metadata), apiVersion, way: 'manifest' }],
    );
  for (const [kind, each] of objects.entries()) {
    const object = referenceOf(kind, each.metadata);
    const applied = lastApplied(each);
    if (applied !== undefined && removalOf(applied, kind) !== undefined) {
      uses.push({ object, apiVersion: applied, way: 'lastApplied' });
    }
    for (const { manager = '', apiVersion = '' } of outdatedManagers(kind, each.metadata) ?? []) {
      uses.push({ object, apiVersion, way: 'manager', manager });
    }
  }
  return uses;
}

function referenceOf(kind: string, { namespace, name }: ObjectMeta): ApiUse['object'] {
  return { kind, ...(namespace !== undefined && { namespace }), name };
}

/** The objects that nothing reads, and whose API version is not known to be removed. */
export function unreadObjectsOf(objects: ObjectSet): UnreadObject[] {
  return objects
    .unreadable()
    .flatMap(({ apiVersion = '', kind = '', metadata }) =>
      removalOf(apiVersion, kind) === undefined ? [{ object: referenceOf(kind, metadata), apiVersion }] : [],
    );
}

type RawDefinition = KubeObject & {
  readonly spec?: { readonly group?: string; readonly names?: { readonly kind?: string } };
};

/** The definitions of kinds that are policies by their names, and that no command reads. */
export function unreadDefinitionsOf(objects: ObjectSet): string[] {
  const known = new Set(AUDIT_KINDS.map(({ group, kind, wireKind = kind }) => `${group}/${wireKind}`));
  return objects.of<RawDefinition>('CustomResourceDefinition').flatMap(({ metadata, spec }) => {
    const { group = '', names: { kind = '' } = {} } = spec ?? {};
    return isPolicyByName(kind) && !known.has(`${group}/${kind}`) ? [metadata.name] : [];
  });
}
