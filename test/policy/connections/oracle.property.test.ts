/** The policies of connections allow exactly the flows of their definition, which the oracle here says over pods. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { Endpoint, Namespace, Pod } from '../../../src/analysis/cluster.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicyPort, type PolicyType } from '../../../src/api/network-policy.ts';
import type { Connection, Peer } from '../../../src/api/profile.ts';
import { compile } from '../../../src/policy/compile.ts';
import { isolates } from '../../../src/policy/semantics/normalize.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { namespaces } from '../../analysis/arbitrary.ts';
import { facts, runs } from '../fixture.ts';
import { ADDRESS, CLUSTER, connected, PLACES, PODS } from './arbitrary.ts';

/** A pod, or the address outside of the cluster. */
type Party = Pod | typeof ADDRESS;
const isPod = (party: Party): party is Pod => party !== ADDRESS;

const isPlaced = ({ ipBlock, entity }: Peer) => ipBlock === undefined && entity === undefined;

/** True if `party` is the end, when the other end of the flow is `other`, which is there as `otherEnd`. */
function isEnd(
  end: Peer,
  party: Party,
  [other, otherEnd]: readonly [Party, Peer],
  at: ReadonlyMap<string, Namespace>,
): boolean {
  if (end.entity === 'Any') return true;
  if (!isPod(party))
    return end.ipBlock !== undefined || (end.service?.namespace === 'gamma' && end.service.name === 'bare');
  const labels = at.get(party.namespace)!.labels;
  if (end.entity === 'Monitoring') return labels.app === 'blue';
  if (end.ipBlock !== undefined || end.service?.name === 'bare') return false;
  if (end.service !== undefined) return party.namespace === 'beta' && party.labels.app === 'red';
  if (end.serviceAccount !== undefined)
    return party.namespace === 'alpha' && party.labels[LABEL_SERVICE_ACCOUNT] === 'runner';
  const { podSelector = {} } = end;
  if (!matches(podSelector, party.labels)) return false;
  if (end.namespaces !== undefined) return end.namespaces.includes(party.namespace);
  if (end.namespaceSelector !== undefined) return matches(end.namespaceSelector, labels);
  if (!isPlaced(otherEnd)) return true;
  // The addresses of a Service without selector are in its namespace, which relates to no other one.
  if (!isPod(other)) return party.namespace === 'gamma';
  if (party.namespace === other.namespace) return true;
  const otherLabels = at.get(other.namespace)!.labels;
  return (end.sameNamespaceLabels ?? []).length > 0
    ? end.sameNamespaceLabels!.every((key) => labels[key] !== undefined && labels[key] === otherLabels[key])
    : false;
}

function isPort(ports: readonly NetworkPolicyPort[], port: number, destination: Party): boolean {
  return ports.some(({ protocol = 'TCP', port: wanted, endPort }) => {
    if (protocol !== 'TCP') return false;
    if (typeof wanted !== 'string')
      return wanted === undefined || (wanted <= port && port <= (endPort ?? wanted));
    return (
      isPod(destination) &&
      (destination.ports ?? []).some((each) => each.name === wanted && each.containerPort === port)
    );
  });
}

/** The ports of a connection, or else those that the end of `to` serves. */
function portsOf({ ports = [] }: Connection, to: Peer): readonly NetworkPolicyPort[] {
  if (ports.length > 0) return ports;
  if (to.service?.name === 'bare') return [{ port: 80 }];
  if (to.service !== undefined) return [{ port: 80 }, { port: 'http' }];
  return [{}];
}

/** The definition: who is there as an end of `from`, may reach who is there as an end of `to`. */
function allows(
  connection: Connection,
  direction: PolicyType,
  [source, destination, port]: readonly [Party, Party, number],
  at: ReadonlyMap<string, Namespace>,
): boolean {
  return connection.from.some((from) =>
    connection.to.some(
      (to) =>
        // Whoever is there as an address or an entity gets no rule.
        isPlaced(direction === 'Ingress' ? to : from) &&
        isEnd(from, source, [destination, to], at) &&
        isEnd(to, destination, [source, from], at) &&
        isPort(portsOf(connection, to), port, destination),
    ),
  );
}

const endpoint = (party: Party): Endpoint =>
  isPod(party) ? { kind: 'pod', pod: party } : { kind: 'external', ip: party };

describe('connections', () => {
  it('allow at each end exactly the flows of their definition, in every generated cluster', () => {
    let allowed = 0;
    let denied = 0;
    fc.assert(
      fc.property(
        connected,
        namespaces,
        fc.subarray([...PLACES], { minLength: 1 }),
        (made, all, selected) => {
          const at = new Map(all.map((each) => [each.name, each]));
          const policies = all
            .filter(({ name }) => selected.includes(name as (typeof PLACES)[number]))
            .flatMap((namespace) => compile(made, namespace, facts(CLUSTER)).policies);
          const evaluator = compileView({ namespaces: all, policies });
          const { connections = [], isolation } = made.spec;
          for (const direction of isolation) {
            for (const pod of PODS) {
              if (!selected.includes(pod.namespace as (typeof PLACES)[number])) continue;
              for (const other of [...PODS.filter((each) => each !== pod), ADDRESS] as Party[]) {
                for (const port of [80, 8080]) {
                  const [source, destination] = direction === 'Ingress' ? [other, pod] : [pod, other];
                  const expected = connections.some((each) =>
                    allows(each, direction, [source, destination, port], at),
                  );
                  const actual = evaluator.allows(direction, pod, endpoint(other), {
                    port,
                    protocol: 'TCP',
                    family: 4,
                  });
                  assert.equal(
                    actual,
                    expected,
                    `${direction} of ${pod.namespace}/${pod.name}, ${isPod(other) ? `${other.namespace}/${other.name}` : other}, ${port}`,
                  );
                  if (actual) allowed += 1;
                  else denied += 1;
                }
              }
            }
          }
        },
      ),
      { numRuns: runs(600) },
    );
    assert.ok(allowed > runs(5000) && denied > runs(5000), `${allowed} allowed, ${denied} denied`);
  });

  it('write no policy that can select nothing by its namespace, and none without rules', () => {
    fc.assert(
      fc.property(connected, namespaces, (made, all) => {
        const at = new Map(all.map((each) => [each.name, each]));
        for (const namespace of all) {
          const { policies, connections: used } = compile(made, namespace, facts(CLUSTER));
          const [, ...rest] = policies;
          for (const { metadata, spec } of rest) {
            const [direction] = isolates(spec);
            assert.ok((direction === 'Ingress' ? spec.ingress : spec.egress)?.length);
            assert.ok(metadata.name.length <= 63);
            const name = metadata.labels?.['segmentation.dev/rule'];
            assert.ok(name === undefined || used.includes(name));
          }
          assert.equal(new Set(policies.map(({ metadata }) => metadata.name)).size, policies.length);
          // A connection of which a pod here can be an end is used here.
          for (const connection of made.spec.connections ?? []) {
            const reaches = DIRECTIONS.some((direction) =>
              PODS.filter((pod) => pod.namespace === namespace.name).some((pod) =>
                ([...PODS, ADDRESS] as Party[]).some((other) =>
                  [80, 8080].some((port) => {
                    const [source, destination] = direction === 'Ingress' ? [other, pod] : [pod, other];
                    return pod !== other && allows(connection, direction, [source, destination, port], at);
                  }),
                ),
              ),
            );
            if (reaches) assert.ok(used.includes(connection.name), connection.name);
          }
        }
      }),
      { numRuns: runs(200) },
    );
  });
});
