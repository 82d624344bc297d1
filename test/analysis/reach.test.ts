/** The reach of a view, compared with the evaluator's verdicts on its pods. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import type { Protocol } from '../../src/api/network-policy.ts';
import type { ClusterView, Endpoint, Pod } from '../../src/analysis/cluster.ts';
import { compileView } from '../../src/analysis/evaluator.ts';
import { formatPorts } from '../../src/analysis/model/ports.ts';
import type { GroupName } from '../../src/analysis/group.ts';
import {
  type GroupLink,
  type Reach,
  computeReach,
  TooManyLinksError,
} from '../../src/analysis/reach/reach.ts';
import { namespaces, pods, policies } from './arbitrary.ts';
import { runs } from '../policy/fixture.ts';

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const PORTS = [1, 52, 53, 54, 79, 80, 85, 90, 91, 8080, 8081, 65_535];

const workload = (pod: Pod): GroupName => ({
  namespace: pod.namespace,
  kind: 'Deployment',
  name: pod.labels['app'] ?? 'none',
});

/** A reach leaves out traffic of a pod with its own node, so the pods here have no nodes. */
const withoutNodes = (view: ClusterView): ClusterView => ({
  ...view,
  pods: view.pods.map(({ node: _node, ...pod }) => pod),
});

const has = (link: GroupLink | undefined, port: number, protocol: Protocol) =>
  link?.ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to) ?? false;

function linkOf({ groups, links }: Reach, from: GroupName, to: GroupName): GroupLink | undefined {
  const index = (name: GroupName) =>
    groups.findIndex(
      (group) => group.namespace === name.namespace && group.kind === name.kind && group.name === name.name,
    );
  return links.find((link) => link.from === index(from) && link.to === index(to));
}

describe('computeReach', () => {
  const open = (count: number): ClusterView => ({
    namespaces: [],
    policies: [],
    pods: Array.from({ length: count }, (_, index) => {
      return { namespace: `n${index % 2}`, name: `p${index}`, labels: { app: `a${index}` }, ips: [] };
    }),
  });

  it('has only links with an end in the namespaces that it is limited to', () => {
    const { groups, links } = computeReach(open(6), { groupOf: workload, within: new Set(['n1']) });
    const ends = links.map(({ from, to }) => [groups[from]?.namespace, groups[to]?.namespace]);
    assert.ok(ends.some(([from, to]) => from === 'n0' && to === 'n1'));
    assert.ok(!ends.some(([from, to]) => from === 'n0' && to === 'n0'));
  });

  it('gives up beyond the links that its caller can hold', () => {
    assert.equal(computeReach(open(10), { groupOf: workload, maxLinks: 110 }).links.length, 110);
    assert.throws(() => computeReach(open(11), { groupOf: workload, maxLinks: 100 }), TooManyLinksError);
  });

  it('gives each pair of groups the ports that any of their pods may use, and marks differences as partial', () => {
    const view = fc.record({ namespaces, pods, policies: policies(5) }).map(withoutNodes);
    fc.assert(
      fc.property(view, (view) => {
        const result = computeReach(view, { groupOf: workload });
        const evaluator = compileView(view);
        const groups = Map.groupBy(view.pods, (pod) => JSON.stringify(workload(pod)));
        for (const [source, froms] of groups) {
          for (const [destination, tos] of groups) {
            const pairs = froms.flatMap((from) => tos.flatMap((to) => (from === to ? [] : [{ from, to }])));
            const link = linkOf(result, JSON.parse(source), JSON.parse(destination));
            if (pairs.length === 0) {
              assert.equal(link, undefined);
              continue;
            }
            let mixed = false;
            for (const protocol of PROTOCOLS) {
              for (const port of PORTS) {
                const answers = pairs.map(({ from, to }) =>
                  ([4, 6] as const).some(
                    (family) =>
                      evaluator.verdict({
                        from: { kind: 'pod', pod: from },
                        to: { kind: 'pod', pod: to },
                        port,
                        protocol,
                        family,
                      }).allowed,
                  ),
                );
                assert.equal(has(link, port, protocol), answers.includes(true), `${protocol} ${port}`);
                mixed ||= new Set(answers).size > 1;
              }
            }
            if (mixed) assert.equal(link?.partial, true);
          }
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it('lists a port of an address block only if every address of the block is allowed on it', () => {
    const outside: Readonly<Record<string, readonly string[]>> = {
      'any address': ['203.0.113.1', '2001:db9::1'],
      '198.51.100.0/24': ['198.51.100.7', '198.51.100.200'],
      '2001:db8::/32': ['2001:db8::7', '2001:db8:1::1'],
      '0.0.0.0/0 except 10.0.0.0/8': ['203.0.113.1', '198.51.100.7'],
    };
    const view = fc.record({ namespaces, pods, policies: policies(5) }).map(withoutNodes);
    fc.assert(
      fc.property(view, (view) => {
        const result = computeReach(view, { groupOf: workload });
        const evaluator = compileView(view);
        for (const { kind, name } of result.groups) {
          if (kind !== 'Addresses') continue;
          for (const ip of outside[name] ?? []) {
            for (const pod of view.pods) {
              const inside: Endpoint = { kind: 'pod', pod };
              const address: Endpoint = { kind: 'external', ip };
              for (const [from, to, link] of [
                [inside, address, linkOf(result, workload(pod), { kind, name })],
                [address, inside, linkOf(result, { kind, name }, workload(pod))],
              ] as const) {
                for (const port of PORTS) {
                  const listed = has(link, port, 'TCP') && link?.partial === false;
                  const { allowed } = evaluator.verdict({ from, to, port, protocol: 'TCP' });
                  // A smaller block may be open on a port on which the larger one is not, but never the reverse.
                  if (listed) assert.ok(allowed, `${name} ${ip} ${port}`);
                }
              }
            }
          }
        }
      }),
      { numRuns: runs(300) },
    );
  });

  it('lists the policies that select each group, and the groups that each rule allows', () => {
    const pod = (namespace: string, app: string, name = app): Pod => ({
      namespace,
      name,
      labels: { app },
      ips: [],
    });
    const result = computeReach(
      {
        namespaces: [
          { name: 'a', labels: { team: 'x' } },
          { name: 'b', labels: {} },
        ],
        pods: [pod('a', 'web'), pod('a', 'web', 'web-2'), pod('b', 'db'), pod('b', 'cron')],
        policies: [
          { metadata: { namespace: 'b', name: 'deny' }, spec: { podSelector: {}, policyTypes: ['Ingress'] } },
          {
            metadata: { namespace: 'b', name: 'db' },
            spec: {
              podSelector: { matchLabels: { app: 'db' } },
              policyTypes: ['Ingress'],
              ingress: [
                {
                  from: [
                    { namespaceSelector: { matchLabels: { team: 'x' } } },
                    { ipBlock: { cidr: '10.9.0.0/16' } },
                  ],
                  ports: [{ port: 5432 }],
                },
              ],
            },
          },
        ],
      },
      { groupOf: workload },
    );
    const text = ({ namespace, name }: GroupName) =>
      namespace === undefined ? name : `${namespace}/${name}`;
    assert.deepEqual(result.groups.map(text), ['a/web', 'b/cron', 'b/db', 'any address', '10.9.0.0/16']);
    assert.deepEqual(
      result.policies.map(({ policy, Ingress }) => [policy.metadata.name, Ingress]),
      [
        ['db', [{ peers: [0, 4], ports: 'TCP 5432' }]],
        ['deny', []],
      ],
    );
    assert.deepEqual(result.groups[2]?.selectedBy, { Ingress: [0, 1], Egress: [] });
    assert.deepEqual(result.groups[2]?.isolated, { Ingress: 1, Egress: 0 });
    const links = result.links.map(({ from, to, ports }) => {
      const [source, destination] = [result.groups[from], result.groups[to]];
      return `${source && text(source)} > ${destination && text(destination)}: ${formatPorts(ports)}`;
    });
    assert.deepEqual(links, [
      'a/web > a/web: all ports',
      'a/web > b/db: TCP 5432',
      'a/web > any address: all ports',
      'a/web > 10.9.0.0/16: all ports',
      'b/cron > a/web: all ports',
      'b/cron > any address: all ports',
      'b/cron > 10.9.0.0/16: all ports',
      'b/db > a/web: all ports',
      'b/db > any address: all ports',
      'b/db > 10.9.0.0/16: all ports',
      'any address > a/web: all ports',
      '10.9.0.0/16 > a/web: all ports',
      '10.9.0.0/16 > b/db: TCP 5432',
    ]);
  });

  it('links a workload to itself if its template stands for several pods, and not if it is a single pod', () => {
    const pods: Pod[] = [{ namespace: 'a', name: 'web', labels: {}, ips: [] }];
    const view = { namespaces: [], policies: [], pods };
    const own = ({ links }: Reach) => links.filter(({ from, to }) => from === 0 && to === 0).length;
    assert.equal(own(computeReach(view, { groupOf: workload })), 0);
    assert.equal(own(computeReach(view, { groupOf: workload, isTemplate: () => true })), 1);
  });
});
