/** The routes of the Gateway API: their backends, the grants of other namespaces, and the listeners they attach to. Pure. */
import { listOf, type Raw, recordOf } from '../../policy/semantics/raw.ts';
import type { Check } from '../check.ts';
import type { AuditContext } from '../context.ts';
import { objectText } from '../finding.ts';
import type { KindName } from '../snapshot.ts';
import {
  type Attachment,
  attachmentOf,
  GATEWAY_GROUP,
  type GatewayObject as Route,
  isEncrypted,
  isPlain,
  type MergedGateway,
  mergedGateways,
} from './listeners.ts';
import { auditedObjects, type Backend, referenceOf } from './objects.ts';

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

/** The Services that routes of audited namespaces lead to. */
export function routeBackends(context: AuditContext): Backend[] {
  return ROUTE_KINDS.flatMap((kind) =>
    auditedObjects<Route>(kind, context).flatMap((route) => backendsOf(kind, route)),
  );
}

function backendsOf(kind: RouteKind, route: Route): Backend[] {
  return rulesOf(route).flatMap((rule, index) =>
    referencesOf(rule, `spec.rules[${index}]`).flatMap(({ reference, field }): Backend[] => {
      const { kind: target = 'Service', group = '', name, port } = reference;
      const { namespace = route.metadata.namespace } = reference;
      if (target !== 'Service' || group !== '') return [];
      if (typeof name !== 'string' || typeof namespace !== 'string') return [];
      const protocol = PROTOCOLS[kind];
      return [
        {
          object: referenceOf(kind, route),
          field,
          namespace,
          service: name,
          ...(typeof port === 'number' && { port }),
          ...(protocol && { protocol }),
        },
      ];
    }),
  );
}

/** Fields of filters that send requests to a backend: a copy of each, or a question about it. */
const FILTERS_WITH_BACKEND = ['requestMirror', 'externalAuth'] as const;

interface PlacedReference {
  readonly reference: Raw;
  readonly field: string;
}

/** The references to backends in a rule: of the rule itself, and of the filters of rule and backends. */
function referencesOf(rule: Raw, path: string): PlacedReference[] {
  const backends = listOf(rule['backendRefs']).map((reference, index) => ({
    reference: recordOf(reference),
    field: `${path}.backendRefs[${index}]`,
  }));
  return [
    ...backends,
    ...filterReferences(rule, path),
    ...backends.flatMap(({ reference, field }) => filterReferences(reference, field)),
  ];
}

function filterReferences({ filters }: Raw, path: string): PlacedReference[] {
  return listOf(filters).flatMap((filter, index) =>
    FILTERS_WITH_BACKEND.map((name) => ({
      reference: recordOf(recordOf(recordOf(filter)[name])['backendRef']),
      field: `${path}.filters[${index}].${name}.backendRef`,
    })),
  );
}

/** A rule that can't be read has no fields, so that the others keep their index. */
function rulesOf({ spec }: Route): Raw[] {
  return listOf(recordOf(spec)['rules']).map(recordOf);
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
  const { from, to } = recordOf(grant.spec);
  const isSource = (each: Raw) =>
    each['group'] === GATEWAY_GROUP && each['kind'] === object.kind && each['namespace'] === object.namespace;
  const isTarget = (each: Raw) =>
    (each['group'] ?? '') === '' &&
    each['kind'] === 'Service' &&
    // An empty name, as an absent one, is every Service.
    [undefined, '', service].includes(each['name'] as string | undefined);
  return listOf(from).map(recordOf).some(isSource) && listOf(to).map(recordOf).some(isTarget);
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
    const gateways = mergedGateways(context);
    for (const kind of HTTP_KINDS) {
      for (const route of auditedObjects<Route>(kind, context)) {
        if (!rulesOf(route).some(leadsToBackend)) continue;
        for (const { index, gateway } of plainParents(route, gateways)) {
          report({
            object: referenceOf(kind, route),
            field: `spec.parentRefs[${index}]`,
            message: `it attaches only to listeners without TLS of ${objectText(gateway)}, which has listeners with TLS`,
          });
        }
      }
    }
  },
};

/** A rule that redirects answers without a backend. */
function leadsToBackend(rule: Raw): boolean {
  return listOf(rule['backendRefs']).length > 0;
}

/**
 * The parents by which a route attaches to plain listeners alone, although their Gateway has others: `ingress-without-tls`
 * has the rest. A route that attaches to a listener with TLS of the same Gateway by another parent is served by both.
 */
function plainParents(route: Route, gateways: readonly MergedGateway[]) {
  const attachments = listOf(recordOf(route.spec)['parentRefs']).map((parent) =>
    attachmentOf(recordOf(parent), route, gateways),
  );
  const isServedWithTls = ({ merged }: Attachment) =>
    attachments.some((other) => other?.merged === merged && other.listeners.some(isEncrypted));
  return attachments.flatMap((attachment, index) => {
    if (attachment === undefined || isServedWithTls(attachment)) return [];
    const { merged, listeners } = attachment;
    const hasTls = [merged.gateway, ...merged.sets].some((owner) => owner.listeners.some(isEncrypted));
    const isOnlyPlain = listeners.length > 0 && listeners.every(isPlain);
    return isOnlyPlain && hasTls ? [{ index, gateway: merged.gateway.object }] : [];
  });
}
