/** Verdicts on flows under policies of every kind, for tests: by the readers of the engines and the layered evaluator. */
import assert from 'node:assert/strict';
import { compileView } from '../../../src/analysis/evaluator.ts';
import { type FlowDecision, LayeredEvaluator } from '../../../src/analysis/layers/layered-evaluator.ts';
import type { LayeredView } from '../../../src/analysis/layers/layered-view.ts';
import type { Endpoint, Namespace, Pod } from '../../../src/analysis/cluster.ts';
import { LABEL_NAMESPACE_NAME } from '../../../src/api/names.ts';
import type { NetworkPolicy, Protocol } from '../../../src/api/network-policy.ts';
import type { LayerKind } from '../../../src/engines/layers/engine-kinds.ts';
import type { EngineObjects, IdentifiedPod } from '../../../src/engines/layers/engine-policy.ts';
import { layerPolicies } from '../../../src/engines/layers/layer-policies.ts';
import { layeredView } from '../../../src/engines/layers/layered-view.ts';

/** A state of a cluster: that of an audit has these parts. */
export type LayeredWorld = Omit<EngineObjects<LayerKind>, 'pods'> & {
  readonly pods: readonly IdentifiedPod[];
  readonly policies: readonly NetworkPolicy[];
};

export interface AskedFlow {
  /** NAMESPACE/NAME of a pod, with or without the number at its end, or an address. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol?: Protocol;
}

export interface JudgeSettings {
  readonly podsInIPBlocks?: boolean;
}

export function viewOf(
  world: LayeredWorld,
  { podsInIPBlocks = true }: JudgeSettings = {},
): LayeredView & { readonly pods: readonly IdentifiedPod[] } {
  const labels = new Map(world.namespaces.map((each: Namespace) => [each.name, each.labels]));
  const labelsOf = (name: string) => ({ ...labels.get(name), [LABEL_NAMESPACE_NAME]: name });
  return layeredView({ pods: world.pods, labelsOf }, layerPolicies(world), {
    podsInIPBlocks,
    isIdentified: (pod: Pod): pod is IdentifiedPod => 'serviceAccount' in pod,
  });
}

/** Returns a function from a flow to the decision about it. */
export function judgeOf(
  world: LayeredWorld,
  settings: JudgeSettings = {},
): (flow: AskedFlow) => FlowDecision {
  const { namespaces, policies, pods } = world;
  const { podsInIPBlocks = true } = settings;
  const layers = new LayeredEvaluator(namespaces, viewOf(world, settings));
  const base = compileView({ namespaces, policies }, { podsInIPBlocks });
  const ends = new Map<string, IdentifiedPod>(
    pods.flatMap((pod) =>
      [pod.name, pod.name.replace(/-\d+$/, '')].map((name) => [`${pod.namespace}/${name}`, pod] as const),
    ),
  );
  const endOf = (text: string): Endpoint => {
    const pod: IdentifiedPod | undefined = ends.get(text);
    assert.ok(pod !== undefined || !text.includes('/'), text);
    return pod === undefined ? { kind: 'external', ip: text } : { kind: 'pod', pod };
  };
  return ({ from, to, port, protocol = 'TCP' }) => {
    const flow = { from: endOf(from), to: endOf(to), port, protocol };
    return layers.decide(flow, (each) => base.verdict(each));
  };
}
