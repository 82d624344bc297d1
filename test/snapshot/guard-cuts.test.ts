/** The flows that a guard cuts, against verdicts of single flows: allowed by NetworkPolicies, and not passed by the guard. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Flow, isSamePod, type Pod } from '../../src/analysis/cluster.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import { KIND } from '../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy } from '../../src/api/network-policy.ts';
import { passesFlow } from '../../src/policy/guard/flow.ts';
import { matches } from '../../src/policy/semantics/selector.ts';
import { type GuardCut, cutsOf } from '../../src/snapshot/guard-cuts.ts';
import { guardsOf, type SnapshotGuard } from '../../src/snapshot/guards.ts';
import { ObjectSet } from '../../src/snapshot/objects.ts';
import type { Snapshot } from '../../src/snapshot/snapshot.ts';
import { namespaces, pods, policies } from '../analysis/arbitrary.ts';
import { admittedProfile, manifestsSnapshot } from '../cli/snapshot/fixture.ts';
import { peer } from '../policy/arbitrary.ts';
import { runs } from '../policy/fixture.ts';

const PORTS = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'TCP', port: 85 },
  { protocol: 'TCP', port: 8080 },
  { protocol: 'UDP', port: 53 },
] as const;

const textOf = (from: Pod, to: Pod, { protocol, port }: Pick<Flow, 'protocol' | 'port'>) =>
  `${from.namespace}/${from.name} ${to.namespace}/${to.name} ${protocol} ${port}`;

/** True if the guard denies the flow at one of its ends. */
function isDenied(
  { guard, directions }: SnapshotGuard,
  { from, to, protocol, port }: PodFlow,
  snapshot: Snapshot,
) {
  const labelsOf = ({ namespace }: Pod) => ({
    ...snapshot.namespaces.find(({ name }) => name === namespace)?.labels,
    'kubernetes.io/metadata.name': namespace,
  });
  return DIRECTIONS.some((direction) => {
    const [own, other] = direction === 'Egress' ? [from, to] : [to, from];
    if (!directions.has(direction) || !matches(guard.subject, labelsOf(own))) return false;
    const end = { kind: 'pod', namespaceLabels: labelsOf(other), labels: other.labels } as const;
    return !passesFlow(guard, { direction, other: end, protocol, from: port, to: port });
  });
}

interface PodFlow extends Pick<Flow, 'protocol' | 'port'> {
  readonly from: Pod;
  readonly to: Pod;
}

function flowsOf(all: readonly Pod[]): PodFlow[] {
  const network = all.filter(({ hostNetwork }) => hostNetwork !== true);
  return network.flatMap((from) =>
    network
      .filter((to) => !isSamePod(from, to))
      .flatMap((to) => PORTS.map((port) => ({ from, to, ...port }))),
  );
}

function hasPort({ ports }: GuardCut, { protocol, port }: PodFlow): boolean {
  return ports.some((each) => each.protocol === protocol && each.from <= port && port <= each.to);
}

const allowAll = (namespace: string): NetworkPolicy => ({
  metadata: { namespace, name: 'all' },
  spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] },
});

describe('flows that a guard cuts', () => {
  it('are those that NetworkPolicies allow and the guard does not pass', () => {
    fc.assert(
      fc.property(
        namespaces,
        pods,
        policies(3),
        fc.record({
          names: fc.constantFrom(['alpha'], ['alpha', 'beta']),
          opened: fc.subarray(['alpha', 'beta', 'gamma']),
          from: fc.array(peer, { maxLength: 2 }),
          to: fc.array(peer, { maxLength: 2 }),
        }),
        (places, members, written, { names, opened, from, to }) => {
          const foreign = [...written, ...opened.map(allowAll)];
          const namespaceSelector = {
            matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: names }],
          };
          const objects = new ObjectSet();
          for (const { name, labels } of places) objects.put('Namespace', { metadata: { name, labels } });
          for (const { namespace, name, labels, ips, ports = [], hostNetwork } of members)
            objects.put('Pod', {
              metadata: { namespace, name, labels },
              spec: { containers: [{ ports }], ...(hostNetwork && { hostNetwork }) },
              status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
            } as never);
          for (const each of foreign) objects.put('NetworkPolicy', each);
          const ingress = from.length > 0 && {
            ingress: [{ name: 'in', from, ports: [{ port: 80, endPort: 90 }] }],
          };
          const egress = to.length > 0 && { egress: [{ name: 'out', to }] };
          objects.put(
            KIND,
            admittedProfile({ namespaceSelector, guard: { mode: 'Audit' }, ...ingress, ...egress }),
          );
          const snapshot = manifestsSnapshot(objects);
          const [guard] = guardsOf(snapshot);
          assert.ok(guard);
          const cuts = cutsOf([guard], snapshot).get(guard) ?? [];
          const policiesThen = snapshot.effective(true);
          const evaluator = compileView({ namespaces: snapshot.namespaces, policies: policiesThen });
          for (const each of flowsOf(snapshot.pods)) {
            const ends = {
              from: { kind: 'pod', pod: each.from },
              to: { kind: 'pod', pod: each.to },
            } as const;
            const isAllowed = ([4, 6] as const).some(
              (family) => evaluator.verdict({ ...each, ...ends, family }).allowed,
            );
            const expected: boolean = isAllowed && isDenied(guard, each, snapshot);
            const isCut = cuts.some(
              (one) => one.from.name === each.from.name && one.to.name === each.to.name && hasPort(one, each),
            );
            assert.equal(isCut, expected, textOf(each.from, each.to, each));
          }
        },
      ),
      { numRuns: runs(60) },
    );
  });
});
