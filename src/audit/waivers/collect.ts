/** The waivers in the annotations of a snapshot's objects. Pure. */
import { ROUTE_KINDS } from '../exposure/routes.ts';
import { policyReference } from '../context.ts';
import type { ObjectReference } from '../finding.ts';
import type { AuditSnapshot, KindName } from '../snapshot.ts';
import type { StringMap } from '../../api/meta.ts';
import { type ReadWaivers, type Waiver, waiversOf } from './waiver.ts';

/** Other kinds that findings are about. */
const ANNOTATED: readonly KindName[] = [
  'Service',
  'Ingress',
  'Gateway',
  'ListenerSet',
  'XListenerSet',
  ...ROUTE_KINDS,
  'ServiceAccount',
  'Secret',
  'RoleBinding',
  'ClusterRoleBinding',
];

export function annotatedWaivers(snapshot: AuditSnapshot): ReadWaivers {
  const found = new Map<string, Waiver>();
  const invalid: string[] = [];
  const take = (object: ObjectReference, annotations: StringMap | undefined) => {
    // Pods of one workload have the same annotations.
    for (const waiver of waiversOf(object, annotations, invalid)) found.set(JSON.stringify(waiver), waiver);
  };
  for (const { name, annotations } of snapshot.namespaces) take({ kind: 'Namespace', name }, annotations);
  for (const policy of snapshot.policies) take(policyReference(policy), policy.metadata.annotations);
  for (const { workload, annotations } of snapshot.pods) take(workload, annotations);
  for (const kind of ANNOTATED) {
    for (const { metadata } of snapshot.objects(kind)) {
      const { namespace, name, annotations } = metadata;
      take({ kind, ...(namespace !== undefined && { namespace }), name }, annotations);
    }
  }
  return { waivers: [...found.values()], invalid: [...new Set(invalid)] };
}
