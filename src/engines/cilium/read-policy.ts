/**
 * CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2). Their allowing rules add up with NetworkPolicies,
 * and a denying rule comes before all of them. Rules of the application layer (`toPorts.rules`) and authentication narrow
 * what is allowed on the port, and are not compared. Pure.
 */
import type { KubeObject, LabelSelector, LabelSelectorRequirement, StringMap } from '../../api/meta.ts';
import type { NetworkPolicyPort, PolicyType } from '../../api/network-policy.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../../policy/semantics/raw.ts';
import {
  type Candidate,
  type EnginePeer,
  type EnginePlaces,
  type EnginePolicy,
  type EngineRule,
  type PodMatcher,
  OUTSIDE,
  outsideAddresses,
  PROTOCOLS,
  type UnclearPart,
} from '../layers/engine-policy.ts';

const NAMESPACE = 'io.kubernetes.pod.namespace';
const NAMESPACE_LABELS = 'io.cilium.k8s.namespace.labels.';
const ACCOUNT = 'io.cilium.k8s.policy.serviceaccount';
/** A cluster of a mesh. Its pods are not known here, so that the label is taken to name this cluster. */
const CLUSTER = 'io.cilium.k8s.policy.cluster';

/** A label's key without its source, which Kubernetes' labels have by default. */
function withoutSource(key: string): string {
  return key.replace(/^(?:k8s|any)[:.](?=.)/, '');
}

const IDENTITIES = new WeakMap<object, WeakMap<object, StringMap>>();

/** The labels that Cilium knows of a pod. They are made once for each pod, by the object of its namespace's labels. */
function identityOf({ pod, namespaceLabels }: Candidate): StringMap {
  let known = IDENTITIES.get(namespaceLabels);
  if (known === undefined) IDENTITIES.set(namespaceLabels, (known = new WeakMap()));
  let identity = known.get(pod);
  if (identity === undefined) known.set(pod, (identity = madeIdentity({ pod, namespaceLabels })));
  return identity;
}

function madeIdentity({ pod, namespaceLabels }: Candidate): StringMap {
  const ofNamespace = Object.entries(namespaceLabels).map(([key, value]) => [
    `${NAMESPACE_LABELS}${key}`,
    value,
  ]);
  return {
    ...pod.labels,
    ...Object.fromEntries(ofNamespace),
    [NAMESPACE]: pod.namespace,
    [ACCOUNT]: pod.serviceAccount,
  };
}

/** A selector with its keys as `identityOf` has them. */
function normalized({ matchLabels = {}, matchExpressions = [] }: LabelSelector): LabelSelector {
  const labels = Object.entries(matchLabels).map(([key, value]) => [withoutSource(key), value] as const);
  const expressions = matchExpressions.map(
    ({ key, ...rest }): LabelSelectorRequirement => ({ key: withoutSource(key), ...rest }),
  );
  return {
    matchLabels: Object.fromEntries(labels.filter(([key]) => key !== CLUSTER)),
    matchExpressions: expressions.filter(({ key }) => key !== CLUSTER),
  };
}

function namesNamespace({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  const keys = [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)];
  return keys.some((key) => key === NAMESPACE || key.startsWith(NAMESPACE_LABELS));
}

/** @param namespace the namespace of selectors that name none; undefined in a policy of the cluster */
function endpoints(value: unknown, namespace: string | undefined): PodMatcher {
  const selector = normalized(selectorOf(value));
  const isLimited = namespace !== undefined && !namesNamespace(selector);
  const matcher: PodMatcher = (candidate) =>
    (!isLimited || candidate.pod.namespace === namespace) && matches(selector, identityOf(candidate));
  return Object.assign(matcher, { namespace: isLimited ? namespace : selector.matchLabels?.[NAMESPACE] });
}

/** Cilium replaces the namespace that the selector of a policy's own pods names by that of the policy. */
function withoutNamespace(value: unknown, namespace: string | undefined): LabelSelector {
  const { matchLabels = {}, ...rest } = selectorOf(value);
  if (namespace === undefined) return { matchLabels, ...rest };
  const kept = Object.entries(matchLabels).filter(([key]) => withoutSource(key) !== NAMESPACE);
  return { matchLabels: Object.fromEntries(kept), ...rest };
}

const EVERY_POD: PodMatcher = () => true;
/** Cilium knows pods by their identities, so that no range of addresses matches them. */
const WORLD: readonly EnginePeer[] = OUTSIDE;

const ENTITIES: Readonly<Record<string, readonly EnginePeer[]>> = {
  cluster: [EVERY_POD],
  world: WORLD,
  'world-ipv4': WORLD.slice(0, 1),
  'world-ipv6': WORLD.slice(1),
  none: [],
};

/** The fields of a rule that name peers, without their prefix `from` or `to`. */
const UNCLEAR_FIELDS: Readonly<Record<string, string>> = {
  Requires: 'endpoints with further requirements',
  Nodes: 'nodes',
  FQDNs: 'names',
  Services: 'Services',
  Groups: 'groups of a cloud provider',
};

/** Peers of a kind that can't be evaluated. */
interface UnclearPeers {
  readonly what: string;
  /** At least those that the part may be for. */
  readonly peers: readonly EnginePeer[] | 'any';
}

interface PeerContext {
  readonly namespace: string | undefined;
  readonly places: EnginePlaces | undefined;
}

interface Peers {
  readonly peers: readonly EnginePeer[] | 'any';
  readonly unclear: readonly UnclearPeers[];
}

/** The addresses of an entity that is no fixed set of peers; undefined if they are not known. */
function addressesOf(entity: string, places: EnginePlaces | undefined): readonly EnginePeer[] | undefined {
  if (places === undefined) return undefined;
  if (entity === 'kube-apiserver') return outsideAddresses(places.apiServer);
  return NODES.includes(entity) ? outsideAddresses(places.nodes) : undefined;
}

/** A pod's own node is the host, and every other one a remote node: together they are all nodes. */
const NODES: readonly string[] = ['host', 'remote-node'];

/** Fields of `UNCLEAR_FIELDS` whose peers can be pods. */
const OF_PODS = new Set(['Requires', 'Services']);

function peersOf(rule: Raw, prefix: 'from' | 'to', { namespace, places }: PeerContext): Peers {
  const given = (name: string) => rule[`${prefix}${name}`];
  const entities = textsOf(given('Entities'));
  if (entities.includes('all')) return { peers: 'any', unclear: [] };
  const sets = listOf(given('CIDRSet')).map(recordOf);
  const addresses = (what: string): UnclearPeers => ({ what, peers: WORLD });
  const allNodes = NODES.every((name) => entities.includes(name));
  const certain = new Set(places === undefined ? [] : ['kube-apiserver', ...(allNodes ? NODES : [])]);
  const unclear = [
    ...Object.entries(UNCLEAR_FIELDS).flatMap(([name, what]) =>
      listOf(given(name)).length > 0
        ? [{ what: `${what} (${prefix}${name})`, peers: OF_PODS.has(name) ? ('any' as const) : WORLD }]
        : [],
    ),
    ...entities
      .filter((name) => ENTITIES[name] === undefined && !certain.has(name))
      .map(
        (name): UnclearPeers => ({ what: `the entity ${name}`, peers: addressesOf(name, places) ?? WORLD }),
      ),
    ...(sets.some(({ cidr }) => typeof cidr !== 'string')
      ? [addresses('a group of addresses (cidrGroupRef)')]
      : []),
  ];
  const names = ['Endpoints', 'Entities', 'CIDR', 'CIDRSet', ...Object.keys(UNCLEAR_FIELDS)];
  if (names.every((name) => given(name) === undefined)) {
    // A rule without peers is for everyone if it names ports, and for nobody if it is empty.
    return { peers: rule['toPorts'] === undefined ? [] : 'any', unclear };
  }
  const peers: EnginePeer[] = [
    ...listOf(given('Endpoints')).map((each) => endpoints(each, namespace)),
    ...entities.flatMap(
      (name) => ENTITIES[name] ?? (certain.has(name) ? (addressesOf(name, places) ?? []) : []),
    ),
    ...textsOf(given('CIDR')).map((cidr) => ({ cidr: withPrefix(cidr), isOutside: true as const })),
    ...sets.flatMap(({ cidr, except }) =>
      typeof cidr === 'string'
        ? [{ cidr: withPrefix(cidr), except: textsOf(except), isOutside: true as const }]
        : [],
    ),
  ];
  return { peers, unclear };
}

/** Cilium takes a single address without the length of its prefix. */
function withPrefix(cidr: string): string {
  return cidr.includes('/') ? cidr : `${cidr}/${cidr.includes(':') ? 128 : 32}`;
}

function portsOf(rule: Raw): EngineRule['ports'] {
  const lists = listOf(rule['toPorts']).map((each) => listOf(recordOf(each)['ports']));
  if (lists.length === 0 || lists.some((list) => list.length === 0)) return 'any';
  return lists.flat().flatMap((each): NetworkPolicyPort[] => {
    const { port, endPort, protocol = 'ANY' } = recordOf(each);
    const protocols = PROTOCOLS.filter((own) => protocol === 'ANY' || own === protocol);
    const text = textOf(port) || '0';
    if (text === '0') return protocols.map((own) => ({ protocol: own }));
    if (!/^\d+$/.test(text)) return protocols.map((own) => ({ protocol: own, port: text }));
    const last = typeof endPort === 'number' && endPort > 0 ? { endPort } : {};
    return protocols.map((own) => ({ protocol: own, port: Number(text), ...last }));
  });
}

/** Fields of `toPorts` that limit what passes on its ports: to names in TLS, and to what a listener of Envoy lets through. */
const PORT_LIMITS = ['serverNames', 'listener'];

/** The demands of a rule beside peers and ports: requests of some form, or authentication. */
function demandsOf(rule: Raw): Pick<EngineRule, 'within'> {
  const requests = listOf(rule['toPorts'])
    .map(recordOf)
    .flatMap((entry) => [
      ...Object.keys(recordOf(entry['rules'])).map((kind) => `rules.${kind}`),
      ...PORT_LIMITS.filter((field) => entry[field] !== undefined),
    ]);
  const { mode = 'disabled' } = recordOf(rule['authentication']);
  const parts = [
    ...(requests.length === 0 ? [] : [`requests (toPorts.${[...new Set(requests)].join(', ')})`]),
    ...(mode === 'disabled' ? [] : ['mutual authentication (authentication.mode)']),
  ];
  return parts.length === 0 ? {} : { within: parts.join(', ') };
}

/** Denying rules come after those of the Admin tier and before all others, in no order among themselves. */
const DENY = { phase: 'before', effect: 'deny', tier: 1, place: [] } as const;

interface Section {
  readonly list: readonly unknown[];
  readonly field: string;
  readonly direction: PolicyType;
  readonly isDeny: boolean;
}

function sectionsOf(spec: Raw, path: string): Section[] {
  return (['Ingress', 'Egress'] as const).flatMap((direction) =>
    [false, true].map((isDeny) => {
      const name = `${direction.toLowerCase()}${isDeny ? 'Deny' : ''}`;
      return { list: listOf(spec[name]), field: `${path}.${name}`, direction, isDeny };
    }),
  );
}

/** @param places the addresses of nodes and of the API server, if they are known */
export function ciliumPolicy(
  { kind = '', metadata, ...rest }: KubeObject,
  places?: EnginePlaces,
): EnginePolicy {
  const { spec, specs } = rest as Raw;
  const { namespace } = metadata;
  const rules: EngineRule[] = [];
  const unclear: UnclearPart[] = [];
  const isolates: EnginePolicy['isolates'][number][] = [];
  const all = [
    ...(spec === undefined ? [] : [[recordOf(spec), 'spec'] as const]),
    ...listOf(specs).map((each, index) => [recordOf(each), `specs[${index}]`] as const),
  ];
  for (const [each, path] of all) {
    // A policy with a nodeSelector is for nodes.
    if (each['endpointSelector'] === undefined) continue;
    const selected = endpoints(withoutNamespace(each['endpointSelector'], namespace), undefined);
    const subject: PodMatcher = (candidate) =>
      (namespace === undefined || candidate.pod.namespace === namespace) && selected(candidate);
    for (const { list, field, direction, isDeny } of sectionsOf(each, path)) {
      const isDefaultDeny = recordOf(each['enableDefaultDeny'])[direction.toLowerCase()] !== false;
      if (list.length > 0 && isDefaultDeny) isolates.push({ direction, subject });
      for (const [index, value] of list.entries()) {
        const rule = recordOf(value);
        const at = { field: `${field}[${index}]`, direction, subject };
        const { peers, unclear: parts } = peersOf(rule, direction === 'Ingress' ? 'from' : 'to', {
          namespace,
          places,
        });
        const within = demandsOf(rule);
        const limits = { ports: portsOf(rule), ...within, ...(isDeny && { order: DENY }) };
        // ICMP has no ports, and is about no flow here.
        if (listOf(rule['icmps']).length === 0) rules.push({ ...at, peers, ...limits });
        unclear.push(
          ...parts.map(({ what, peers: others }): UnclearPart => ({ ...at, peers: others, ...limits, what })),
        );
      }
    }
  }
  const object = { kind, ...(namespace !== undefined && { namespace }), name: metadata.name };
  return { object, rules: rules.filter(({ peers }) => peers.length > 0), unclear, isolates };
}
