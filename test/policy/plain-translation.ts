/** Peers translated by their definition and nothing else: the oracle of the compiler's property tests. */
import { LABEL_SERVICE_ACCOUNT } from '../../src/api/names.ts';
import type { NetworkPolicyPeer, NetworkPolicyPort } from '../../src/api/network-policy.ts';
import type { Entity, Peer } from '../../src/api/profile.ts';
import type { FactsInput } from './fixture.ts';

export interface PlainContext {
  /** True if the ports that the peer serves are the rule's. */
  readonly implies: boolean;
  /** The rule's own ports. */
  readonly own: readonly NetworkPolicyPort[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly given: FactsInput;
}

export type Plain = readonly {
  readonly peers: readonly NetworkPolicyPeer[] | 'everyone';
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}[];

const NAMED = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
const STANDARD_DNS = (['UDP', 'TCP'] as const).map((protocol) => ({ protocol, port: 53 }));

function cidrOf(ip: string): string {
  return `${ip}/${ip.includes(':') ? 128 : 32}`;
}

function addressPeer(ip: string): NetworkPolicyPeer {
  return { ipBlock: { cidr: cidrOf(ip) } };
}

/** The peers with the ports that they serve, if those are implied, or the rule's own. */
function on(
  { implies, own }: PlainContext,
  peers: readonly NetworkPolicyPeer[] | 'everyone',
  served?: readonly NetworkPolicyPort[],
): Plain {
  return [{ peers, ports: implies ? served : own }];
}

/** Empty if the peer means nobody, or nobody that is known. */
export function plainPeer(peer: Peer, context: PlainContext): Plain {
  const { own } = context;
  const pods = peer.podSelector && { podSelector: peer.podSelector };
  if (peer.ipBlock) return on(context, [{ ipBlock: peer.ipBlock }], own);
  if (peer.namespaces)
    return on(
      context,
      peer.namespaces.map((name) => ({ namespaceSelector: NAMED(name), ...pods })),
      own,
    );
  if (peer.sameNamespaceLabels) return sharedLabels(peer.sameNamespaceLabels, pods, context);
  if (peer.service) return behindService(peer.service, context);
  if (peer.serviceAccount) {
    const { namespace, name } = peer.serviceAccount;
    const account = context.given.accounts?.[`${namespace}/${name}`];
    if (account?.failure !== undefined || (account?.mislabelled ?? 0) > 0) return [];
    const podSelector = { matchLabels: { [LABEL_SERVICE_ACCOUNT]: name } };
    return on(context, [{ namespaceSelector: NAMED(namespace), podSelector }], own);
  }
  return peer.entity === undefined ? on(context, [peer], own) : plainEntity(peer.entity, context);
}

function sharedLabels(
  keys: readonly string[],
  pods: Pick<Peer, 'podSelector'> | undefined,
  context: PlainContext,
): Plain {
  const { labels, own } = context;
  const ownPods = on(context, [{ podSelector: pods?.podSelector ?? {} }], own);
  if (keys.some((key) => labels[key] === undefined)) return ownPods;
  const matchExpressions = keys.map((key) => ({
    key,
    operator: 'In' as const,
    values: [labels[key] ?? ''],
  }));
  return [...ownPods, ...on(context, [{ namespaceSelector: { matchExpressions }, ...pods }], own)];
}

function behindService({ namespace, name }: NonNullable<Peer['service']>, context: PlainContext): Plain {
  const key = `${namespace}/${name}`;
  const service = context.given.services?.[key];
  if (service === undefined || service.type === 'ExternalName') return [];
  if (service.selector === undefined) return slices(key, context);
  const ports = (service.ports ?? []).map(({ protocol = 'TCP' as const, port, targetPort }) => ({
    protocol,
    port: targetPort ?? port,
  }));
  if (context.implies && ports.length === 0) return [];
  const podSelector = { matchLabels: service.selector };
  return on(context, [{ namespaceSelector: NAMED(namespace), podSelector }], ports);
}

function slices(key: string, context: PlainContext): Plain {
  return (context.given.endpoints?.[key] ?? []).flatMap(({ addresses, ports }) => {
    const served = ports.flatMap(({ port, protocol = 'TCP' as const }) =>
      port === undefined ? [] : [{ port, protocol }],
    );
    return context.implies && served.length === 0 ? [] : on(context, addresses.map(addressPeer), served);
  });
}

function plainEntity(entity: Entity, context: PlainContext): Plain {
  const { own, given } = context;
  const { configuration = {}, nodes = [] } = given;
  switch (entity) {
    case 'Any':
      return on(context, 'everyone', own);
    case 'IngressControllers':
      return workloads(configuration.ingressControllers, context);
    case 'Monitoring':
      return workloads(configuration.monitoring, context);
    case 'KubeAPIServer': {
      const behind = slices('default/kubernetes', context);
      if (behind.length === 0) return [];
      return [...on(context, [addressPeer('10.96.0.1')], [{ protocol: 'TCP', port: 443 }]), ...behind];
    }
    case 'ClusterDNS':
      return plainDNS(context);
    case 'Nodes': {
      const addresses = nodes.flatMap((node) => node.addresses ?? []);
      return addresses.length === 0 ? [] : on(context, addresses.map(addressPeer), own);
    }
    case 'World':
      return plainWorld(context);
  }
}

function workloads(
  list: readonly { namespaceSelector?: object; podSelector?: object }[] = [],
  context: PlainContext,
): Plain {
  if (list.length === 0) return [];
  const peers = list.map(({ namespaceSelector = {}, podSelector = {} }) => ({
    namespaceSelector,
    podSelector,
  }));
  return on(context, peers, context.own);
}

function plainDNS(context: PlainContext): Plain {
  const { configuration = {}, services } = context.given;
  const { service = '', nodeLocalAddresses = [] } = configuration.clusterDNS ?? {};
  const found = services?.[`gamma/${service}`];
  const serving = found?.ports?.map(({ protocol = 'TCP' as const, targetPort = 53 }) => ({
    protocol,
    port: targetPort,
  }));
  const podSelector = { matchLabels: found?.selector ?? { app: 'blue' } };
  return [
    ...on(context, [{ namespaceSelector: NAMED('gamma'), podSelector }], serving ?? STANDARD_DNS),
    ...on(context, nodeLocalAddresses.map(addressPeer), STANDARD_DNS),
  ];
}

function plainWorld(context: PlainContext): Plain {
  const { nodes = [], serviceCIDRs = [] } = context.given;
  const podCIDRs = nodes.flatMap((node) => node.podCIDRs ?? []);
  const has = (list: readonly string[], v6: boolean) => list.some((cidr) => cidr.includes(':') === v6);
  if (podCIDRs.length === 0 || [true, false].some((v6) => has(serviceCIDRs, v6) && !has(podCIDRs, v6)))
    return [];
  const own = [
    ...podCIDRs,
    ...serviceCIDRs,
    ...nodes.flatMap((node) => node.addresses ?? []).map(cidrOf),
    '169.254.0.0/16',
    'fe80::/10',
    'fd00:ec2::254/128',
    'fd20:ce::254/128',
  ];
  const v6 = (cidr: string) => cidr.includes(':');
  return [
    ...on(
      context,
      [{ ipBlock: { cidr: '0.0.0.0/0', except: own.filter((each) => !v6(each)) } }],
      context.own,
    ),
    ...on(context, [{ ipBlock: { cidr: '::/0', except: own.filter(v6) } }], context.own),
  ];
}
