/** ClusterNetworkPolicies as the audit reads them, on the conformance tests of the API's own project. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { LayerVerdict } from '../../../src/analysis/layers/decision.ts';
import { widenings } from '../../../src/analysis/widening.ts';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { enginePolicies } from '../../../src/engines/layers/kinds.ts';
import { engineView } from '../../../src/engines/layers/view.ts';
import { AuditContext } from '../../../src/audit/context.ts';
import type { PodSpec } from '../../../src/audit/pod-spec.ts';
import type { AuditNamespace, AuditPod } from '../../../src/audit/snapshot.ts';
import { namespace, pod, policy, world } from '../../audit/world.ts';
import { judgeOf } from '../../engines/layers/verdicts.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { conformanceCases, objectsOf, type Poke } from './conformance.ts';

const OPEN = { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] } as const;

type StatefulSet = KubeObject & {
  readonly spec: {
    readonly replicas: number;
    readonly template: { readonly metadata: { readonly labels: StringMap }; readonly spec: PodSpec };
  };
};

function podsOf(objects: readonly KubeObject[]): AuditPod[] {
  const sets = objects.filter(({ kind }) => kind === 'StatefulSet') as StatefulSet[];
  return sets.flatMap(({ metadata, spec: { replicas, template } }) =>
    Array.from({ length: replicas }, (_, index) => {
      const name = `${metadata.name}-${index}`;
      const labels = { ...template.metadata.labels, 'statefulset.kubernetes.io/pod-name': name };
      return pod(`${metadata.namespace}/${name}`, template.spec, { name, labels });
    }),
  );
}

interface Scene {
  readonly namespaces: readonly AuditNamespace[];
  readonly pods: readonly AuditPod[];
  readonly objects: readonly KubeObject[];
}

function baseScene(base: readonly KubeObject[]): Scene {
  const namespaces = base
    .filter(({ kind }) => kind === 'Namespace')
    .map(({ metadata }) => namespace(metadata.name, metadata.labels));
  return { namespaces, pods: podsOf(base), objects: [] };
}

type IsChanged = (poke: Poke, isCut: boolean) => boolean;

/** The flows that policies open and cut: those of the objects, and `foreign`. */
function changesOf(
  { namespaces, pods, objects }: Scene,
  own: NetworkPolicy[],
  foreign: NetworkPolicy[],
): IsChanged {
  const policies = [...own, ...foreign];
  const context = new AuditContext(world({ namespaces, pods, policies, objects }), { registries: [] });
  const known = { pods: context.snapshot.pods, labelsOf: (name: string) => context.labelsOf(name) };
  const view = engineView(known, enginePolicies(context.snapshot));
  const found = widenings(
    { namespaces, pods: view.pods, policies: [...policies, ...view.policies] },
    {
      judged: new Set([...foreign, ...view.policies]),
      additive: view.additive,
      ranks: view.ranks,
      podsInIPBlocks: true,
      groupOf: ({ namespace, name }) => ({ namespace, kind: 'Pod', name }),
    },
  );
  return ({ from, to, port, protocol }, isCut) =>
    found
      .filter((each) => each.isCut === isCut)
      .flatMap(({ flows }) => flows)
      .some(
        (flow) =>
          `${flow.from.namespace}/${flow.from.name}` === from &&
          `${flow.to.namespace}/${flow.to.name}` === to &&
          flow.ports.some((range) => range.protocol === protocol && range.from <= port && port <= range.to),
      );
}

/** Decides for the flows of a case of the Admin tier: by NetworkPolicies alone, and by what other policies open and cut. */
function adminVerdicts(scene: Scene): (poke: Poke) => boolean {
  const { namespaces, pods, objects } = scene;
  const given = objects.filter(({ kind }) => kind === 'NetworkPolicy') as unknown as NetworkPolicy[];
  // The audit compares with what NetworkPolicies allow: elsewhere they allow everything here.
  const open = namespaces.filter(({ name }) => !given.some(({ metadata }) => metadata.namespace === name));
  const policies = [...given, ...open.map(({ name }) => policy(`${name}/open`, OPEN))];
  const isChanged = changesOf(scene, policies, []);
  const evaluator = compileView({ namespaces, policies });
  const podNamed = (text: string) => {
    const named = pods.find((each) => `${each.namespace}/${each.name}` === text);
    assert.ok(named, text);
    return { kind: 'pod', pod: named } as const;
  };
  return (poke) => {
    const { from, to, port, protocol } = poke;
    const flow = { from: podNamed(from), to: podNamed(to), port, protocol, family: 4 } as const;
    return (evaluator.verdict(flow).allowed && !isChanged(poke, true)) || isChanged(poke, false);
  };
}

/**
 * Decides for the flows of a case of the Baseline tier, which has a say only about pods that nothing isolates. Each end is
 * asked in a world of its own: the other end is isolated there, and a foreign policy opens it, which opens the flow if the
 * end that is asked lets it pass.
 */
function baselineVerdicts(scene: Scene): (poke: Poke) => boolean {
  const asking = (direction: 'Ingress' | 'Egress') => {
    const each = (name: string, spec: object) =>
      scene.namespaces.map((at) => policy(`${at.name}/${name}`, { policyTypes: [direction], ...spec }));
    return changesOf(scene, each('deny', {}), each('open', { [direction.toLowerCase()]: [{}] }));
  };
  const [isLetOut, isLetIn] = [asking('Ingress'), asking('Egress')];
  return (poke) => isLetOut(poke, false) && isLetIn(poke, false);
}

/** Decides for the flows of a case by the evaluation of all layers. */
function layeredVerdicts({ namespaces, pods, objects }: Scene): (poke: Poke) => LayerVerdict {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy') as NetworkPolicy[];
  const ofKind = (kind: string) => objects.filter((each) => each.kind === kind);
  const judge = judgeOf({ ...world({ namespaces, pods, policies }), objects: ofKind, isRead: () => true });
  return (poke) => judge(poke).verdict;
}

const TIERS = [
  { title: 'Admin', tier: 'admin', verdictsOf: adminVerdicts, cases: 35, flows: 180 },
  { title: 'Baseline', tier: 'baseline-admin', verdictsOf: baselineVerdicts, cases: 18, flows: 130 },
] as const;

(goIsThere ? describe : describe.skip)(`conformance tests of ClusterNetworkPolicy${skippedWithoutGo}`, () => {
  for (const { title, tier, verdictsOf, ...least } of TIERS) {
    it(`agree with the audit on the flows that policies of the ${title} tier let pass`, async function () {
      this.timeout('5m');
      const module = await goModuleFolder('network-policy-api', 'sigs.k8s.io/network-policy-api');
      const folder = join(module, 'conformance');
      const base = baseScene(objectsOf(folder, 'base/manifests.yaml'));
      const cases = conformanceCases(folder, tier);
      for (const each of cases) {
        const isAllowed = verdictsOf({ ...base, objects: each.objects });
        const wrong = each.pokes.filter((poke) => isAllowed(poke) !== poke.isAllowed);
        assert.deepEqual(wrong, [], each.name);
        const verdictOf = layeredVerdicts({ ...base, objects: each.objects });
        const differing = each.pokes.filter(
          (poke) => verdictOf(poke) !== (poke.isAllowed ? 'allowed' : 'denied'),
        );
        assert.deepEqual(differing, [], `verdicts of ${each.name}`);
      }
      const pokes = cases.flatMap((each) => each.pokes);
      const found = `${cases.length} cases, ${pokes.length} flows`;
      assert.ok(cases.length >= least.cases && pokes.length >= least.flows, found);
      assert.ok(pokes.filter(({ isAllowed }) => !isAllowed).length > pokes.length / 4);
    });
  }
});
