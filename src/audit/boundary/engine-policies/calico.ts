/**
 * Calico's NetworkPolicy and GlobalNetworkPolicy (projectcalico.org/v3, crd.projectcalico.org/v1). Tiers are asked by their
 * order, and policies of a tier by theirs. NetworkPolicies of Kubernetes are in the tier `default` with the order 1000:
 * allowing rules after them add up with theirs, and denying ones decide about nothing that they allow. Pure.
 */
import type { KubeObject, StringMap } from '../../../api/meta.ts';
import type { NetworkPolicyPort, PolicyType } from '../../../api/network-policy.ts';
import { listOf, type Raw, recordOf, textOf, textsOf } from '../../../policy/semantics/raw.ts';
import {
  type Candidate,
  type EnginePeer,
  type EnginePolicy,
  type EngineRule,
  type PodMatcher,
  PROTOCOLS,
  type UnclearPart,
} from './engine-policy.ts';
import { parseCalicoSelector } from './calico-selector.ts';

const KUBERNETES_ORDER = 1000;
/** The tier `default` is the last but for one of a higher order. */
const DEFAULT_TIER_ORDER = 1_000_000;

const EFFECTS: Readonly<Record<string, 'allow' | 'deny' | 'pass'>> = {
  Allow: 'allow',
  Deny: 'deny',
  Pass: 'pass',
};

/** The labels that Calico knows of a pod, beside its own. */
function podLabels({ pod }: Candidate): StringMap {
  return {
    ...pod.labels,
    'projectcalico.org/namespace': pod.namespace,
    'projectcalico.org/orchestrator': 'k8s',
    'projectcalico.org/serviceaccount': pod.serviceAccount,
  };
}

function namespaceLabels({ pod, namespaceLabels: labels }: Candidate): StringMap {
  return { ...labels, 'projectcalico.org/name': pod.namespace };
}

/** Undefined if the selector can't be read. */
function selecting(text: unknown, labelsOf: (candidate: Candidate) => StringMap): PodMatcher | undefined {
  const test = parseCalicoSelector(typeof text === 'string' ? text : '');
  return test && ((candidate) => test(labelsOf(candidate)));
}

/** In selectors of namespaces, `global()` stands for what is in none: it selects no pod. */
function inNamespaces(text: unknown): PodMatcher | undefined {
  return selecting(typeof text === 'string' ? text.replaceAll('global()', '!all()') : '', namespaceLabels);
}

interface Peers {
  readonly peers: readonly EnginePeer[] | 'any';
  /** Why the rule can't be compared; undefined if it can. */
  readonly unclear?: string;
}

/** The pods of an end of a rule: selectors, service accounts and their negation. Undefined if one can't be read. */
function podsOf(end: Raw, namespace: string | undefined): PodMatcher | undefined {
  const accounts = recordOf(end['serviceAccounts']);
  if (typeof accounts['selector'] === 'string' && accounts['selector'] !== '') return undefined;
  const names = textsOf(accounts['names']);
  const chosen = selecting(end['selector'], podLabels);
  const excluded = selecting(end['notSelector'] || '!all()', podLabels);
  const places = inNamespaces(end['namespaceSelector']);
  if (chosen === undefined || excluded === undefined || places === undefined) return undefined;
  const isElsewhere = typeof end['namespaceSelector'] === 'string' && end['namespaceSelector'] !== '';
  return (candidate) =>
    (namespace === undefined || isElsewhere || candidate.pod.namespace === namespace) &&
    (names.length === 0 || names.includes(candidate.pod.serviceAccount)) &&
    chosen(candidate) &&
    places(candidate) &&
    !excluded(candidate);
}

const OF_PODS = ['selector', 'notSelector', 'namespaceSelector', 'serviceAccounts'];

function peersOf(end: Raw, namespace: string | undefined): Peers {
  const given = (name: string) => end[name] !== undefined && end[name] !== '';
  for (const name of ['notNets', 'services', 'domains']) if (given(name)) return { peers: [], unclear: name };
  const nets = textsOf(end['nets']);
  const hasPods = OF_PODS.some(given);
  if (nets.length > 0 && hasPods) return { peers: [], unclear: 'nets beside a selector' };
  if (nets.length > 0)
    return {
      peers: nets.map((cidr) => ({
        cidr: cidr.includes('/') ? cidr : `${cidr}/${cidr.includes(':') ? 128 : 32}`,
      })),
    };
  if (!hasPods) return { peers: 'any' };
  const pods = podsOf(end, namespace);
  return pods === undefined ? { peers: [], unclear: 'a selector that is not understood' } : { peers: [pods] };
}

/** A port, a range `8000:8100`, or the name of a port. */
function portOf(value: unknown): Pick<NetworkPolicyPort, 'port' | 'endPort'> {
  if (typeof value === 'number') return { port: value };
  const [, first, last] = /^(\d+)(?::(\d+))?$/.exec(textOf(value)) ?? [];
  if (first === undefined) return { port: textOf(value) };
  return { port: Number(first), ...(last !== undefined && { endPort: Number(last) }) };
}

/** Undefined if the rule is for another protocol, or excludes ports. */
function portsOf(rule: Raw): EngineRule['ports'] | undefined {
  const { protocol, notProtocol } = rule;
  const { ports, notPorts } = recordOf(rule['destination']);
  if (notProtocol !== undefined || listOf(notPorts).length > 0) return undefined;
  if (protocol === undefined) return 'any';
  const known = PROTOCOLS.find((each) => each === textOf(protocol).toUpperCase());
  if (known === undefined) return undefined;
  const list = listOf(ports);
  return list.length === 0
    ? [{ protocol: known }]
    : list.map((each) => ({ protocol: known, ...portOf(each) }));
}

const ICMP = /^(?:icmp|icmpv6|1|58)$/i;

/** The directions of a policy: those of `types`, or those that have rules. */
function typesOf(spec: Raw): PolicyType[] {
  const types = textsOf(spec['types']);
  const has = (direction: PolicyType) =>
    types.length > 0 ? types.includes(direction) : listOf(spec[direction.toLowerCase()]).length > 0;
  const found = (['Ingress', 'Egress'] as const).filter(has);
  return found.length === 0 && types.length === 0 ? ['Ingress'] : found;
}

/** The pods of a policy; undefined if its selectors can't be read, or it is for hosts. */
function subjectOf(spec: Raw, namespace: string | undefined): PodMatcher | undefined {
  if (spec['doNotTrack'] === true || spec['preDNAT'] === true) return undefined;
  if (typeof spec['serviceAccountSelector'] === 'string' && spec['serviceAccountSelector'] !== '')
    return undefined;
  const selector = selecting(spec['selector'], podLabels);
  const places = inNamespaces(namespace === undefined ? spec['namespaceSelector'] : '');
  if (selector === undefined || places === undefined) return undefined;
  return (candidate) =>
    (namespace === undefined || candidate.pod.namespace === namespace) &&
    selector(candidate) &&
    places(candidate);
}

/** The orders of tiers by name, and whether the end of each passes. */
export interface Tiers {
  orderOf(tier: string): number;
  passes(tier: string): boolean;
}

export function tiersOf(objects: readonly KubeObject[]): Tiers {
  const specs = new Map(
    objects.map(({ metadata, ...rest }) => [metadata.name, recordOf((rest as Raw)['spec'])]),
  );
  return {
    orderOf: (tier) => {
      const order = specs.get(tier)?.['order'];
      if (typeof order === 'number') return order;
      return tier === 'default' ? DEFAULT_TIER_ORDER : Number.MAX_SAFE_INTEGER;
    },
    passes: (tier) => specs.get(tier)?.['defaultAction'] === 'Pass',
  };
}

interface Context {
  readonly namespace: string | undefined;
  readonly subject: PodMatcher;
  /** The place of the policy's rules; undefined if they come after NetworkPolicies. */
  readonly place: readonly number[] | undefined;
}

type Translated = { readonly rule?: EngineRule; readonly unclear?: UnclearPart };

function translated(value: unknown, direction: PolicyType, field: string, context: Context): Translated {
  const rule = recordOf(value);
  const effect = EFFECTS[textOf(rule['action'])];
  const { namespace, place } = context;
  // A rule to log decides nothing, and one for ICMP is about no port.
  if (effect === undefined || ICMP.test(textOf(rule['protocol']))) return {};
  // After NetworkPolicies only what is allowed matters.
  if (place === undefined && effect !== 'allow') return {};
  const [own, other] = direction === 'Ingress' ? ['destination', 'source'] : ['source', 'destination'];
  const ownEnd = recordOf(rule[own ?? '']);
  const restricted = OF_PODS.some((name) => ownEnd[name] !== undefined)
    ? podsOf(ownEnd, namespace)
    : undefined;
  const subject: PodMatcher = (candidate) =>
    context.subject(candidate) && (restricted === undefined || restricted(candidate));
  const { peers, unclear } = peersOf(recordOf(rule[other ?? '']), namespace);
  const ports = portsOf(rule);
  const sourcePorts = listOf(recordOf(rule['source'])['ports']).length > 0;
  const what = sourcePorts
    ? 'ports of the source'
    : (unclear ?? (ports === undefined ? 'a protocol or ports that are excluded' : undefined));
  if (what !== undefined || ports === undefined) {
    const part = { field, direction, subject, what: what ?? '' };
    return effect === 'allow' ? { unclear: part } : {};
  }
  // No tier follows the last one, so that nothing denies a flow that it passes on.
  const order = place && {
    effect: effect === 'pass' && place[0] === DEFAULT_TIER_ORDER ? ('allow' as const) : effect,
    place,
  };
  return { rule: { field, direction, subject, peers, ports, ...(order && { order }) } };
}

export function calicoPolicy({ kind = '', metadata, ...rest }: KubeObject, tiers: Tiers): EnginePolicy {
  const spec = recordOf((rest as Raw)['spec']);
  const { namespace, name } = metadata;
  // The name of the kind in the snapshot tells it from Kubernetes' own.
  const shown = kind === 'NetworkPolicy' ? 'CalicoNetworkPolicy' : kind;
  const object = { kind: shown, ...(namespace !== undefined && { namespace }), name };
  const subject = subjectOf(spec, namespace);
  if (subject === undefined) return { object, rules: [], unclear: [], isolates: [] };
  const tier = typeof spec['tier'] === 'string' && spec['tier'] !== '' ? spec['tier'] : 'default';
  const order = typeof spec['order'] === 'number' ? spec['order'] : Number.MAX_SAFE_INTEGER;
  const isFirst = tier !== 'default' || order < KUBERNETES_ORDER;
  const place = [tiers.orderOf(tier), order];
  const types = typesOf(spec);
  const all = types.flatMap((direction) =>
    listOf(spec[direction.toLowerCase()]).map((each, index) =>
      translated(each, direction, `spec.${direction.toLowerCase()}[${index}]`, {
        namespace,
        subject,
        place: isFirst ? [...place, index] : undefined,
      }),
    ),
  );
  // A tier of its own denies at its end what none of its policies decided.
  const ends = types.map(
    (direction): EngineRule => ({
      field: 'spec.tier',
      direction,
      subject,
      peers: 'any',
      ports: 'any',
      order: { effect: 'deny', place: [tiers.orderOf(tier), Number.POSITIVE_INFINITY] },
    }),
  );
  return {
    object,
    rules: [
      ...all.flatMap(({ rule }) => rule ?? []),
      ...(tier === 'default' || tiers.passes(tier) ? [] : ends),
    ],
    unclear: all.flatMap((each) => each.unclear ?? []),
    isolates: tier === 'default' ? types.map((direction) => ({ direction, subject })) : [],
  };
}
