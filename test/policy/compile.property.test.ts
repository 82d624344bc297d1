import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileView } from '../../src/analysis/evaluator.ts';
import type { Pod } from '../../src/analysis/cluster.ts';
import {
  DIRECTIONS,
  type NetworkPolicy,
  type NetworkPolicyPort,
  type PolicyType,
} from '../../src/api/network-policy.ts';
import type { Baseline, Peer, SegmentationProfile } from '../../src/api/profile.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../src/api/names.ts';
import { compile } from '../../src/policy/compile.ts';
import { peerLabel } from '../../src/policy/peers/index.ts';
import { NOTHING_KNOWN } from '../../src/policy/peers/last-known.ts';
import { fingerprint, isolates, rulesOf, withRules } from '../../src/policy/semantics/normalize.ts';
import { flow, labels, namespaces, pods } from '../analysis/arbitrary.ts';
import { clusterFacts, NAMESPACE, profiles } from './arbitrary.ts';
import { facts, type FactsInput, runs } from './fixture.ts';
import { plainPeer } from './plain-translation.ts';

/** One policy for each peer of each rule, straight from the definitions. */
function plainPolicies(
  { spec }: SegmentationProfile,
  namespaceLabels: Readonly<Record<string, string>>,
  given: FactsInput,
): NetworkPolicy[] {
  const made: NetworkPolicy[] = [
    {
      metadata: { name: 'deny', namespace: NAMESPACE },
      spec: { podSelector: {}, policyTypes: spec.isolation },
    },
  ];
  const add = (
    direction: PolicyType,
    podSelector: Peer['podSelector'],
    peers: readonly Peer[],
    own?: readonly NetworkPolicyPort[],
  ) => {
    const implies = direction === 'Egress' && (own ?? []).length === 0;
    for (const { peers: list, ports } of peers.flatMap((each) =>
      plainPeer(each, { implies, own, labels: namespaceLabels, given }),
    )) {
      const base = { podSelector: podSelector ?? {}, policyTypes: [direction] };
      const one = { ...(list !== 'everyone' && { peers: list }), ...(ports && { ports }) };
      made.push({
        metadata: { name: `p${made.length}`, namespace: NAMESPACE },
        spec: withRules(base, direction, [one]),
      });
    }
  };
  const on = (key: keyof Baseline, direction: PolicyType) =>
    spec.baseline[key] === 'Allow' && spec.isolation.includes(direction);
  if (on('dns', 'Egress')) add('Egress', {}, [{ entity: 'ClusterDNS' }]);
  if (on('kubeAPIServer', 'Egress')) add('Egress', {}, [{ entity: 'KubeAPIServer' }]);
  if (on('sameNamespace', 'Egress')) add('Egress', {}, [{ podSelector: {} }]);
  if (on('sameNamespace', 'Ingress')) add('Ingress', {}, [{ podSelector: {} }]);
  if (on('ingressControllers', 'Ingress')) add('Ingress', {}, [{ entity: 'IngressControllers' }]);
  if (on('monitoring', 'Ingress')) add('Ingress', {}, [{ entity: 'Monitoring' }]);
  if (on('admissionWebhooks', 'Ingress'))
    add('Ingress', { matchLabels: { tier: 'red' } }, [{ entity: 'Any' }], [{ protocol: 'TCP', port: 8080 }]);
  for (const { podSelector, from, ports } of spec.ingress ?? []) add('Ingress', podSelector, from, ports);
  for (const { podSelector, to, ports } of spec.egress ?? []) add('Egress', podSelector, to, ports);
  return made;
}

/** A copy of the value with the keys of every object in reverse order. */
function reversed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reversed) as T;
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, each]) => [key, reversed(each)]),
  ) as T;
}

const inAlpha = (list: readonly Pod[]) =>
  list.map((pod, i) => (i === 0 ? { ...pod, namespace: NAMESPACE, hostNetwork: false } : pod));
/** The label says whatever its pod's place says. */
const withAccounts = (list: readonly Pod[]) =>
  list.map((pod, i) => {
    const account = ['well', 'partly', 'forged', 'other'][i % 4] ?? '';
    return { ...pod, labels: { ...pod.labels, [LABEL_SERVICE_ACCOUNT]: account } };
  });

describe('compile of generated profiles and clusters', () => {
  it('allows the same flows as a plain translation of each peer', () => {
    const cluster = fc
      .record({ namespaces, pods: pods.map(inAlpha).map(withAccounts) })
      .chain(({ namespaces, pods }) =>
        fc.record({
          namespaces: fc.constant(namespaces),
          flows: fc.array(flow(pods), { minLength: 1, maxLength: 25 }),
        }),
      );
    let allowed = 0;
    let denied = 0;
    fc.assert(
      fc.property(profiles, clusterFacts, cluster, (made, given, { namespaces, flows }) => {
        const own = namespaces.find(({ name }) => name === NAMESPACE)!.labels;
        const { policies } = compile(made, { name: NAMESPACE, labels: own }, facts(given));
        const compiled = compileView({ namespaces, policies });
        const plain = compileView({ namespaces, policies: plainPolicies(made, own, given) });
        for (const each of flows) {
          const { allowed: verdict, ingress, egress } = compiled.verdict(each);
          assert.equal(verdict, plain.verdict(each).allowed, JSON.stringify(each));
          if ([ingress, egress].some(({ reason }) => reason === 'Rule')) allowed += 1;
          if (!verdict) denied += 1;
        }
      }),
      { numRuns: runs(1500) },
    );
    assert.ok(
      allowed > runs(300) && denied > runs(300),
      `judged too little: ${allowed} allowed by rules, ${denied} denied`,
    );
  });

  it('never writes an empty list of peers, and a rule without peers only for Any', () => {
    fc.assert(
      fc.property(profiles, clusterFacts, labels, (made, given, own) => {
        for (const { metadata, spec } of compile(made, { name: NAMESPACE, labels: own }, facts(given))
          .policies) {
          const notes = JSON.parse(metadata.annotations?.['segmentation.dev/rules'] ?? '[]') as {
            peer?: string;
          }[];
          const rules = [
            ...(spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports })),
            ...(spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports })),
          ];
          assert.equal(notes.length, rules.length);
          rules.forEach(({ peers, ports }, index) => {
            assert.equal(peers === undefined, notes[index]?.peer === 'entity Any');
            assert.notEqual(peers?.length, 0);
            assert.notEqual(ports?.length, 0);
            const excepting = peers?.filter(({ ipBlock }) => ipBlock?.except !== undefined) ?? [];
            assert.ok(
              excepting.length === 0 || peers?.length === 1,
              'an ipBlock with except shares its rule',
            );
          });
        }
      }),
      { numRuns: runs(800) },
    );
  });

  it('isolates the directions of the profile, and gives every other policy one direction and a rule', () => {
    fc.assert(
      fc.property(profiles, clusterFacts, (made, given) => {
        const [deny, ...others] = compile(made, { name: NAMESPACE, labels: {} }, facts(given)).policies;
        assert.equal(deny?.metadata.name, 'segmented.default-deny');
        assert.deepEqual(deny.spec, {
          podSelector: {},
          policyTypes: DIRECTIONS.filter((each) => made.spec.isolation.includes(each)),
        });
        for (const { spec } of others) {
          const [direction, none] = isolates(spec);
          assert.ok(direction !== undefined && none === undefined && made.spec.isolation.includes(direction));
          assert.ok(rulesOf(spec, direction).length > 0);
        }
      }),
      { numRuns: runs(400) },
    );
  });

  it('returns equal bytes for equal input, and equal meaning for any order of keys', () => {
    fc.assert(
      fc.property(profiles, clusterFacts, labels, (made, given, own) => {
        const run = (p: SegmentationProfile, input: FactsInput, of: Readonly<Record<string, string>>) =>
          compile(p, { name: NAMESPACE, labels: of }, facts(input)).policies;
        const first = run(made, given, own);
        assert.equal(
          JSON.stringify(run(structuredClone(made), structuredClone(given), { ...own })),
          JSON.stringify(first),
        );
        const other = run(reversed(made), reversed(given), reversed(own));
        assert.deepEqual(other.map(fingerprint), first.map(fingerprint));
      }),
      { numRuns: runs(300) },
    );
  });

  it('reports exactly the peers that grant nothing or too little, and keeps the last known form of the former', () => {
    const before = { peers: [{ ipBlock: { cidr: '192.0.2.99/32' } }] };
    fc.assert(
      fc.property(profiles, clusterFacts, labels, (made, given, own) => {
        const { policies, unresolved } = compile(made, { name: NAMESPACE, labels: own }, facts(given), {
          ...NOTHING_KNOWN,
          rules: () => [before],
        });
        const { spec } = made;
        const expected = new Set<string>();
        const check = (
          direction: PolicyType,
          rule: string,
          peers: readonly Peer[],
          ports?: readonly NetworkPolicyPort[],
        ) => {
          for (const each of peers) {
            const implies = direction === 'Egress' && (ports ?? []).length === 0;
            const isPartial =
              each.serviceAccount?.name === 'partly' ||
              each.sameNamespaceLabels?.some((key) => own[key] === undefined) ||
              (each.entity === 'ClusterDNS' && given.configuration?.clusterDNS?.service === 'other');
            if (!isPartial && plainPeer(each, { implies, own: ports, labels: own, given }).length > 0)
              continue;
            expected.add(`${direction} ${rule} ${peerLabel(each)}`);
          }
        };
        for (const { name, from, ports } of spec.ingress ?? []) check('Ingress', name, from, ports);
        for (const { name, to, ports } of spec.egress ?? []) check('Egress', name, to, ports);
        const ofRules = unresolved.filter(({ rule }) => !rule.startsWith('baseline.'));
        assert.deepEqual(
          ofRules.map(({ direction, rule, peer }) => `${direction} ${rule} ${peer}`).sort(),
          [...expected].sort(),
        );
        for (const { direction, rule, peer, reason, hasLastKnown } of unresolved) {
          assert.equal(hasLastKnown, reason !== 'PodsUnlabelled');
          if (!hasLastKnown) continue;
          const found = policies.some(({ metadata, spec }) => {
            const notes = JSON.parse(metadata.annotations?.['segmentation.dev/rules'] ?? '[]') as {
              rule: string;
              peer?: string;
            }[];
            return rulesOf(spec, direction).some(
              (each, i) => notes[i]?.rule === rule && notes[i]?.peer === peer && each.peers === before.peers,
            );
          });
          assert.ok(found, `${rule} ${peer} lost its last known form`);
        }
      }),
      { numRuns: runs(600) },
    );
  });
});
