/** Verdicts of policies on observed flows. Pure. */
import type { Explanation } from '../../analysis/explain.ts';
import type { Answer, Questions } from '../commands/explain/questions.ts';
import type { ObservedGroup } from './observed.ts';

export interface JudgedGroup {
  readonly group: ObservedGroup;
  /** Answers for each class of pods that the policies treat alike, at either end. */
  readonly answers: readonly Answer[];
  /** True if the policies allow all of it; undefined if neither end is a pod, so that no policy is about it. */
  readonly allowed: boolean | undefined;
  /** The explanation of a denied flow, if there is one, else of an allowed one. */
  readonly explanation: Explanation | undefined;
}

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
  const denied = answers.find(({ explanation }) => !explanation.allowed);
  const hasPods = group.source.pods.length + group.destination.pods.length > 0;
  return {
    group,
    answers,
    // A pod always reaches itself.
    allowed: hasPods ? denied === undefined : undefined,
    explanation: (denied ?? answers[0])?.explanation,
  };
}

/** Names the rules that allow a flow. */
export function allowedBecause(explanation: Explanation | undefined): string {
  if (explanation === undefined) return 'a pod reaches itself';
  const rules = [explanation.egress, explanation.ingress].flatMap(({ allowedBy }) =>
    allowedBy
      .slice(0, 1)
      .map(({ profile, rule, namespace, policy }) =>
        profile === undefined ? `${namespace}/${policy}` : `${profile}/${rule ?? policy}`,
      ),
  );
  return [...new Set(rules)].join('; ') || 'no policy limits it';
}
