/** Shows a rule that would allow what is denied, ready to be pasted. */
import type { Remedy } from '../../../analysis/remedy.ts';
import type { Pod } from '../../../analysis/cluster.ts';
import { KIND } from '../../../api/names.ts';
import { toYaml } from '../../shell/output.ts';
import type { Suggestion } from './questions.ts';
import type { Palette } from '../../shell/terminal.ts';
import { shortList } from '../../../util/list-text.ts';

/** What to add, for each profile once, and the policies to apply. */
export function suggestionText(suggested: readonly Suggestion[], paint: Palette): string[] {
  const remedies = suggested.map(({ remedy }) => remedy);
  const rules = remedies.filter((remedy) => remedy.kind === 'rule');
  const policies = remedies.filter((remedy) => remedy.kind === 'policy');
  const blocks: [head: string, text: string, remedies: readonly Remedy[]][] = [
    ...[...Map.groupBy(rules, ({ profile }) => profile)].map(
      ([profile, group]): [string, string, readonly Remedy[]] => [
        `To allow it, add this to the spec of ${KIND} ${profile}:`,
        toYaml(rulesByDirection(group)),
        group,
      ],
    ),
    ...policies.map((remedy): [string, string, readonly Remedy[]] => [
      `To allow it, apply this NetworkPolicy in ${remedy.policy.metadata.namespace}, beside those that are there:`,
      toYaml(remedy.policy),
      [remedy],
    ]),
  ];
  return blocks.flatMap(([head, text, group]) => {
    const also = alsoText(group);
    return [
      '',
      paint.bold(head),
      '',
      ...text
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
      ...(also === '' ? [] : ['', paint.yellow(also)]),
    ];
  });
}

function rulesByDirection(remedies: readonly Extract<Remedy, { kind: 'rule' }>[]): object {
  const groups = Map.groupBy(remedies, ({ direction }) => direction.toLowerCase());
  return Object.fromEntries([...groups].map(([way, group]) => [way, group.map(({ rule }) => rule)]));
}

/** What labels can't tell apart. */
function alsoText(remedies: readonly Remedy[]): string {
  const say = (pods: readonly Pod[], what: string) =>
    pods.length === 0 ? [] : [`${what} ${shortList(names(pods))}, whose labels are the same`];
  const parts = [
    ...say(
      remedies.flatMap(({ alsoSubjects }) => alsoSubjects),
      'it is also for',
    ),
    ...say(
      remedies.flatMap(({ alsoPeers }) => alsoPeers),
      'it also names',
    ),
  ];
  return parts.length === 0 ? '' : `Take care: ${parts.join('; ')}.`;
}

function names(pods: readonly Pod[]): string[] {
  return pods.map(({ namespace, name }) => `${namespace}/${name}`).sort();
}

/** The same for programs. */
export function suggestionValue({ remedy, from, to }: Suggestion): object {
  const { direction, alsoSubjects, alsoPeers } = remedy;
  const common = {
    direction,
    from: from.label,
    to: to.label,
    alsoOpensFor: names([...alsoSubjects, ...alsoPeers]),
  };
  if (remedy.kind === 'policy') return { ...common, networkPolicy: remedy.policy };
  const { profile, rule, changed } = remedy;
  const field = direction === 'Ingress' ? 'ingress' : 'egress';
  const first = (changed.spec[field] ?? []).length === 1;
  const patch = first
    ? [{ op: 'add', path: `/spec/${field}`, value: [rule] }]
    : [{ op: 'add', path: `/spec/${field}/-`, value: rule }];
  return { ...common, profile, rule, patch };
}
