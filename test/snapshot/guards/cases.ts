/** Generated clusters with a profile that has a guard, policies of other kinds, and verdicts on single flows there. */
import fc from 'fast-check';
import { type Flow, isSamePod, type Pod } from '../../../src/analysis/cluster.ts';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { LayerVerdict } from '../../../src/analysis/layers/decision.ts';
import { LayeredEvaluator } from '../../../src/analysis/layers/layered-evaluator.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import { KIND } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { GuardedLink } from '../../../src/snapshot/guards/changes.ts';
import type { SnapshotLayers } from '../../../src/snapshot/layers.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import type { Snapshot } from '../../../src/snapshot/snapshot.ts';
import { labels, namespaces, pods, policies } from '../../analysis/arbitrary.ts';
import { admittedProfile, manifestsSnapshot } from '../../cli/snapshot/fixture.ts';
import { peer } from '../../policy/arbitrary.ts';

const PORTS = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 85 },
  { protocol: 'TCP', port: 8080 },
  { protocol: 'UDP', port: 53 },
] as const;

export const textOf = (from: Pod, to: Pod, { protocol, port }: Pick<Flow, 'protocol' | 'port'>) =>
  `${from.namespace}/${from.name} ${to.namespace}/${to.name} ${protocol} ${port}`;

export interface PodFlow extends Pick<Flow, 'protocol' | 'port'> {
  readonly from: Pod;
  readonly to: Pod;
}

export function flowsOf(all: readonly Pod[]): PodFlow[] {
  const network = all.filter(({ hostNetwork }) => hostNetwork !== true);
  return network.flatMap((from) =>
    network
      .filter((to) => !isSamePod(from, to))
      .flatMap((to) => PORTS.map((port) => ({ from, to, ...port }))),
  );
}

function hasPort({ ports }: GuardedLink, { protocol, port }: PodFlow): boolean {
  return ports.some((each) => each.protocol === protocol && each.from <= port && port <= each.to);
}

const allowAll = (namespace: string): NetworkPolicy => ({
  metadata: { namespace, name: 'all' },
  spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] },
});

/** Adds to NetworkPolicies what the pods with these labels may reach; with names of hosts nobody knows if anything. */
const cilium = fc
  .record({ own: labels, other: labels, port: fc.constantFrom('80', '8080'), byRequest: fc.boolean() })
  .map(({ own, other, port, byRequest }) => ({
    kind: 'CiliumClusterwideNetworkPolicy',
    spec: {
      endpointSelector: { matchLabels: own },
      enableDefaultDeny: { ingress: false, egress: false },
      ...Object.fromEntries(
        [
          ['ingress', 'fromEndpoints'],
          ['egress', 'toEndpoints'],
        ].map(([direction, field]) => [
          direction,
          [
            {
              [String(field)]: [{ matchLabels: other }],
              toPorts: [
                {
                  ports: [{ port, protocol: 'TCP' }],
                  ...(byRequest && { rules: { http: [{ method: 'GET' }] } }),
                },
              ],
            },
          ],
        ]),
      ),
    },
  }));

/** Decides before the guard, whose priority is 500, together with it, or after it. */
export const admin = fc
  .record({
    name: fc.constantFrom('alpha', 'beta', 'gamma'),
    action: fc.constantFrom('Allow', 'Deny', 'Pass'),
    priority: fc.constantFrom(10, 500, 900),
  })
  .map(({ name, action, priority }) => ({
    kind: 'AdminNetworkPolicy',
    spec: {
      priority,
      subject: { namespaces: { matchLabels: { 'kubernetes.io/metadata.name': name } } },
      ingress: [{ action, from: [{ namespaces: {} }] }],
    },
  }));

export const cases = fc.record({
  places: namespaces,
  members: pods,
  written: policies(3),
  names: fc.constantFrom(['alpha'], ['alpha', 'beta']),
  opened: fc.subarray(['alpha', 'beta', 'gamma']),
  from: fc.array(peer, { maxLength: 2 }),
  to: fc.array(peer, { maxLength: 2 }),
  others: fc.array(fc.oneof(cilium, admin), { maxLength: 2 }),
});
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

export function snapshotOf({ places, members, written, names, opened, from, to, others }: Case): Snapshot {
  const objects = new ObjectSet();
  for (const { name, labels: own } of places) objects.put('Namespace', { metadata: { name, labels: own } });
  for (const { namespace, name, labels: own, ips, ports = [], hostNetwork } of members)
    objects.put('Pod', {
      metadata: { namespace, name, labels: own },
      spec: { containers: [{ ports }], ...(hostNetwork && { hostNetwork }) },
      status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
    } as never);
  for (const each of [...written, ...opened.map(allowAll)]) objects.put('NetworkPolicy', each);
  for (const [index, { kind, spec }] of others.entries())
    objects.put(kind, { kind, metadata: { name: `other-${index}` }, spec } as KubeObject);
  const namespaceSelector = {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: names }],
  };
  const ingress = from.length > 0 && { ingress: [{ name: 'in', from, ports: [{ port: 80, endPort: 90 }] }] };
  const egress = to.length > 0 && { egress: [{ name: 'out', to }] };
  objects.put(KIND, admittedProfile({ namespaceSelector, guard: { mode: 'Audit' }, ...ingress, ...egress }));
  return manifestsSnapshot(objects);
}

/** The verdict on a flow in the family of addresses in which most is allowed. */
export function verdictsOf(
  snapshot: Snapshot,
  layers: SnapshotLayers | undefined,
  networkPolicies = snapshot.effective(true),
) {
  const base = compileView({ namespaces: snapshot.namespaces, policies: networkPolicies });
  const layered = layers && new LayeredEvaluator(snapshot.namespaces, layers);
  return (flow: PodFlow): LayerVerdict => {
    const verdicts = ([4, 6] as const).map((family) => {
      const ends = { from: { kind: 'pod', pod: flow.from }, to: { kind: 'pod', pod: flow.to } } as const;
      const whole: Flow = { ...flow, ...ends, family };
      const { allowed } = base.verdict(whole);
      return layered?.decide(whole, (each) => base.verdict(each)).verdict ?? (allowed ? 'allowed' : 'denied');
    });
    return (['allowed', 'unknown'] as const).find((each) => verdicts.includes(each)) ?? 'denied';
  };
}

/** True if a list has the flow. */
export function isListed(list: readonly GuardedLink[], flow: PodFlow): boolean {
  return list.some(
    (each) => each.from.name === flow.from.name && each.to.name === flow.to.name && hasPort(each, flow),
  );
}
