/** Verdicts of policies on observed flows. Pure. */
import type { Explanation } from '../../analysis/explain.ts';
import type { LayerVerdict } from '../../analysis/layers/decision.ts';
import { layerObjectText } from '../commands/explain/layer-text.ts';
import type { Answer, Questions } from '../commands/explain/questions.ts';
import type { ObservedGroup } from './observed.ts';

export interface JudgedGroup {
  readonly group: ObservedGroup;
  /** Answers for each class of pods that the policies treat alike, at either end. */
  readonly answers: readonly Answer[];
  readonly verdict: GroupVerdict;
  /** The explanation of a flow with this verdict, if there is one. */
  readonly explanation: Explanation | undefined;
}

/**
 * - `denied`: the policies deny some of it
 * - `unknown`: they deny nothing of it for certain, and some of it depends on a part of a policy that can't be evaluated
 * - `allowed`: they allow all of it
 * - `unaffected`: neither end is a pod, so that no policy is about it
 */
export type GroupVerdict = LayerVerdict | 'unaffected';

export function judgeGroups(groups: readonly ObservedGroup[], questions: Questions): JudgedGroup[] {
  const pairs = Map.groupBy(groups, ({ source, destination }) => `${source.label} ${destination.label}`);
  return [...pairs.values()].flatMap((pair) => {
    const [first] = pair;
    if (first === undefined) return [];
    const { source, destination } = first;
    const ports = pair.map(({ port, protocol }) => ({ port, protocol, label: `${protocol} ${port}` }));
    const answers = questions.between(source, destination, ports);
    return pair.map((group) => judged(group, answers));
  });
}

function judged(group: ObservedGroup, all: readonly Answer[]): JudgedGroup {
  const answers = all.filter(({ port }) => port.port === group.port && port.protocol === group.protocol);
  const hasPods = group.source.pods.length + group.destination.pods.length > 0;
  const found = (['denied', 'unknown'] as const).flatMap(
    (verdict) => answers.find(({ explanation }) => explanation.verdict === verdict) ?? [],
  );
  const [decisive = answers[0]] = found;
  return {
    group,
    answers,
    // Without an answer, both ends are one pod, which always reaches itself.
    verdict: hasPods ? (decisive?.explanation.verdict ?? 'allowed') : 'unaffected',
    explanation: decisive?.explanation,
  };
}

/** Names the rules that allow a flow. */
export function allowedBecause(explanation: Explanation | undefined): string {
  if (explanation === undefined) return 'a pod reaches itself';
  const rules = [explanation.egress, explanation.ingress].flatMap(({ allowedBy, layer }) => {
    if (layer !== undefined) return layer.by === undefined ? [] : [layerObjectText(layer.by.object)];
    return allowedBy
      .slice(0, 1)
      .map(({ profile, rule, namespace, policy }) =>
        profile === undefined ? `${namespace}/${policy}` : `${profile}/${rule ?? policy}`,
      );
  });
  return [...new Set(rules)].join('; ') || 'no policy limits it';
}
