/**
 * Calico's NetworkPolicy and GlobalNetworkPolicy (projectcalico.org/v3, crd.projectcalico.org/v1). Tiers are asked by their
 * order, policies of a tier by their order and then by name, and rules by position. NetworkPolicies of Kubernetes are in the
 * tier `default`, with the order 1000 and the names `knp.default.NAME`. A pod that no policy of the tier `default` selects
 * is left to the tiers after it, which are rare. Pure.
 */
import type { Phase } from '../../analysis/model/peer-classes.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import { listOf, type Raw, recordOf, textOf, textsOf } from '../../policy/semantics/raw.ts';
import {
  byAccount,
  byLabels,
  bySubjectNamespace,
  type CalicoObjects,
  hasSelectors,
  labelledPod,
  peersOf,
  selectedBy,
  unclearOwnEnd,
} from './read-ends.ts';
import {
  type EnginePolicy,
  type EngineRule,
  type PodMatcher,
  type UnclearPart,
} from '../layers/engine-policy.ts';
import { PORTLESS, portsOf } from './read-ports.ts';

const KUBERNETES_ORDER = 1000;
const KUBERNETES_NAME = 'knp.default.';
/** The tier `default` is the last but for one of a higher order. */
const DEFAULT_TIER_ORDER = 1_000_000;

const UNREADABLE = 'a selector that is not understood';

const EFFECTS: Readonly<Record<string, 'allow' | 'deny' | 'pass'>> = {
  Allow: 'allow',
  Deny: 'deny',
  Pass: 'pass',
};

/** The demands of a rule beside ends, protocol and ports. */
function demandsOf({ http, ipVersion }: Raw): Pick<EngineRule, 'within'> {
  const parts = [
    ...(http === undefined ? [] : ['requests (http)']),
    ...(ipVersion === undefined ? [] : [`addresses of IPv${textOf(ipVersion)} (ipVersion)`]),
  ];
  return parts.length === 0 ? {} : { within: parts.join(', ') };
}

/** The directions of a policy: those of `types`, or those that have rules. */
function typesOf(spec: Raw): PolicyType[] {
  const types = textsOf(spec['types']);
  const has = (direction: PolicyType) =>
    types.length > 0 ? types.includes(direction) : listOf(spec[direction.toLowerCase()]).length > 0;
  const found = (['Ingress', 'Egress'] as const).filter(has);
  return found.length === 0 && types.length === 0 ? ['Ingress'] : found;
}

/** True for a policy of hosts, which no pod is subject to. */
function isForHosts(spec: Raw): boolean {
  return spec['doNotTrack'] === true || spec['preDNAT'] === true;
}

/** The pods of a policy; undefined if its selectors can't be read. */
function subjectOf(spec: Raw, namespace: string | undefined, objects: CalicoObjects): PodMatcher | undefined {
  const selector = byLabels(spec['selector']);
  const places = bySubjectNamespace(namespace === undefined ? spec['namespaceSelector'] : '');
  const account = byAccount(spec['serviceAccountSelector'], objects);
  if (!selector || !places || !account) return undefined;
  return (candidate) => {
    if (namespace !== undefined && candidate.pod.namespace !== namespace) return false;
    const pod = labelledPod(candidate);
    return selector(pod) && places(pod) && account(pod);
  };
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

/** Pods of a policy, and when they are asked about its rules. */
interface Part {
  readonly subject: PodMatcher;
  readonly phase: Phase;
}

/**
 * The pods of a policy by phase. Policies of the tier `default` with the order of NetworkPolicies are sorted among them by
 * their names, which begin with the namespace, if any.
 */
function partsOf(subject: PodMatcher, { tier, tierOrder, order, key }: Place): Part[] {
  if (tier !== 'default') return [{ subject, phase: tierOrder > DEFAULT_TIER_ORDER ? 'fallback' : 'before' }];
  if (order !== KUBERNETES_ORDER) return [{ subject, phase: order < KUBERNETES_ORDER ? 'before' : 'after' }];
  const isBefore: PodMatcher = ({ pod }) => key < `${pod.namespace}/${KUBERNETES_NAME}`;
  return [
    { subject: (candidate) => subject(candidate) && isBefore(candidate), phase: 'before' },
    { subject: (candidate) => subject(candidate) && !isBefore(candidate), phase: 'after' },
  ];
}

/** Where a policy stands among all of Calico. */
interface Place {
  readonly tier: string;
  readonly tierOrder: number;
  readonly order: number;
  /** Policies of one order are sorted by it. */
  readonly key: string;
}

interface Context {
  readonly namespace: string | undefined;
  readonly objects: CalicoObjects;
  readonly place: Place;
}

type Translated = { readonly rule?: EngineRule; readonly unclear?: UnclearPart };

interface PlacedRule {
  readonly value: unknown;
  readonly index: number;
  readonly direction: PolicyType;
}

function translated({ value, index, direction }: PlacedRule, part: Part, context: Context): Translated {
  const rule = recordOf(value);
  const given = EFFECTS[textOf(rule['action'])];
  const { namespace, objects, place } = context;
  // A rule to log decides nothing, and one for another protocol is about no port.
  if (given === undefined || PORTLESS.test(textOf(rule['protocol']))) return {};
  const { tier, tierOrder, order, key } = place;
  // Nothing denies a flow that the tier `default` passes on.
  const effect = given === 'pass' && tier === 'default' ? 'allow' : given;
  const field = `spec.${direction.toLowerCase()}[${index}]`;
  const [own, other] = direction === 'Ingress' ? ['destination', 'source'] : ['source', 'destination'];
  const ownEnd = recordOf(rule[own ?? '']);
  const isOwn = hasSelectors(ownEnd) ? selectedBy(ownEnd, namespace, objects) : () => true;
  const subject: PodMatcher = (candidate) =>
    part.subject(candidate) && (isOwn === undefined || isOwn(labelledPod(candidate)));
  const { peers, unclear, needsAddresses } = peersOf(recordOf(rule[other ?? '']), namespace, objects);
  const ports = portsOf(rule);
  const what = unclear ?? (isOwn === undefined ? UNREADABLE : unclearPart(rule, ownEnd));
  const at = {
    field,
    direction,
    subject,
    order: { phase: part.phase, effect, tier: tierOrder, place: [order, key, index] },
    ...demandsOf(rule),
  };
  if (what === undefined && ports !== undefined) {
    // A rule that excludes all that it names is for nobody.
    if (peers.length === 0 || ports.length === 0) return {};
    const unknown: PodMatcher = ({ pod }) => pod.ips.length === 0;
    return {
      rule: { ...at, peers, ports },
      ...(needsAddresses === true && {
        unclear: { ...at, peers: [unknown], ports, what: 'addresses of pods (notNets)' },
      }),
    };
  }
  return {
    unclear: {
      ...at,
      peers: unclear === undefined ? peers : 'any',
      ports: ports ?? 'any',
      what: what ?? 'a protocol without ports, or ports that are excluded by name',
    },
  };
}

function unclearPart(rule: Raw, ownEnd: Raw): string | undefined {
  return listOf(recordOf(rule['source'])['ports']).length > 0 ? 'ports of the source' : unclearOwnEnd(ownEnd);
}

function referenceOf({ kind = '', metadata: { namespace, name } }: KubeObject): EnginePolicy['object'] {
  // The name of the kind in the snapshot tells it from Kubernetes' own.
  const shown = kind === 'NetworkPolicy' ? 'CalicoNetworkPolicy' : kind;
  return { kind: shown, ...(namespace !== undefined && { namespace }), name };
}

export function calicoPolicy(object: KubeObject, tiers: Tiers, objects: CalicoObjects): EnginePolicy {
  const { namespace, name } = object.metadata;
  const spec = recordOf((object as KubeObject & Raw)['spec']);
  const reference = referenceOf(object);
  if (isForHosts(spec)) return { object: reference, rules: [], unclear: [], isolates: [] };
  const known = subjectOf(spec, namespace, objects);
  const subject: PodMatcher = known ?? (({ pod }) => namespace === undefined || pod.namespace === namespace);
  const types = typesOf(spec);
  const tier = typeof spec['tier'] === 'string' && spec['tier'] !== '' ? spec['tier'] : 'default';
  const order = typeof spec['order'] === 'number' ? spec['order'] : Number.MAX_SAFE_INTEGER;
  const key = namespace === undefined ? name : `${namespace}/${name}`;
  const place = { tier, tierOrder: tiers.orderOf(tier), order, key };
  const parts = partsOf(subject, place);
  const all = types.flatMap((direction) =>
    listOf(spec[direction.toLowerCase()]).flatMap((value, index) =>
      parts.map((part) => translated({ value, index, direction }, part, { namespace, objects, place })),
    ),
  );
  // A tier of its own denies at its end what none of its policies decided.
  const ends =
    tier === 'default' || tiers.passes(tier)
      ? []
      : parts.flatMap((part) => types.map((direction) => tierEnd(direction, part, place)));
  const rules = [...all.flatMap(({ rule }) => rule ?? []), ...ends];
  const unclear = all.flatMap((each) => each.unclear ?? []);
  const isolates = tier === 'default' ? types.map((direction) => ({ direction, subject })) : [];
  if (known !== undefined) return { object: reference, rules, unclear, isolates };
  return {
    object: reference,
    rules: [],
    unclear: [...unclear, ...rules.map((rule) => ({ ...rule, what: UNREADABLE }))],
    isolates: [],
    mayIsolate: isolates.map((each) => ({ ...each, what: UNREADABLE })),
  };
}

function tierEnd(direction: PolicyType, { subject, phase }: Part, { tierOrder }: Place): EngineRule {
  return {
    field: 'spec.tier',
    direction,
    subject,
    peers: 'any',
    ports: 'any',
    order: { phase, effect: 'deny', tier: tierOrder, place: [Number.POSITIVE_INFINITY] },
  };
}
