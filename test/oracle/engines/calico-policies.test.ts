/**
 * The flows that foreign policies open and cut under a profile, by the audit and by Calico's own calculation of policies:
 * foreign NetworkPolicies, Calico's NetworkPolicies and GlobalNetworkPolicies of every order, and network sets. Tiers are
 * judged by tables alone: the version of Calico that is a Go module has only the tier `default`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import type { KubeObject } from '../../../src/api/meta.ts';
import { policy } from '../../audit/world.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import {
  assertSameFlows,
  assertSameVerdicts,
  baseOf,
  type Cluster,
  few,
  FLOWS,
  flowText,
  foundIn,
  isolation,
  named,
  names,
  NAMESPACES,
  one,
  optional,
  outsideFlows,
  placed,
  PODS,
  wire,
} from './foreign-flows.ts';
import { cases, SEED } from './scale.ts';

const CLUSTERS = cases(40);
const API_VERSION = 'projectcalico.org/v3';

const CALICO = {
  name: 'calico-policies',
  module: 'calico-policies',
  package: '.',
  title: "Calico's calculation of policies",
  usualTime: 'it takes about two minutes on 2 cores',
};

/** The address of a partner, of a GlobalNetworkSet; one of a NetworkSet; and one of neither. */
const ADDRESSES = ['203.0.113.9', '198.51.100.7', '192.0.2.1'];
const OUTSIDE = outsideFlows(ADDRESSES);
const ACCOUNTS = NAMESPACES.flatMap(({ name }) =>
  ['web', 'db'].map((app) => ({
    namespace: name,
    name: `sa-${app}`,
    labels: { role: app === 'web' ? 'front' : 'store' },
  })),
);
const SETS: readonly KubeObject[] = [
  {
    apiVersion: API_VERSION,
    kind: 'GlobalNetworkSet',
    metadata: { name: 'partners', labels: { kind: 'partner' } },
    spec: { nets: ['203.0.113.0/24'] },
  } as KubeObject,
  {
    apiVersion: API_VERSION,
    kind: 'NetworkSet',
    metadata: { namespace: 'a', name: 'near', labels: { kind: 'partner' } },
    spec: { nets: ['198.51.100.7'] },
  } as KubeObject,
];

const selector = one(
  "app == 'web'",
  "app != 'web'",
  'all()',
  "has(app) && !(app == 'db')",
  "projectcalico.org/namespace == 'a'",
  "projectcalico.org/serviceaccount == 'sa-db'",
  "kind == 'partner'",
);
const namespaceSelector = one(
  "team == 'x'",
  "team != 'x'",
  'all()',
  'global()',
  "projectcalico.org/name in {'a', 'b'}",
);
const accountSelector = one("role == 'front'", "projectcalico.org/name == 'sa-db'", 'all()');
/** `notSelector` alone is compared with nothing: in a policy of the cluster it means every other address. */
const selectors = fc.oneof(
  fc.record({ selector: optional(selector) }),
  fc.record({ selector, notSelector: fc.constant("app == 'db'") }),
);
const end = wire(
  fc.oneof(
    fc
      .record({
        chosen: selectors,
        namespaceSelector: optional(namespaceSelector),
        serviceAccounts: optional(
          fc.oneof(
            fc.constant({ names: ['sa-web'] }),
            accountSelector.map((each) => ({ selector: each })),
          ),
        ),
      })
      .map(({ chosen, ...rest }) => ({ ...chosen, ...rest })),
    one<object>(
      {},
      { nets: ['203.0.113.0/24'] },
      { nets: ['0.0.0.0/0'] },
      { nets: ['0.0.0.0/0'], notNets: ['203.0.113.0/24'] },
      { notNets: ['203.0.113.0/24', PODS[1]?.ips[0] ?? ''] },
      { nets: [PODS[0]?.ips[0] ?? '', '198.51.100.0/24'] },
    ),
  ),
);
const ports = one<object>(
  { ports: [80] },
  { ports: ['80:89', 90] },
  { ports: ['main'] },
  { ports: ['80:90'], notPorts: [80] },
  { notPorts: ['81:90'] },
);
const rule = wire(
  fc
    .tuple(
      one('Allow', 'Allow', 'Deny', 'Deny', 'Pass', 'Log'),
      end,
      optional(fc.tuple(one<string | number>('TCP', 'UDP', 6), optional(ports))),
      optional(one("app == 'web'", "app == 'db'")),
    )
    .map(([action, other, traffic, own]) => ({ action, other, traffic, own })),
);
type GeneratedRule = typeof rule extends fc.Arbitrary<infer T> ? T : never;

/** The rule as Calico has it: ports are those of the destination, whichever end that is. */
function written({ action, other, traffic, own }: GeneratedRule, direction: 'ingress' | 'egress'): object {
  const [protocol, onPorts] = traffic ?? [];
  const ownEnd = own === undefined ? {} : { selector: own };
  const [source, destination] = direction === 'ingress' ? [other, ownEnd] : [ownEnd, other];
  return {
    action,
    ...(protocol !== undefined && { protocol }),
    source,
    destination: { ...destination, ...onPorts },
  };
}

const calico = fc.record({
  where: fc.oneof(names, fc.constant('')),
  // A name before and one behind those of NetworkPolicies, which are sorted among them.
  name: one('allow', 'zone'),
  order: optional(one(10, 10, 500, 1000, 1000, 2000)),
  selector: optional(selector),
  namespaceSelector: optional(namespaceSelector),
  serviceAccountSelector: optional(accountSelector),
  ingress: optional(few(rule)),
  egress: optional(few(rule)),
});
type GeneratedPolicy = typeof calico extends fc.Arbitrary<infer T> ? T : never;

function calicoPolicy({ where, name, ingress, egress, ...spec }: GeneratedPolicy, index: number): KubeObject {
  const { namespaceSelector: places, ...own } = spec;
  const types = [...(ingress === undefined ? [] : ['Ingress']), ...(egress === undefined ? [] : ['Egress'])];
  return JSON.parse(
    JSON.stringify({
      apiVersion: API_VERSION,
      kind: where === '' ? 'GlobalNetworkPolicy' : 'NetworkPolicy',
      metadata: { name: `${name}-${index}`, ...(where !== '' && { namespace: where }) },
      spec: {
        ...own,
        ...(where === '' && places !== undefined && { namespaceSelector: places }),
        types: types.length === 0 ? ['Ingress'] : types,
        ingress: ingress?.map((each) => written(each, 'ingress')),
        egress: egress?.map((each) => written(each, 'egress')),
      },
    }),
  ) as KubeObject;
}

const clusters = fc.record({
  base: fc.array(placed, { minLength: 10, maxLength: 16 }),
  foreign: fc.array(placed, { maxLength: 3 }),
  calico: fc.array(calico, { minLength: 1, maxLength: 3 }),
  isolation,
});
type Generated = typeof clusters extends fc.Arbitrary<infer T> ? T : never;

function clusterOf({ base, foreign, calico: made, isolation: isolated }: Generated): Cluster {
  return {
    base: baseOf(base, isolated),
    foreign: foreign.map(([where, spec], index) => policy(`${where}/foreign-${index}`, spec)),
    objects: [...made.map(calicoPolicy), ...SETS],
    isolation: isolated,
  };
}

/** The objects as the audit names their kinds. */
const audited = (cluster: Cluster): Cluster => ({
  ...cluster,
  objects: [
    ...cluster.objects.map((each) =>
      each.kind === 'NetworkPolicy' ? { ...each, kind: 'CalicoNetworkPolicy' } : each,
    ),
    ...ACCOUNTS.map((metadata) => ({ kind: 'ServiceAccount', metadata })),
  ],
});

const ENGINE = { podsInIPBlocks: true, agents: [] };

/** The judge's input: a cluster, with `policies` of every kind. */
function questionOf(policies: readonly object[]): string {
  return JSON.stringify({
    namespaces: NAMESPACES.map(({ name, labels }) => ({
      name,
      labels: { ...labels, 'kubernetes.io/metadata.name': name },
    })),
    accounts: ACCOUNTS,
    pods: PODS.map(({ namespace, name, labels, serviceAccount, ips, ports: own = [] }) => ({
      namespace,
      name,
      labels,
      serviceAccount,
      ip: ips[0],
      ports: own,
    })),
    policies,
    flows: [...FLOWS, ...OUTSIDE],
  });
}

(goIsThere ? describe : describe.skip)(
  `flows that foreign policies open and cut on Calico${skippedWithoutGo}`,
  () => {
    let judge: string;

    before(async function () {
      this.timeout('30m');
      judge = await goTool(CALICO);
    });

    it(`are those of Calico's own calculation, as are all verdicts, on ${CLUSTERS} clusters (seed ${SEED})`, function () {
      this.timeout('10m');
      const all = fc.sample(clusters, { numRuns: CLUSTERS, seed: SEED }).map(clusterOf);
      const input = all.flatMap(({ base, foreign, objects }) => [
        questionOf(base.map(named('NetworkPolicy'))),
        questionOf([...[...base, ...foreign].map(named('NetworkPolicy')), ...objects]),
      ]);
      const { status, stdout, stderr } = spawnSync(judge, {
        input: input.join('\n'),
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
      });
      assert.equal(status, 0, stderr);
      const answers = stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { verdicts: boolean[] }).verdicts);
      const counts = { opened: 0, cut: 0, outside: 0 };
      for (const [index, cluster] of all.entries()) {
        const [before = [], after = []] = [answers[index * 2], answers[index * 2 + 1]];
        const options = { title: `cluster ${index}`, engine: ENGINE };
        assertSameVerdicts(audited(cluster), [...FLOWS, ...OUTSIDE], after, options);
        const { opened, cut } = assertSameFlows(audited(cluster), { before, after }, options);
        counts.opened += opened;
        counts.cut += cut;
        // Blocks of addresses are coarser than single ones: no flow that is opened may be missing.
        const wide = foundIn(audited(cluster), OUTSIDE, ENGINE).opened;
        const isOpened = (at: number) => before[at] === false && after[at] === true;
        const outside = OUTSIDE.filter((_, at) => isOpened(FLOWS.length + at)).map(flowText);
        counts.outside += outside.length;
        const missing = outside.filter((text) => !wide.has(text));
        assert.deepEqual(missing, [], `addresses in cluster ${index}: ${JSON.stringify(cluster)}`);
      }
      assert.ok(counts.opened > 100 && counts.cut > 10 && counts.outside > 20, JSON.stringify(counts));
    });
  },
);
