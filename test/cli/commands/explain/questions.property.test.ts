/** The answers of `explain` and `check` about whole workloads, compared with the evaluator on all of their pods. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { KubeObject } from '../../../../src/api/meta.ts';
import type { Protocol } from '../../../../src/api/network-policy.ts';
import type { Pod } from '../../../../src/analysis/cluster.ts';
import { compileView } from '../../../../src/analysis/evaluator.ts';
import { type Answer, Questions } from '../../../../src/cli/commands/explain/questions.ts';
import { ObjectSet } from '../../../../src/snapshot/objects.ts';
import type { Snapshot } from '../../../../src/snapshot/snapshot.ts';
import { namespaces, pods, policies } from '../../../analysis/arbitrary.ts';
import { manifestsSnapshot } from '../../snapshot/fixture.ts';
import { runs } from '../../../policy/fixture.ts';

const PORTS = [1, 53, 79, 80, 85, 90, 91, 8080, 9999];
const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** A snapshot in which all pods of a namespace are of one StatefulSet, which has the name of the namespace. */
function snapshotOf(all: readonly Pod[], objects: ObjectSet): Snapshot {
  for (const { namespace, name, labels, ips, ports, hostNetwork, node } of all) {
    const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: namespace, uid: 'u', controller: true };
    objects.put('Pod', {
      metadata: { namespace, name, labels, ownerReferences: [owner] },
      spec: {
        ...(hostNetwork !== undefined && { hostNetwork }),
        ...(node !== undefined && { nodeName: node }),
        containers: [{ name: 'a', ...(ports && { ports }) }],
      },
      status: { phase: 'Running', podIPs: ips.map((ip) => ({ ip })) },
    } as KubeObject);
  }
  return manifestsSnapshot(objects);
}

/** True if an answer is about the port and says that the flow is allowed. */
function isAllowed({ port, explanation }: Answer, number: number, protocol: Protocol): boolean {
  const { to = port.port } = port;
  return explanation.allowed && port.protocol === protocol && port.port <= number && number <= to;
}

describe('the answers of explain about every port of two workloads', () => {
  it('allow exactly the ports that the evaluator allows between any two of their pods', () => {
    fc.assert(
      fc.property(namespaces, pods, policies(4), (namespaces, generated, given) => {
        // Without nodes, as a pod's own node always reaches it.
        const all = generated.map(({ node: _node, ...pod }): Pod => pod);
        const objects = new ObjectSet();
        for (const { name, labels } of namespaces) objects.put('Namespace', { metadata: { name, labels } });
        for (const policy of given) objects.put('NetworkPolicy', policy);
        const snapshot = snapshotOf(all, objects);
        const questions = new Questions(snapshot, given);
        const evaluator = compileView({ namespaces, policies: given });
        const workloads = Map.groupBy(all, ({ namespace }) => namespace);
        for (const [from, sources] of workloads) {
          for (const [to, destinations] of workloads) {
            const pairs = sources.flatMap((a) =>
              destinations.flatMap((b) => (a === b ? [] : [[a, b] as const])),
            );
            if (pairs.length === 0) continue;
            const { answers } = questions.ask(`${from}/sts/${from}`, `${to}/sts/${to}`, undefined, true);
            for (const protocol of PROTOCOLS) {
              for (const port of PORTS) {
                const expected = pairs.some(([a, b]) =>
                  ([4, 6] as const).some(
                    (family) =>
                      evaluator.verdict({
                        from: { kind: 'pod', pod: a },
                        to: { kind: 'pod', pod: b },
                        port,
                        protocol,
                        family,
                      }).allowed,
                  ),
                );
                const actual = answers.some((each) => isAllowed(each, port, protocol));
                assert.equal(actual, expected, `${from} → ${to} ${protocol} ${port}`);
              }
            }
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
