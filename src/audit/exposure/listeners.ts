/** Gateways and ListenerSets of the Gateway API: which listeners a Gateway has, and which of them a route attaches to. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { listOf, type Raw, recordOf, selectorOf } from '../../policy/semantics/raw.ts';
import { matches } from '../../policy/semantics/selector.ts';
import type { AuditContext } from '../context.ts';
import type { ObjectReference } from '../finding.ts';
import { referenceOf } from './objects.ts';

export const GATEWAY_GROUP = 'gateway.networking.k8s.io';

/** Objects of custom kinds: nothing is known of the types of their fields. */
export type GatewayObject = KubeObject & { readonly spec?: unknown };

/** The kinds whose listeners routes attach to, with their groups. */
const LISTENER_KINDS = {
  Gateway: GATEWAY_GROUP,
  ListenerSet: GATEWAY_GROUP,
  XListenerSet: 'gateway.networking.x-k8s.io',
} as const;
type ListenerKind = keyof typeof LISTENER_KINDS;
const SET_KINDS = ['ListenerSet', 'XListenerSet'] as const satisfies readonly ListenerKind[];

/** A Gateway or a ListenerSet with the listeners of its own. */
export interface ListenerOwner {
  readonly object: ObjectReference;
  readonly listeners: readonly Raw[];
}

/** A Gateway with the ListenerSets that it lets attach. */
export interface MergedGateway {
  readonly gateway: ListenerOwner;
  readonly sets: readonly ListenerOwner[];
}

/** The Gateways of the snapshot, with their ListenerSets. */
export function mergedGateways(context: AuditContext): MergedGateway[] {
  const sets = SET_KINDS.flatMap((kind) => {
    const objects: readonly GatewayObject[] = context.snapshot.objects(kind);
    return objects.map((set) => ({ set, owner: ownerOf(kind, set) }));
  });
  return (context.snapshot.objects('Gateway') as readonly GatewayObject[]).map((gateway) => ({
    gateway: ownerOf('Gateway', gateway),
    sets: sets.flatMap(({ set, owner }) => (isAttached(set, gateway, context) ? [owner] : [])),
  }));
}

function ownerOf(kind: ListenerKind, object: GatewayObject): ListenerOwner {
  const listeners = listOf(recordOf(object.spec)['listeners']).map(recordOf);
  return { object: referenceOf(kind, object), listeners };
}

/** True if the set names the Gateway as its parent, and the Gateway allows sets of its namespace. By default it allows none. */
function isAttached(set: GatewayObject, gateway: GatewayObject, context: AuditContext): boolean {
  const parent = recordOf(recordOf(set.spec)['parentRef']);
  const { group = GATEWAY_GROUP, kind = 'Gateway', namespace = set.metadata.namespace, name } = parent;
  const isParent =
    group === GATEWAY_GROUP &&
    kind === 'Gateway' &&
    namespace === gateway.metadata.namespace &&
    name === gateway.metadata.name;
  if (!isParent) return false;
  const allowed = recordOf(recordOf(gateway.spec)['allowedListeners']);
  const { from, selector } = recordOf(allowed['namespaces']);
  if (from === 'All') return true;
  if (from === 'Same') return set.metadata.namespace === gateway.metadata.namespace;
  return from === 'Selector' && matches(selectorOf(selector), context.labelsOf(set.metadata.namespace ?? ''));
}

export function isPlain({ protocol }: Raw): boolean {
  return protocol === 'HTTP';
}

export function isEncrypted({ protocol }: Raw): boolean {
  return protocol === 'HTTPS' || protocol === 'TLS';
}

export interface Attachment {
  readonly merged: MergedGateway;
  /** The listeners of the named parent that the route attaches to. */
  readonly listeners: readonly Raw[];
}

/**
 * The listeners that an entry of a route's `parentRefs` names: of the named object alone, not of others that share its
 * Gateway. Undefined if the parent is of another kind, or nobody described it.
 */
export function attachmentOf(
  parent: Raw,
  route: KubeObject,
  gateways: readonly MergedGateway[],
): Attachment | undefined {
  const { group = GATEWAY_GROUP, kind = 'Gateway', name, sectionName, port } = parent;
  const { namespace = route.metadata.namespace } = parent;
  const isNamed = ({ object }: ListenerOwner) =>
    object.kind === kind &&
    LISTENER_KINDS[object.kind as ListenerKind] === group &&
    object.namespace === namespace &&
    object.name === name;
  for (const merged of gateways) {
    const owner = [merged.gateway, ...merged.sets].find(isNamed);
    if (owner === undefined) continue;
    const listeners = owner.listeners.filter(
      (listener) =>
        (sectionName === undefined || listener['name'] === sectionName) &&
        (port === undefined || listener['port'] === port),
    );
    return { merged, listeners };
  }
  return undefined;
}
