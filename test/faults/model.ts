/** The operator's inputs, random profiles by seed, and the policies that each combination of inputs asks for. Pure. */
import type { StringMap } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { CLUSTER_DEFAULTS } from '../../src/options/cluster-defaults.ts';
import { compile } from '../../src/policy/compile.ts';
import { NO_ENGINE } from '../../src/policy/extensions.ts';
import { NO_MESH } from '../../src/policy/mesh.ts';
import type { ClusterFacts, ServiceFacts } from '../../src/policy/facts.ts';
import { matches } from '../../src/policy/semantics/selector.ts';

/** Returns random whole numbers below `bound`. A seed always gives the same sequence (mulberry32). */
export type Dice = (bound: number) => number;

export function dice(seed: number): Dice {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

export function pick<T>(roll: Dice, items: readonly T[]): T {
  return items[roll(items.length)] as T;
}

/** A value of each input. An undefined profile does not exist. */
export interface Inputs {
  readonly p: SegmentationProfile | undefined;
  readonly q: SegmentationProfile | undefined;
  readonly service: ServiceFacts;
  /** By namespace. */
  readonly labels: ReadonlyMap<string, StringMap>;
}

/** The desired policies of a namespace. */
export function desiredPolicies(namespace: string, inputs: Inputs, backend: string): NetworkPolicy[] {
  return [inputs.p, inputs.q].flatMap((profile) =>
    profile?.spec.mode === 'Audit' ? [] : compiledPolicies(namespace, profile, inputs, backend),
  );
}

/** The compiled policies of a profile for a namespace, also in Audit. None if the profile does not select it. */
export function compiledPolicies(
  namespace: string,
  profile: SegmentationProfile | undefined,
  { service, labels }: Inputs,
  backend: string,
): readonly NetworkPolicy[] {
  const own = labels.get(namespace) ?? {};
  if (profile === undefined || !matches(profile.spec.namespaceSelector, own)) return [];
  const facts: ClusterFacts = {
    configuration: CLUSTER_DEFAULTS,
    isKnown: () => true,
    service: (of, name) => (of === backend && name === 'api' ? service : undefined),
    labelledDNS: () => undefined,
    endpoints: () => [],
    nodes: () => [],
    serviceCIDRs: () => [],
    webhookServices: () => [],
    serviceAccount: () => undefined,
    engine: () => NO_ENGINE,
    mesh: () => NO_MESH,
  };
  return compile(profile, { name: namespace, labels: own }, facts).policies;
}

/**
 * Every combination of the values that the inputs of `namespace` had in a round. The operator watches each kind by itself,
 * so it may have acted on any combination.
 */
export function combinations(namespace: string, values: readonly Inputs[]): Inputs[] {
  const distinct = <T>(of: (inputs: Inputs) => T) => [...new Set(values.map(of))];
  const combined: Inputs[] = [];
  for (const p of distinct((each) => each.p))
    for (const q of distinct((each) => each.q))
      for (const service of distinct((each) => each.service))
        for (const labels of distinct((each) => each.labels.get(namespace)))
          combined.push({ p, q, service, labels: new Map([[namespace, labels ?? {}]]) });
  return combined;
}

/** A random spec of a profile that selects the namespaces with the labels `selected`. All fields are set. */
export function randomSpec(
  roll: Dice,
  selected: StringMap,
  namespaces: readonly string[],
  withService?: string,
): object {
  const isolation = pick(roll, [['Ingress', 'Egress'], ['Ingress', 'Egress'], ['Ingress'], ['Egress']]);
  const maybe = () => pick(roll, ['Allow', 'Deny']);
  const rules = (direction: 'from' | 'to') =>
    ['r1', 'r2', 'r3'].slice(0, roll(4)).map((name) => ({
      name,
      ...pick(roll, [
        {},
        { podSelector: { matchLabels: { app: 'a' } } },
        { podSelector: { matchLabels: { tier: 'x' } } },
      ]),
      [direction]: Array.from({ length: 1 + roll(2) }, () => randomPeer(roll, namespaces)),
      ...pick(roll, [
        {},
        { ports: [{ port: 8080 }] },
        { ports: [{ port: 9090 }] },
        { ports: [{ port: 'http' }] },
      ]),
    }));
  const service = { name: 'to-api', to: [{ service: { namespace: withService, name: 'api' } }] };
  return {
    mode: roll(8) === 0 ? 'Audit' : 'Enforce',
    namespaceSelector: { matchLabels: selected },
    isolation,
    baseline: { dns: maybe(), sameNamespace: maybe(), admissionWebhooks: 'Deny' },
    ingress: isolation.includes('Ingress') ? rules('from') : [],
    egress: isolation.includes('Egress')
      ? [...rules('to'), ...(withService === undefined ? [] : [service])]
      : [],
  };
}

function randomPeer(roll: Dice, namespaces: readonly string[]): object {
  return pick(roll, [
    { namespaces: [pick(roll, namespaces)] },
    { sameNamespaceLabels: ['example.com/tenant'] },
    { podSelector: { matchLabels: { app: pick(roll, ['a', 'b']) } } },
    {
      namespaceSelector: { matchLabels: { 'example.com/tenant': pick(roll, ['red', 'blue']) } },
      podSelector: { matchLabels: { app: 'a' } },
    },
    { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
    { ipBlock: { cidr: '203.0.113.128/25' } },
    { entity: 'Any' },
  ]);
}

export function serviceFacts(app: string, targetPort: number): ServiceFacts {
  return {
    type: 'ClusterIP',
    selector: { app },
    ports: [{ protocol: 'TCP', port: 80, targetPort }],
    clusterIPs: [],
  };
}
