/**
 * AuthorizationPolicy and PeerAuthentication (security.istio.io) as a gate before pods of the mesh, for TCP connections: the
 * proxy asks CUSTOM, then DENY, then ALLOW policies, and denies what no ALLOW policy lets in if one selects the workload
 * (https://istio.io/latest/docs/reference/config/security/authorization-policy/). Rules about requests depend on them. Pure.
 */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import { listOf, type Raw, recordOf, textOf, textsOf } from '../../policy/semantics/raw.ts';
import type { EnginePolicy, EngineRule, PodMatcher, UnclearPart } from '../layers/engine-policy.ts';
import { acceptanceOf } from './ambient/acceptance.ts';
import { ruleAtZtunnel } from './ambient/read-rules.ts';
import { membershipOf } from './membership.ts';
import { ANNOTATION_DRY_RUN } from './policy.ts';
import { AMBIENT } from './mesh-config.ts';
import { sourcesOf } from './read-sources.ts';
import { TUNNELLED_PORTS } from './read-tunnels.ts';

/** Ports of the sidecar itself, which no policy is asked about. */
const OF_SIDECAR = new Set([15_020, 15_021, 15_090]);

/** All TCP ports but those of the sidecar. */
export const MESH_PORTS: readonly NetworkPolicyPort[] = [
  { protocol: 'TCP', port: 1, endPort: 15_019 },
  { protocol: 'TCP', port: 15_022, endPort: 15_089 },
  { protocol: 'TCP', port: 15_091, endPort: 65_535 },
];

/** A proxy before pods: the pods, and the ports about which it asks policies. */
export interface Proxy {
  readonly of: 'member' | 'ambient';
  readonly every: readonly NetworkPolicyPort[];
  readonly isJudged: (port: number) => boolean;
}

export const PROXIES: readonly Proxy[] = [
  { of: 'member', every: MESH_PORTS, isJudged: (port) => !OF_SIDECAR.has(port) },
  { of: 'ambient', every: TUNNELLED_PORTS, isJudged: (port) => port !== AMBIENT.port },
];

/** The actions in the order in which policies are asked. */
const PLACES: Readonly<Record<string, number>> = { CUSTOM: 1, DENY: 2, ALLOW: 3 };
const UNSELECTED = 4;

const OF_MEMBERSHIP = 'whether its pods are in the mesh';

type Gate = Pick<EnginePolicy, 'rules' | 'unclear'>;

interface Context {
  readonly selected: PodMatcher;
  readonly namespace: string;
  readonly action: string;
}

/**
 * Undefined for a policy that decides nothing: an AUDIT policy, or a dry run that no proxy enforces.
 *
 * @param roots the namespaces whose policies are for the whole mesh
 */
export function authorizationPolicy(
  object: KubeObject,
  roots: ReadonlySet<string>,
): EnginePolicy | undefined {
  const { namespace = '', name, annotations } = object.metadata;
  const spec = recordOf((object as KubeObject & Raw)['spec']);
  const action = textOf(spec['action']) || 'ALLOW';
  if (PLACES[action] === undefined) return undefined;
  const isDryRun = annotations?.[ANNOTATION_DRY_RUN] === 'true';
  if (isDryRun && acceptanceOf(object).kind === 'refused') return undefined;
  const isRoot = roots.has(namespace);
  const targets = [
    ...listOf(spec['targetRefs']),
    ...(spec['targetRef'] === undefined ? [] : [spec['targetRef']]),
  ];
  const labels = (recordOf(spec['selector'])['matchLabels'] ?? {}) as StringMap;
  const selected: PodMatcher = ({ pod }) =>
    (isRoot || pod.namespace === namespace) &&
    Object.entries(labels).every(([key, value]) => pod.labels[key] === value);
  const base = {
    object: { kind: 'AuthorizationPolicy', namespace, name },
    ...(isRoot && { isOfAnyNamespace: true }),
    rules: [],
    unclear: [],
    isolates: [],
  };
  if (isDryRun && (targets.length > 0 || action === 'CUSTOM')) return undefined;
  if (targets.length > 0) return { ...base, gate: { rules: [], unclear: [ofTargets(selected)] } };
  const context = { selected, namespace, action };
  const parts = listOf(spec['rules']).flatMap((each, index) => partsOf(recordOf(each), index, context));
  const rest = action === 'ALLOW' ? deniedRest(selected) : { rules: [], unclear: [] };
  const gate = {
    rules: [...parts.flatMap(({ certain }) => certain), ...rest.rules],
    unclear: [...parts.flatMap(({ unclear }) => unclear), ...rest.unclear],
  };
  return { ...base, gate: isDryRun ? recorded(gate) : gate };
}

/** The gate of a dry run: sidecars record it, and ztunnel enforces it before Istio 1.29. Later versions refuse it or record it too. */
function recorded({ rules, unclear }: Gate): Gate {
  const atZtunnel = (each: EngineRule): UnclearPart => ({
    ...each,
    subject: (candidate) => membershipOf(candidate) === 'ambient' && each.subject(candidate),
    what: 'if ztunnel enforces dry runs, as before Istio 1.29',
  });
  return { rules: [], unclear: [...rules, ...unclear].map(atZtunnel) };
}

/** A waypoint or gateway enforces a policy with targets. */
function ofTargets(selected: PodMatcher): UnclearPart {
  return {
    field: 'spec.targetRefs',
    direction: 'Ingress',
    subject: (candidate) => selected(candidate) && ['unknown', 'ambient'].includes(membershipOf(candidate)),
    peers: 'any',
    ports: MESH_PORTS,
    order: { phase: 'before', effect: 'deny', tier: 0, place: [0] },
    what: 'its targets',
  };
}

/** A policy of allowing rules denies all else at the pods that it selects. */
function deniedRest(selected: PodMatcher): Gate {
  const at = { field: '', direction: 'Ingress', peers: 'any' } as const;
  const order = { phase: 'before', effect: 'deny', tier: 0, place: [UNSELECTED] } as const;
  return {
    rules: PROXIES.map((proxy) => ({ ...at, order, subject: members(selected, proxy), ports: proxy.every })),
    unclear: [{ ...at, order, subject: mayBeMembers(selected), ports: MESH_PORTS, what: OF_MEMBERSHIP }],
  };
}

function members(selected: PodMatcher, { of }: Proxy): PodMatcher {
  return (candidate) => selected(candidate) && membershipOf(candidate) === of;
}

function mayBeMembers(selected: PodMatcher): PodMatcher {
  return (candidate) => selected(candidate) && membershipOf(candidate) === 'unknown';
}

interface Parts {
  readonly certain: readonly EngineRule[];
  readonly unclear: readonly UnclearPart[];
}

function partsOf(rule: Raw, index: number, context: Context): Parts[] {
  return PROXIES.flatMap((proxy) => {
    const own = proxy.of === 'ambient' ? ruleAtZtunnel(rule, context.action) : rule;
    return own === undefined ? [] : partsAt(proxy, own, index, context);
  });
}

/** The rule as a proxy reads it. Pods of which nobody knows if they have a proxy count with the sidecars. */
function partsAt(proxy: Proxy, rule: Raw, index: number, { selected, namespace, action }: Context): Parts[] {
  const sources = sourcesOf(listOf(rule['from']), { namespace, identified: proxy.of });
  const { certain, possible } = portsOf(listOf(rule['to']), proxy);
  const hasConditions = listOf(rule['when']).length > 0;
  const effect = action === 'ALLOW' ? 'allow' : 'deny';
  const place = [PLACES[action] ?? 0, namespace, index];
  const at = { field: `spec.rules[${index}]`, direction: 'Ingress' } as const;
  const orderOf = (last: number) => ({ phase: 'before', effect, tier: 0, place: [...place, last] }) as const;
  const unknown = [
    ...sources.unknown.map((each) => `${each} of sources`),
    ...(possible.length > certain.length ? ['requests (to.operation)'] : []),
    ...(hasConditions ? ['conditions (when)'] : []),
    ...(action === 'CUSTOM' ? ['an authorizer of its own (CUSTOM)'] : []),
  ];
  const what = unknown.length === 0 ? 'identities of pods that may be in the mesh' : unknown.join(', ');
  const isKnown = !hasConditions && action !== 'CUSTOM';
  const rules: EngineRule[] =
    isKnown && certain.length > 0
      ? [
          {
            ...at,
            order: orderOf(0),
            subject: members(selected, proxy),
            peers: sources.certain,
            ports: certain,
          },
        ]
      : [];
  const maybe = { ...at, order: orderOf(1), peers: sources.possible, ports: possible };
  return possible.length === 0
    ? []
    : [
        {
          certain: rules,
          unclear: [
            { ...maybe, subject: members(selected, proxy), what },
            ...(proxy.of === 'member'
              ? [{ ...maybe, subject: mayBeMembers(selected), what: OF_MEMBERSHIP }]
              : []),
          ],
        },
      ];
}

interface Ports {
  readonly certain: readonly NetworkPolicyPort[];
  /** The ports of `certain`, and of operations that can't be evaluated. */
  readonly possible: readonly NetworkPolicyPort[];
}

function portsOf(to: readonly unknown[], { every, isJudged }: Proxy): Ports {
  if (to.length === 0) return { certain: every, possible: every };
  const all = to.map((each) => {
    const { ports, ...others } = recordOf(recordOf(each)['operation']);
    const isKnown = Object.values(others).every((value) => listOf(value).length === 0);
    const numbers = textsOf(ports).map(Number).filter(isJudged);
    const own =
      textsOf(ports).length === 0 ? every : numbers.map((port) => ({ protocol: 'TCP', port }) as const);
    return { isKnown, own };
  });
  const certain = all.flatMap(({ isKnown, own }) => (isKnown ? own : []));
  return { certain, possible: [...certain, ...all.flatMap(({ isKnown, own }) => (isKnown ? [] : own))] };
}
