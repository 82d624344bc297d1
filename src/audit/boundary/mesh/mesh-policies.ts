/** Foreign AuthorizationPolicies of Istio, as the checks about the mesh see them. Pure. */
import type { KubeObject, StringMap } from '../../../api/meta.ts';
import { isAskedForAmbient } from '../../../engines/istio/membership.ts';
import { ROOT_NAMESPACE } from '../../../engines/istio/mesh-config.ts';
import { listOf, type Raw, recordOf, textOf } from '../../../policy/semantics/raw.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import type { AuditContext } from '../../context.ts';
import type { ObjectReference } from '../../finding.ts';
import type { AuditPod } from '../../snapshot.ts';

export interface MeshPolicy {
  readonly raw: KubeObject;
  readonly object: ObjectReference;
  readonly namespace: string;
  readonly action: string;
  readonly labels: StringMap;
  /** Its rules with their fields, such as `spec.rules[0]`. */
  readonly rules: readonly { readonly rule: Raw; readonly field: string }[];
  /** True for a policy of the whole mesh. */
  readonly isOfMesh: boolean;
}

/** The policies of audited namespaces that no profile owns, but for those of gateways and waypoints, and for dry runs. */
export function meshPolicies(context: AuditContext): MeshPolicy[] {
  const { snapshot } = context;
  const roots = rootNamespaces(context);
  return snapshot.objects('AuthorizationPolicy').flatMap((raw) => {
    const { metadata } = raw;
    const { namespace = '', name, annotations } = metadata;
    const spec = recordOf((raw as KubeObject & Raw)['spec']);
    const hasTargets = listOf(spec['targetRefs']).length > 0 || spec['targetRef'] !== undefined;
    const isOwn = snapshot.ownerOf({ metadata }) !== undefined;
    if (isOwn || hasTargets || !context.audits(raw) || annotations?.['istio.io/dry-run'] === 'true')
      return [];
    return [
      {
        raw,
        object: { kind: 'AuthorizationPolicy', namespace, name },
        namespace,
        action: textOf(spec['action']) || 'ALLOW',
        labels: recordOf(recordOf(spec['selector'])['matchLabels']) as StringMap,
        rules: listOf(spec['rules']).map((each, index) => ({
          rule: recordOf(each),
          field: `spec.rules[${index}]`,
        })),
        isOfMesh: roots.has(namespace),
      },
    ];
  });
}

/** The namespaces whose policies are for the whole mesh: Istio's own default, and those in which istiod runs. */
export function rootNamespaces({ snapshot }: AuditContext): ReadonlySet<string> {
  const ofControlPlanes = snapshot.pods.filter(({ labels }) => labels['app'] === 'istiod');
  return new Set([ROOT_NAMESPACE, ...ofControlPlanes.map(({ namespace }) => namespace)]);
}

/** True if the labels of the pod or its namespace ask for ambient mode. */
export function isAmbient(pod: AuditPod, context: AuditContext): boolean {
  return isAskedForAmbient({ pod, namespaceLabels: context.labelsOf(pod.namespace) });
}

/** The pods that a policy selects. */
export function podsOfPolicy({ isOfMesh, namespace, labels }: MeshPolicy, context: AuditContext): AuditPod[] {
  const pods = isOfMesh ? context.snapshot.pods : context.podsOf(namespace);
  return pods.filter((pod) => matches({ matchLabels: labels }, pod.labels));
}

/** The sources of a rule; none if it is for everyone. */
export function sourcesIn(rule: Raw): Raw[] {
  return listOf(rule['from']).map((each) => recordOf(recordOf(each)['source']));
}

/** True if a rule depends on nothing but sources and ports. */
export function isOfConnections(rule: Raw): boolean {
  const operations = listOf(rule['to']).map((each) => recordOf(recordOf(each)['operation']));
  return (
    listOf(rule['when']).length === 0 &&
    operations.every((each) =>
      Object.entries(each).every(([key, value]) => key === 'ports' || listOf(value).length === 0),
    )
  );
}
