/** The fields of Services, Ingresses, Gateways and routes that checks read, and how they lead to pods. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import type { Protocol } from '../../api/network-policy.ts';
import type { AuditContext } from '../context.ts';
import type { ObjectReference } from '../finding.ts';
import { containersOf, type ContainerPortSpec } from '../pod-spec.ts';
import type { AuditPod } from '../snapshot.ts';

export interface ServicePortSpec {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly protocol?: Protocol;
  readonly nodePort?: number;
}

export interface Service extends KubeObject {
  readonly spec?: {
    readonly type?: string;
    readonly selector?: StringMap;
    readonly ports?: readonly ServicePortSpec[];
    readonly externalIPs?: readonly string[];
    readonly loadBalancerSourceRanges?: readonly string[];
  };
}

interface IngressBackend {
  readonly service?: {
    readonly name: string;
    readonly port?: { readonly number?: number; readonly name?: string };
  };
}

export interface Ingress extends KubeObject {
  readonly spec?: {
    readonly defaultBackend?: IngressBackend;
    readonly tls?: readonly { readonly hosts?: readonly string[] }[];
    readonly rules?: readonly {
      readonly host?: string;
      readonly http?: { readonly paths?: readonly { readonly backend?: IngressBackend }[] };
    }[];
  };
}

/** The objects of a kind in audited namespaces. The snapshot has checked their types, or they are read defensively. */
export function auditedObjects<T extends KubeObject>(
  kind: Parameters<AuditContext['snapshot']['objects']>[0],
  context: AuditContext,
): T[] {
  return context.snapshot.objects(kind).filter((each) => context.audits(each)) as T[];
}

export function referenceOf(kind: string, { metadata }: KubeObject): ObjectReference {
  const { namespace, name } = metadata;
  return { kind, ...(namespace !== undefined && { namespace }), name };
}

/** The pods behind a Service; none for a Service without selector, whose endpoints somebody else writes. */
export function podsBehind({ metadata, spec }: Service, context: AuditContext): readonly AuditPod[] {
  const selector = spec?.selector ?? {};
  if (Object.keys(selector).length === 0) return [];
  return context.selectedPods(metadata.namespace ?? '', { matchLabels: selector });
}

export function portsOf({ spec }: AuditPod): ContainerPortSpec[] {
  return containersOf(spec).flatMap(({ container }) => container.ports ?? []);
}

/** True if every container of the pod that serves declares ports: then it has no others, as far as anybody can know. */
export function declaresPorts({ spec }: AuditPod): boolean {
  const serving = containersOf(spec).filter(
    ({ list, container: { restartPolicy } }) => list === 'containers' || restartPolicy === 'Always',
  );
  return serving.length > 0 && serving.every(({ container: { ports = [] } }) => ports.length > 0);
}

/** The pod's port that a port of a Service leads to; undefined if no container has a port of that name. */
export function targetOf(
  pod: AuditPod,
  { port, targetPort = port, protocol = 'TCP' }: ServicePortSpec,
): number | undefined {
  if (typeof targetPort === 'number') return targetPort;
  return portsOf(pod).find((each) => each.name === targetPort && (each.protocol ?? 'TCP') === protocol)
    ?.containerPort;
}

/** A backend that an Ingress or a route names. */
export interface Backend {
  readonly object: ObjectReference;
  readonly field: string;
  readonly namespace: string;
  readonly service: string;
  /** Absent in an Ingress for a resource, and in a route without port. */
  readonly port?: number | string;
  /** The protocol that the port has to be of; absent if nobody can know. */
  readonly protocol?: Protocol;
}

/** The Services that Ingresses of audited namespaces lead to. */
export function ingressBackends(context: AuditContext): Backend[] {
  return auditedObjects<Ingress>('Ingress', context).flatMap(backendsOf);
}

function backendsOf(ingress: Ingress): Backend[] {
  const { defaultBackend, rules = [] } = ingress.spec ?? {};
  const placed = [
    { field: 'spec.defaultBackend', backend: defaultBackend },
    ...rules.flatMap(({ http }, rule) =>
      (http?.paths ?? []).map(({ backend }, path) => ({
        field: `spec.rules[${rule}].http.paths[${path}].backend`,
        backend,
      })),
    ),
  ];
  return placed.flatMap(({ field, backend }) => {
    if (backend?.service === undefined) return [];
    const { name, port } = backend.service;
    const wanted = port?.number ?? port?.name;
    const namespace = ingress.metadata.namespace ?? '';
    return [
      {
        object: referenceOf('Ingress', ingress),
        field,
        namespace,
        service: name,
        ...(wanted !== undefined && { port: wanted }),
      },
    ];
  });
}

export function serviceNamed(
  { snapshot }: AuditContext,
  namespace: string,
  name: string,
): Service | undefined {
  return snapshot
    .objects('Service')
    .find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
}

/** The port of a Service that a backend with a port means; undefined if it has none. */
export function servicePort(
  { spec }: Service,
  { port: wanted, protocol: asked }: Backend,
): ServicePortSpec | undefined {
  return spec?.ports?.find(
    ({ port, name, protocol = 'TCP' }) =>
      (port === wanted || name === wanted) && (asked === undefined || protocol === asked),
  );
}
