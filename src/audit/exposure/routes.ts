/** The routes of the Gateway API: their backends, the grants of other namespaces, and the listeners they attach to. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { isRecord } from '../../util/is-record.ts';
import type { Check } from '../check.ts';
import type { AuditContext } from '../context.ts';
import type { KindName } from '../snapshot.ts';
import { auditedObjects, type Backend, listOf, referenceOf } from './objects.ts';

const GATEWAY_GROUP = 'gateway.networking.k8s.io';

export const ROUTE_KINDS = [
  'HTTPRoute',
  'GRPCRoute',
  'TLSRoute',
  'TCPRoute',
  'UDPRoute',
] as const satisfies readonly KindName[];
type RouteKind = (typeof ROUTE_KINDS)[number];

/** The protocol of the backends of a kind whose port may be of either; HTTP says nothing, as Services may carry HTTP/3. */
const PROTOCOLS: Readonly<Partial<Record<RouteKind, Backend['protocol']>>> = {
  TLSRoute: 'TCP',
  TCPRoute: 'TCP',
  UDPRoute: 'UDP',
};

/** Routes are of custom kinds: nothing is known of their types. */
type Route = KubeObject & { readonly spec?: unknown };

/** The Services that routes of audited namespaces lead to. */
export function routeBackends(context: AuditContext): Backend[] {
  return ROUTE_KINDS.flatMap((kind) =>
    auditedObjects<Route>(kind, context).flatMap((route) => backendsOf(kind, route)),
  );
}

function backendsOf(kind: RouteKind, route: Route): Backend[] {
  return rulesOf(route).flatMap((rule, index) =>
    listOf(rule['backendRefs']).flatMap((reference, position): Backend[] => {
      if (!isRecord(reference) || typeof reference['name'] !== 'string') return [];
      const { kind: target = 'Service', group = '', name, port } = reference;
      const { namespace = route.metadata.namespace } = reference;
      if (target !== 'Service' || group !== '' || typeof namespace !== 'string') return [];
      const protocol = PROTOCOLS[kind];
      return [
        {
          object: referenceOf(kind, route),
          field: `spec.rules[${index}].backendRefs[${position}]`,
          namespace,
          service: name,
          ...(typeof port === 'number' && { port }),
          ...(protocol && { protocol }),
        },
      ];
    }),
  );
}

function specOf({ spec }: Route): Readonly<Record<string, unknown>> {
  return isRecord(spec) ? spec : {};
}

/** A rule that can't be read has no fields, so that the others keep their index. */
function rulesOf(route: Route): Readonly<Record<string, unknown>>[] {
  return listOf(specOf(route)['rules']).map((rule) => (isRecord(rule) ? rule : {}));
}

export const withoutGrant: Check = {
  id: 'route-without-grant',
  title: 'Every namespace grants the routes of other namespaces that lead to its Services',
  severity: 'medium',
  category: 'Exposure',
  controls: ['C-0298'],
  why: 'Gateways refuse a backend in another namespace that has no ReferenceGrant for the route: requests fail. An implementation that does not refuse it lets everyone who may write routes expose the Service.',
  remedy:
    "Let the owner of the backend's namespace create a ReferenceGrant from the route's kind and namespace to the Service, or move the route there.",
  needs: ['ReferenceGrant'],
  run: (context, report) => {
    // Among manifests, the grant of another namespace may be described elsewhere.
    if (!context.snapshot.isComplete) return;
    const grants = context.snapshot.objects('ReferenceGrant');
    for (const backend of routeBackends(context)) {
      const { object, field, namespace, service } = backend;
      if (object.namespace === namespace || grants.some((grant) => allows(grant, backend))) continue;
      const message = `no ReferenceGrant of namespace ${namespace} lets it lead to Service ${namespace}/${service}`;
      report({ object, field, message });
    }
  },
};

function allows(grant: Route, { object, namespace, service }: Backend): boolean {
  if (grant.metadata.namespace !== namespace) return false;
  const { from, to } = specOf(grant);
  const isSource = (each: unknown) =>
    isRecord(each) &&
    each['group'] === GATEWAY_GROUP &&
    each['kind'] === object.kind &&
    each['namespace'] === object.namespace;
  const isTarget = (each: unknown) =>
    isRecord(each) &&
    (each['group'] ?? '') === '' &&
    each['kind'] === 'Service' &&
    // An empty name, as an absent one, is every Service.
    [undefined, '', service].includes(each['name'] as string | undefined);
  return listOf(from).some(isSource) && listOf(to).some(isTarget);
}

/** TLS routes have TLS by their kind. The streams of TCP and UDP routes may have an encryption of their own. */
const HTTP_KINDS = ['HTTPRoute', 'GRPCRoute'] as const satisfies readonly RouteKind[];

export const routeWithoutTls: Check = {
  id: 'route-without-tls',
  title: 'Every HTTPRoute and GRPCRoute is served with TLS',
  severity: 'medium',
  category: 'Exposure',
  controls: ['C-0263'],
  why: 'The Gateway has a listener with TLS, and the route attaches only to one without: everyone on the way reads and changes its requests.',
  remedy:
    'Name the listener for HTTPS in sectionName of parentRefs, and leave the other one to a route that redirects.',
  needs: ['Gateway'],
  run: (context, report) => {
    for (const kind of HTTP_KINDS) {
      for (const route of auditedObjects<Route>(kind, context)) {
        if (!rulesOf(route).some(leadsToBackend)) continue;
        for (const [index, parent] of listOf(specOf(route)['parentRefs']).entries()) {
          const gateway = isRecord(parent) ? gatewayOf(parent, route, context) : undefined;
          if (gateway === undefined || !attachesToPlain(parent as Parent, gateway)) continue;
          const name = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
          report({
            object: referenceOf(kind, route),
            field: `spec.parentRefs[${index}]`,
            message: `it attaches only to listeners without TLS of Gateway ${name}, which has listeners with TLS`,
          });
        }
      }
    }
  },
};

type Parent = Readonly<Record<string, unknown>>;

/** A rule that redirects answers without a backend. */
function leadsToBackend(rule: Readonly<Record<string, unknown>>): boolean {
  return listOf(rule['backendRefs']).length > 0;
}

/** The Gateway that a parent reference names; undefined if it names another kind, or nobody described the Gateway. */
function gatewayOf(parent: Parent, route: Route, { snapshot }: AuditContext): Route | undefined {
  const { group = GATEWAY_GROUP, kind = 'Gateway', namespace = route.metadata.namespace, name } = parent;
  if (group !== GATEWAY_GROUP || kind !== 'Gateway') return undefined;
  return snapshot
    .objects('Gateway')
    .find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
}

/** True if all listeners that the reference names are plain, and others are not: `ingress-without-tls` has the rest. */
function attachesToPlain({ sectionName, port }: Parent, gateway: Route): boolean {
  const listeners = listOf(specOf(gateway)['listeners']).filter(isRecord);
  const named = listeners.filter(
    (listener) =>
      (sectionName === undefined || listener['name'] === sectionName) &&
      (port === undefined || listener['port'] === port),
  );
  const isEncrypted = ({ protocol }: Parent) => protocol === 'HTTPS' || protocol === 'TLS';
  return (
    named.length > 0 && named.every(({ protocol }) => protocol === 'HTTP') && listeners.some(isEncrypted)
  );
}
