/** Two guards of one pod: their order, by the evaluation of ClusterNetworkPolicies that the oracles judge. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileView } from '../../../src/analysis/evaluator.ts';
import { LayeredEvaluator } from '../../../src/analysis/layers/layered-evaluator.ts';
import type { KubeObject, LabelSelector } from '../../../src/api/meta.ts';
import { KIND } from '../../../src/api/names.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { isWithin } from '../../../src/engines/guards/priority.ts';
import { compileGuard, NOTHING_ADDED } from '../../../src/policy/guard/compile.ts';
import { passesFlow } from '../../../src/policy/guard/flow.ts';
import { intersection } from '../../../src/policy/semantics/selector.ts';
import { guardsOf } from '../../../src/snapshot/guards/guards.ts';
import { layersOf } from '../../../src/snapshot/layers.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import { labels, selector } from '../../analysis/arbitrary.ts';
import { admittedProfile, manifestsSnapshot } from '../../cli/snapshot/fixture.ts';
import { profiles } from '../../policy/arbitrary.ts';
import { facts, runs, SHOP } from '../../policy/fixture.ts';

/** The verdicts on flows from the pod of `shared`, which both profiles select, by who has the lower priority. */
function verdicts(first: 'shop' | 'tools', to: string, port: number): string {
  const objects = new ObjectSet();
  const places = { shared: { shop: '', tools: '' }, cart: { shop: '' }, build: { tools: '' }, other: {} };
  for (const [name, own] of Object.entries(places)) {
    objects.put('Namespace', { metadata: { name, labels: own } });
    objects.put('Pod', {
      metadata: { namespace: name, name: 'pod', labels: {} },
      spec: { containers: [] },
      status: { phase: 'Running', podIPs: [{ ip: `10.0.0.${name.length}` }] },
    } as never);
  }
  const anyFlow = { podSelector: {}, policyTypes: ['Egress' as const], egress: [{}] };
  objects.put('NetworkPolicy', {
    metadata: { namespace: 'shared', name: 'foreign' },
    spec: anyFlow,
  } as KubeObject);
  const rule = { name: 'other', to: [{ namespaces: ['other'] }], ports: [{ port: 443 }] };
  for (const name of ['shop', 'tools']) {
    const profile = admittedProfile({
      namespaceSelector: { matchExpressions: [{ key: name, operator: 'Exists' }] },
      isolation: ['Egress'],
      guard: { mode: 'Enforce' },
      ...(name === 'shop' && { egress: [rule] }),
    });
    objects.put(KIND, { ...profile, metadata: { name } });
  }
  const snapshot = manifestsSnapshot(objects);
  const guards = guardsOf(snapshot).flatMap(({ profile, object }) =>
    object === undefined ? [] : [withPriority(object, profile.metadata.name === first ? 500 : 510)],
  );
  assert.equal(guards.length, 2);
  const layers = layersOf(snapshot, { asEnforced: true, guards });
  assert.ok(layers);
  const base = compileView({ namespaces: snapshot.namespaces, policies: snapshot.effective(true) });
  const evaluator = new LayeredEvaluator(snapshot.namespaces, layers);
  const pod = (namespace: string) => {
    const found = snapshot.pods.find((each) => each.namespace === namespace);
    assert.ok(found);
    return { kind: 'pod' as const, pod: found };
  };
  const flow = { from: pod('shared'), to: pod(to), protocol: 'TCP' as const, port, family: 4 as const };
  return evaluator.decide(flow, (each) => base.verdict(each)).verdict;
}

function withPriority(object: KubeObject & { readonly spec?: object }, priority: number): KubeObject {
  return { ...object, spec: { ...object.spec, priority } } as KubeObject;
}

/** The profile for these namespaces alone. */
const narrowed = (profile: SegmentationProfile, by: LabelSelector): SegmentationProfile => ({
  metadata: { ...profile.metadata, name: 'narrow' },
  spec: { ...profile.spec, namespaceSelector: intersection(profile.spec.namespaceSelector, by) },
});

const others = fc.oneof(
  fc.record({ kind: fc.constant('pod' as const), namespaceLabels: labels, labels }),
  fc.constantFrom('10.0.0.1', '10.0.1.2', '198.51.100.7', 'fd00:0:0:1::2').map((ip) => ({
    kind: 'address' as const,
    ip,
  })),
);

describe('two guards of one namespace', () => {
  for (const [what, to, port, byShop, byTools] of [
    ['what a rule of either profile allows', 'other', 443, 'allowed', 'allowed'],
    ['what neither passes', 'other', 80, 'denied', 'denied'],
    ['flows between the namespaces of the first profile', 'cart', 80, 'allowed', 'denied'],
    ['flows between the namespaces of the second profile', 'build', 80, 'denied', 'allowed'],
  ] as const)
    it(`decide by the first of them about ${what}, if a foreign policy allows it`, () => {
      assert.deepEqual([verdicts('shop', to, port), verdicts('tools', to, port)], [byShop, byTools]);
    });

  it('pass the same, or the one for fewer namespaces passes less', () => {
    let compared = 0;
    fc.assert(
      fc.property(profiles, profiles, selector, others, (wide, third, by, other) => {
        const narrow = narrowed(wide, by);
        const cluster = facts({});
        const guardOf = (own: SegmentationProfile) =>
          compileGuard(own, {
            profiles: [wide, narrow, { ...third, metadata: { ...third.metadata, name: 'third' } }],
            namespaces: [SHOP],
            protectedNamespaces: ['kube-system'],
            cluster,
            added: NOTHING_ADDED,
          });
        const [inner, outer] = [guardOf(narrow), guardOf(wide)];
        assert.ok(!isWithin(outer.subject, inner.subject));
        for (const direction of wide.spec.isolation)
          for (const port of [53, 80, 85, 8080])
            for (const protocol of ['TCP', 'UDP'] as const) {
              const flow = { direction, other, protocol, from: port, to: port };
              if (!passesFlow(inner, flow)) continue;
              compared += 1;
              assert.ok(passesFlow(outer, flow), JSON.stringify(flow));
            }
      }),
      { numRuns: runs(300) },
    );
    assert.ok(compared > 0);
  });
});
