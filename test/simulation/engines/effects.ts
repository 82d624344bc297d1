/**
 * The effect of an object of a network engine's or mesh's own kind on the flows of a namespace, by the documentation of the
 * kind and apart from src/engines. Ends that are no pods have addresses of their own here. Pure.
 */
import { LABEL_NAMESPACE_NAME } from '../../../src/api/names.ts';
import type { LabelSelector, StringMap } from '../../../src/api/meta.ts';
import {
  DIRECTIONS,
  type NetworkPolicyPeer,
  type NetworkPolicyPort,
  type NetworkPolicySpec,
  type PolicyType,
} from '../../../src/api/network-policy.ts';
import { labelSelectorOf } from '../../../src/engines/calico/selector.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { NAMESPACES } from '../schedule/actions.ts';
import type { LayeredPolicy } from '../../support/judge/judge.ts';
import {
  AUTHORIZATION_POLICY,
  CALICO_GLOBAL,
  CALICO_POLICY,
  CILIUM_POLICY,
  CLUSTER_POLICY,
  GKE_POLICY,
  type Kind,
  PEER_AUTHENTICATION,
  type Stored,
} from '../server/kinds.ts';

/** The label of the judge's pods that holds their service account. */
export const ACCOUNT = 'test.segmentation.dev/account';

/** Addresses of ends that engines know by a name or an identity. No rule names an address of this range. */
export const NAMES: Readonly<Record<string, string>> = {
  'api.payments.example': '198.18.0.1',
  'more.example': '198.18.0.2',
  'a.wild.example': '198.18.0.3',
};
const ENTITIES: Readonly<Record<string, string>> = {
  'kube-apiserver': '198.18.1.1',
  host: '198.18.1.2',
  'remote-node': '198.18.1.3',
};
export const IDENTITIES: readonly string[] = [...Object.values(NAMES), ...Object.values(ENTITIES)];
/** The addresses of pods. */
const POD_RANGE = '10.0.0.0/8';

/** A namespace, as objects select it. */
export interface Place {
  readonly name: string;
  readonly labels: StringMap;
  /** True if the pods of a namespace have sidecars. */
  readonly isInMesh: (namespace: string) => boolean;
  /** True if the pods of a namespace are in ambient mode. Absent: none are. */
  readonly isAmbient?: (namespace: string) => boolean;
}

/** The effects of an object in a namespace; none if it is not for its pods. */
export function effectsOf(kind: Kind, object: Stored, place: Place): LayeredPolicy[] {
  switch (kind) {
    case CILIUM_POLICY:
      return ofCilium(object);
    case CALICO_POLICY:
      return ofCalico(object);
    case GKE_POLICY:
      return ofGKE(object);
    case CLUSTER_POLICY:
      return ofClusterPolicy(object, place);
    case CALICO_GLOBAL:
      return ofCalicoGlobal(object, place);
    case AUTHORIZATION_POLICY:
      return ofAuthorization(object, place);
    case PEER_AUTHENTICATION:
      return ofAuthentication(object, place);
    // Staged policies and tiers have no effect.
    default:
      return [];
  }
}

interface Rule {
  readonly peers: readonly NetworkPolicyPeer[] | 'everyone';
  readonly ports?: readonly NetworkPolicyPort[] | undefined;
}

/** A peer that no end is. */
const NOBODY: NetworkPolicyPeer = { podSelector: { matchLabels: { 'test.segmentation.dev/nobody': '' } } };
const address = (ip: string): NetworkPolicyPeer => ({ ipBlock: { cidr: `${ip}/32` } });
/** No range of addresses matches an end that Cilium knows by an identity: guards do not deny it. */
const IDENTIFIED: Rule = { peers: Object.values(ENTITIES).map(address) };

function policy(
  { metadata }: Stored,
  podSelector: LabelSelector,
  rules: Partial<Readonly<Record<PolicyType, readonly Rule[]>>>,
  rest: Pick<LayeredPolicy, 'layer' | 'priority'> = {},
): LayeredPolicy {
  const made = (direction: PolicyType, field: 'from' | 'to') =>
    rules[direction]?.map(({ peers, ports = [] }) => ({
      ...(peers !== 'everyone' && { [field]: peers.length === 0 ? [NOBODY] : peers }),
      ...(ports.length > 0 && { ports }),
    })) ?? [];
  const spec: NetworkPolicySpec = {
    podSelector,
    policyTypes: DIRECTIONS.filter((direction) => rules[direction] !== undefined),
    ingress: made('Ingress', 'from'),
    egress: made('Egress', 'to'),
  };
  return { metadata: { name: metadata.name }, spec, ...rest };
}

/** A guard without a direction denies nothing. */
function guarding(
  object: Stored,
  rules: Partial<Readonly<Record<PolicyType, readonly Rule[]>>>,
  priority = 0,
): LayeredPolicy[] {
  return Object.keys(rules).length === 0 ? [] : [policy(object, {}, rules, { layer: 'guard', priority })];
}

interface CiliumEnds {
  readonly matchLabels?: StringMap;
  readonly matchExpressions?: LabelSelector['matchExpressions'];
}

interface CiliumRule {
  readonly fromEntities?: readonly string[];
  readonly toEntities?: readonly string[];
  readonly fromEndpoints?: readonly CiliumEnds[];
  readonly toEndpoints?: readonly CiliumEnds[];
  readonly toFQDNs?: readonly { readonly matchName?: string; readonly matchPattern?: string }[];
  readonly toPorts?: readonly {
    readonly ports: readonly { readonly port: string; readonly protocol: 'TCP' | 'UDP' | 'SCTP' }[];
  }[];
}

const CILIUM_NAMESPACE = 'k8s:io.kubernetes.pod.namespace';
const CILIUM_ACCOUNT = 'k8s:io.cilium.k8s.policy.serviceaccount';

/** https://docs.cilium.io/en/stable/security/policy/intro/: without enableDefaultDeny, a direction with rules is isolated. */
function ofCilium(object: Stored): LayeredPolicy[] {
  const { endpointSelector, enableDefaultDeny, ingress, egress } = (object['spec'] ?? {}) as {
    endpointSelector?: CiliumEnds;
    enableDefaultDeny?: { ingress?: boolean; egress?: boolean };
    ingress?: readonly CiliumRule[];
    egress?: readonly CiliumRule[];
  };
  if (endpointSelector === undefined) return [];
  const pods = withoutSource(endpointSelector);
  const of = (direction: PolicyType, rules: readonly CiliumRule[] | undefined, isolates = true) =>
    rules === undefined
      ? []
      : [
          policy(
            object,
            pods,
            { [direction]: rules.map(ciliumRule) },
            isolates ? {} : { layer: 'extension' },
          ),
        ];
  return [
    ...of('Ingress', ingress, enableDefaultDeny?.ingress),
    ...of('Egress', egress, enableDefaultDeny?.egress),
  ];
}

function ciliumRule(rule: CiliumRule): Rule {
  const { fromEntities = [], toEntities = [], fromEndpoints = [], toEndpoints = [], toFQDNs = [] } = rule;
  const names = toFQDNs.flatMap(({ matchName, matchPattern }) => namesLike(matchPattern ?? matchName ?? ''));
  const peers = [
    ...[...fromEntities, ...toEntities].flatMap((entity) => {
      const ip = ENTITIES[entity];
      return ip === undefined ? [] : [address(ip)];
    }),
    ...[...fromEndpoints, ...toEndpoints].map(ciliumPods),
    ...names,
  ];
  const ports = rule.toPorts?.flatMap((each) =>
    each.ports.map(({ port, protocol }) => ({ port: Number(port), protocol })),
  );
  return { peers, ports };
}

function ciliumPods(selector: CiliumEnds): NetworkPolicyPeer {
  const {
    [CILIUM_NAMESPACE]: namespace = '',
    [CILIUM_ACCOUNT]: account,
    ...labels
  } = selector.matchLabels ?? {};
  const { matchLabels, ...rest } = withoutSource({ ...selector, matchLabels: labels });
  return {
    namespaceSelector: { matchLabels: { [LABEL_NAMESPACE_NAME]: namespace } },
    podSelector: {
      ...rest,
      matchLabels: { ...matchLabels, ...(account !== undefined && { [ACCOUNT]: account }) },
    },
  };
}

/** Cilium's keys of labels have a prefix for their source. */
function withoutSource({ matchLabels = {}, matchExpressions = [] }: CiliumEnds): LabelSelector {
  const bare = (key: string) => key.replace(/^k8s:/, '');
  return {
    matchLabels: Object.fromEntries(Object.entries(matchLabels).map(([key, value]) => [bare(key), value])),
    matchExpressions: matchExpressions.map((each) => ({ ...each, key: bare(each.key) })),
  };
}

/** The known names that a name or pattern means: `*` is one label, `**` at least one. */
function namesLike(pattern: string): NetworkPolicyPeer[] {
  const text = pattern
    .split('.')
    .map((label) => (label === '**' ? '.+' : label === '*' ? '[^.]+' : label))
    .join('\\.');
  const like = new RegExp(`^${text}$`);
  return Object.entries(NAMES).flatMap(([name, ip]) => (like.test(name) ? [address(ip)] : []));
}

interface CalicoEnd {
  readonly serviceAccounts?: { readonly names: readonly string[] };
  readonly namespaceSelector?: string;
  readonly selector?: string;
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly ports?: readonly (number | string)[];
}

interface CalicoRule {
  readonly action: string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly source?: CalicoEnd;
  readonly destination?: CalicoEnd;
}

interface CalicoSpec {
  readonly order?: number;
  readonly namespaceSelector?: string;
  readonly selector?: string;
  readonly types?: readonly PolicyType[];
  readonly ingress?: readonly CalicoRule[];
  readonly egress?: readonly CalicoRule[];
}

/** https://docs.tigera.io/calico/latest/reference/resources/networkpolicy: in the tier of NetworkPolicies, it is one of them. */
function ofCalico(object: Stored): LayeredPolicy[] {
  const spec = (object['spec'] ?? {}) as CalicoSpec;
  const pods = calicoSelector(spec.selector);
  return pods === undefined ? [] : [policy(object, pods, calicoRules(spec, 'Allow'))];
}

/** A policy of a tier that passes what no rule of it decides about. */
function ofCalicoGlobal(object: Stored, { labels }: Place): LayeredPolicy[] {
  const spec = (object['spec'] ?? {}) as CalicoSpec;
  const namespaces = calicoSelector(spec.namespaceSelector);
  if (namespaces === undefined || !matches(namespaces, labels)) return [];
  const rules = Object.fromEntries(
    Object.entries(calicoRules(spec, 'Pass'))
      .filter(([direction]) =>
        (direction === 'Ingress' ? spec.ingress : spec.egress)?.some(({ action }) => action === 'Deny'),
      )
      .map(([direction, passes]) => [direction, [...passes, IDENTIFIED]]),
  );
  return guarding(object, rules, spec.order);
}

function calicoRules(
  { types = ['Ingress'], ingress = [], egress = [] }: CalicoSpec,
  action: string,
): Partial<Record<PolicyType, Rule[]>> {
  const of = (direction: PolicyType, rules: readonly CalicoRule[], end: 'source' | 'destination') =>
    types.includes(direction)
      ? {
          [direction]: rules
            .filter((rule) => rule.action === action)
            .map(({ protocol = 'TCP', destination, ...rule }) => ({
              peers: calicoPeers(end === 'source' ? rule.source : destination),
              ports: destination?.ports?.map((port) => ({ protocol, ...calicoPort(port) })),
            })),
        }
      : {};
  return { ...of('Ingress', ingress, 'source'), ...of('Egress', egress, 'destination') };
}

function calicoPort(port: number | string): NetworkPolicyPort {
  const [first, last] = String(port).split(':').map(Number);
  if (first === undefined || Number.isNaN(first)) return { port };
  return last === undefined ? { port: first } : { port: first, endPort: last };
}

function calicoPeers(end: CalicoEnd = {}): Rule['peers'] {
  const { serviceAccounts, namespaceSelector, selector, nets, notNets = [] } = end;
  if (nets !== undefined)
    return nets.map((cidr) => ({ ipBlock: { cidr, ...(notNets.length > 0 && { except: notNets }) } }));
  if (serviceAccounts === undefined && namespaceSelector === undefined && selector === undefined)
    return 'everyone';
  const namespaces = calicoSelector(namespaceSelector);
  const pods = calicoSelector(selector ?? 'all()');
  if (namespaces === undefined || pods === undefined) return [];
  const names = serviceAccounts?.names;
  return (names ?? ['']).map((name) => ({
    namespaceSelector: namespaces,
    podSelector:
      names === undefined ? pods : { ...pods, matchLabels: { ...pods.matchLabels, [ACCOUNT]: name } },
  }));
}

/** Calico has the name of a namespace under a label of its own. */
function calicoSelector(text: string | undefined): LabelSelector | undefined {
  return text === undefined
    ? undefined
    : labelSelectorOf(text.replaceAll('projectcalico.org/name', LABEL_NAMESPACE_NAME));
}

/** https://cloud.google.com/kubernetes-engine/docs/how-to/fqdn-network-policies: it adds up with NetworkPolicies. */
function ofGKE(object: Stored): LayeredPolicy[] {
  const { podSelector, egress = [] } = (object['spec'] ?? {}) as {
    podSelector?: LabelSelector;
    egress?: readonly {
      readonly matches?: readonly { readonly name?: string; readonly pattern?: string }[];
      readonly ports?: readonly NetworkPolicyPort[];
    }[];
  };
  if (podSelector === undefined) return [];
  const rules = egress.map(({ matches: names = [], ports }) => ({
    peers: names.flatMap(({ name, pattern }) => namesLike(pattern ?? name ?? '')),
    ports: ports?.map(({ protocol = 'TCP', port }) => ({ protocol, ...(port !== undefined && { port }) })),
  }));
  return [policy(object, podSelector, { Egress: rules })];
}

interface ClusterPeer {
  readonly namespaces?: LabelSelector;
  readonly pods?: { readonly namespaceSelector: LabelSelector; readonly podSelector: LabelSelector };
  readonly networks?: readonly string[];
}

interface ClusterRule {
  readonly action: string;
  readonly from?: readonly ClusterPeer[];
  readonly to?: readonly ClusterPeer[];
  readonly protocols?: readonly Readonly<
    Record<
      string,
      { destinationPort: { number?: number; range?: { readonly start: number; readonly end: number } } }
    >
  >[];
}

/** https://network-policy-api.sigs.k8s.io/api-overview/: sources that are no pods are not denied. */
function ofClusterPolicy(object: Stored, { labels }: Place): LayeredPolicy[] {
  const {
    subject,
    priority = 0,
    ...spec
  } = (object['spec'] ?? {}) as {
    readonly subject?: { readonly namespaces?: LabelSelector };
    readonly priority?: number;
    readonly ingress?: readonly ClusterRule[];
    readonly egress?: readonly ClusterRule[];
  };
  if (subject?.namespaces === undefined || !matches(subject.namespaces, labels)) return [];
  const rules: Partial<Record<PolicyType, Rule[]>> = {};
  for (const [direction, list] of [
    ['Ingress', spec.ingress],
    ['Egress', spec.egress],
  ] as const) {
    if (list?.some(({ action }) => action === 'Deny') !== true) continue;
    const passes = list.filter(({ action }) => action === 'Pass').map(clusterRule);
    const outside: Rule = { peers: [{ ipBlock: { cidr: '0.0.0.0/0', except: [POD_RANGE] } }] };
    rules[direction] = [...passes, direction === 'Ingress' ? outside : IDENTIFIED];
  }
  return guarding(object, rules, priority);
}

function clusterRule({ from = [], to = [], protocols }: ClusterRule): Rule {
  const peers = [...from, ...to].flatMap(({ namespaces, pods, networks = [] }): NetworkPolicyPeer[] => [
    ...(namespaces === undefined ? [] : [{ namespaceSelector: namespaces }]),
    ...(pods === undefined ? [] : [pods]),
    ...networks.filter((cidr) => !cidr.includes(':')).map((cidr) => ({ ipBlock: { cidr } })),
  ]);
  const ports = protocols?.flatMap((each) =>
    Object.entries(each).map(([protocol, { destinationPort }]) => {
      const { number, range } = destinationPort;
      const numbers = range === undefined ? { port: number } : { port: range.start, endPort: range.end };
      return { protocol: protocol.toUpperCase(), ...numbers } as NetworkPolicyPort;
    }),
  );
  return { peers, ports };
}

interface AuthorizationRule {
  readonly from?: readonly {
    readonly source: {
      readonly namespaces?: readonly string[];
      readonly principals?: readonly string[];
      readonly notPrincipals?: readonly string[];
      readonly ipBlocks?: readonly string[];
      readonly notIpBlocks?: readonly string[];
    };
  }[];
  readonly to?: readonly { readonly operation: { readonly ports?: readonly string[] } }[];
}

/**
 * https://istio.io/latest/docs/reference/config/security/authorization-policy/: sidecars and ztunnel ask it, and not under
 * dry-run.
 */
function ofAuthorization(object: Stored, place: Place): LayeredPolicy[] {
  const members = membersFor(place);
  if (members === undefined || object.metadata.annotations?.['istio.io/dry-run'] === 'true') return [];
  const { selector, rules = [] } = (object['spec'] ?? {}) as {
    readonly selector?: { readonly matchLabels?: StringMap };
    readonly rules?: readonly AuthorizationRule[];
  };
  const made = rules.map(({ from, to }) => ({
    peers: from === undefined ? ('everyone' as const) : from.flatMap((each) => meshPeers(each, members)),
    ports: to?.flatMap(({ operation }) =>
      (operation.ports ?? []).map((port) => ({ protocol: 'TCP' as const, port: Number(port) })),
    ),
  }));
  const pods = { matchLabels: selector?.matchLabels ?? {} };
  return [policy(object, pods, { Ingress: made }, { layer: 'overlay' })];
}

/** https://istio.io/latest/docs/reference/config/security/peer_authentication/: STRICT refuses connections without an identity. */
function ofAuthentication(object: Stored, place: Place): LayeredPolicy[] {
  const members = membersFor(place);
  const { mtls } = (object['spec'] ?? {}) as { readonly mtls?: { readonly mode?: string } };
  if (members === undefined || mtls?.mode !== 'STRICT') return [];
  return [
    policy(object, {}, { Ingress: [{ peers: [ofNamespaces('In', members.names)] }] }, { layer: 'strict' }),
  ];
}

/**
 * The namespaces whose pods show an identity to those of a namespace; undefined if these are in no mesh. Pods with sidecars and
 * pods in ambient mode show none to each other.
 */
export function membersFor({ name, isInMesh, isAmbient = () => false }: Place): Members | undefined {
  const isMember = isAmbient(name) ? isAmbient : isInMesh(name) ? isInMesh : undefined;
  return isMember && { isMember, names: [...new Set([name, ...NAMESPACES])].filter(isMember) };
}

export interface Members {
  readonly isMember: (namespace: string) => boolean;
  readonly names: readonly string[];
}

/** Only members of the mesh have an identity. */
function meshPeers(
  { source }: NonNullable<AuthorizationRule['from']>[number],
  { isMember, names }: Members,
): NetworkPolicyPeer[] {
  const { namespaces = [], principals = [], notPrincipals, ipBlocks = [], notIpBlocks } = source;
  return [
    ...namespaces.filter(isMember).map((name) => ofNamespaces('In', [name])),
    ...principals.flatMap((principal) => {
      if (principal === '*') return [ofNamespaces('In', names)];
      const [, , name = '', , account = ''] = principal.split('/');
      const podSelector = { matchLabels: { [ACCOUNT]: account } };
      return isMember(name) ? [{ ...ofNamespaces('In', [name]), podSelector }] : [];
    }),
    ...(notPrincipals?.includes('*') === true ? withoutIdentity(names) : []),
    ...ipBlocks.map((cidr) => ({ ipBlock: { cidr, ...(notIpBlocks && { except: notIpBlocks }) } })),
  ];
}

/** The peers that are none of these namespaces' pods. */
export function withoutIdentity(names: readonly string[]): NetworkPolicyPeer[] {
  return [ofNamespaces('NotIn', names), { ipBlock: { cidr: '0.0.0.0/0', except: [POD_RANGE] } }];
}

function ofNamespaces(operator: 'In' | 'NotIn', names: readonly string[]): NetworkPolicyPeer {
  if (names.length === 0) return operator === 'In' ? NOBODY : { namespaceSelector: {} };
  return {
    namespaceSelector: { matchExpressions: [{ key: LABEL_NAMESPACE_NAME, operator, values: names }] },
  };
}
