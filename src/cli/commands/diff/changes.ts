/** Changes for a person: namespaces, policies with their rules, and flows by workload. */
import type { FlowChange, PolicyChange, RuleChange } from '../../../analysis/changes.ts';
import { formatPorts, formatRulePorts } from '../../../analysis/model/ports.ts';
import type { GroupName } from '../../../analysis/reach.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { isolates } from '../../../policy/semantics/normalize.ts';
import { notesOf } from '../../../policy/notes.ts';
import type { Changes } from './command.ts';
import { table } from '../../shell/output.ts';
import type { Paint, Palette, Terminal } from '../../shell/terminal.ts';
import { groupText } from '../../reach/model.ts';
import { peersText, selectorText } from '../../shell/text.ts';
import { listText } from '../../../util/list-text.ts';
import { counted, shortList } from '../../../util/list-text.ts';

/** More flows than this are put together by namespace, unless all are asked for. */
const MOST_FLOWS = 24;

export function showChanges(changes: Changes, wide: boolean, terminal: Terminal): void {
  const { paint } = terminal;
  const { namespaces, policies, opened, closed } = changes;
  const sections: string[][] = [];
  if (namespaces.length > 0) {
    const lines = namespaces.map(({ change, namespace, profile }) =>
      change === 'selected'
        ? paint.green(`  + ${namespace}: selected by profile ${profile}`)
        : paint.red(`  - ${namespace}: no longer selected by profile ${profile}`),
    );
    sections.push([paint.bold('Namespaces'), ...lines]);
  }
  if (policies.length > 0)
    sections.push([policiesTitle(policies, paint), ...policyLines(policies, wide, paint)]);
  if (opened.length > 0) sections.push(flowLines('open', opened, wide, paint.green, paint));
  if (closed.length > 0) sections.push(flowLines('close', closed, wide, paint.red, paint));
  if (sections.length === 0) return;
  if (policies.length > 0 && opened.length + closed.length === 0) {
    sections.push([paint.dim('No flow between the pods that there are opens or closes.')]);
  }
  terminal.print(sections.map((lines) => lines.join('\n')).join('\n\n'));
}

function policiesTitle(policies: readonly PolicyChange[], paint: Palette): string {
  const count = (which: PolicyChange['change']) => policies.filter(({ change }) => change === which).length;
  const parts = (['added', 'changed', 'removed'] as const).flatMap((each) =>
    count(each) > 0 ? [`${count(each)} ${each}`] : [],
  );
  return `${paint.bold('NetworkPolicies')} ${parts.join(', ')}`;
}

/** What changes in the same way in several namespaces is told once. */
function policyLines(policies: readonly PolicyChange[], wide: boolean, paint: Palette): string[] {
  const told = policies.map((each) => ({
    namespace: (each.after ?? each.before)?.metadata.namespace ?? '',
    name: (each.after ?? each.before)?.metadata.name ?? '',
    change: each.change,
    details: detailLines(each, wide, paint),
  }));
  const groups = Map.groupBy(told, ({ name, change, details }) => JSON.stringify([name, change, details]));
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { name, change, namespace, details } = first;
    const names = group.map((each) => each.namespace);
    const place =
      group.length === 1
        ? `${namespace}/${name}`
        : `${name}  in ${wide ? names.join(', ') : `${counted(names.length, 'namespace')}: ${shortList(names)}`}`;
    const colour = { added: paint.green, removed: paint.red, changed: paint.yellow }[change];
    return [colour(`  ${{ added: '+', removed: '-', changed: '~' }[change]} ${place}`), ...details];
  });
}

function detailLines(
  { change, before, after, rules, scope }: PolicyChange,
  wide: boolean,
  paint: Palette,
): string[] {
  const policy = after ?? before;
  if (policy === undefined) return [];
  if (change === 'added') return wide ? allRules(policy, paint.green, '+') : [];
  if (change === 'removed') return wide ? allRules(policy, paint.red, '-') : [];
  const pods = selectorText(policy.spec.podSelector ?? {});
  const now = `now for ${pods === '<none>' ? 'all pods' : `pods ${pods}`}, isolating ${listText(isolates(policy.spec))}`;
  return [
    ...(scope ? [paint.yellow(`      ~ ${now}`)] : []),
    ...rules.map((each) => ruleLine(each, each.change === 'added' ? after : before, paint)),
  ];
}

function ruleLine(
  { change, direction, rule, index }: RuleChange,
  policy: NetworkPolicy | undefined,
  paint: Palette,
): string {
  const note = policy === undefined ? undefined : notesOf(policy)[index]?.rule;
  const way = direction === 'Ingress' ? 'from' : 'to';
  const text = `${way} ${peersText(rule.peers)} on ${formatRulePorts(rule.ports)}${note === undefined ? '' : `  (${note})`}`;
  return change === 'added' ? paint.green(`      + ${text}`) : paint.red(`      - ${text}`);
}

function allRules({ spec }: NetworkPolicy, paint: Paint, sign: string): string[] {
  const lines = [
    ...(spec.ingress ?? []).map(({ from, ports }) => `from ${peersText(from)} on ${formatRulePorts(ports)}`),
    ...(spec.egress ?? []).map(({ to, ports }) => `to ${peersText(to)} on ${formatRulePorts(ports)}`),
  ];
  return lines.map((line) => paint(`      ${sign} ${line}`));
}

function flowLines(
  verb: 'open' | 'close',
  flows: readonly FlowChange[],
  wide: boolean,
  colour: Paint,
  paint: Palette,
): string[] {
  const sign = verb === 'open' ? '+' : '-';
  const title = `${paint.bold(verb === 'open' ? 'Opens' : 'Closes')} ${counted(flows.length, 'flow')} between workloads`;
  const rows =
    wide || flows.length <= MOST_FLOWS
      ? flows.map(({ from, to, ports, partial }) => [
          groupText(from),
          '→',
          groupText(to),
          formatPorts(ports) + (partial ? ' (some pods)' : ''),
        ])
      : byNamespace(flows);
  // The head is of no use here: three columns and an arrow speak for themselves.
  const lines = table(['', '', '', ''], rows).slice(1);
  const more = rows.length < flows.length ? [paint.dim('  (by namespace; -o wide lists each)')] : [];
  return [title, ...lines.map((line) => colour(`  ${sign} ${line}`)), ...more];
}

function byNamespace(flows: readonly FlowChange[]): string[][] {
  const place = ({ namespace, name }: GroupName) => (namespace === undefined ? name : `ns/${namespace}`);
  const groups = Map.groupBy(flows, ({ from, to }) => `${place(from)} ${place(to)}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined
      ? []
      : [[place(first.from), '→', place(first.to), counted(group.length, 'flow')]];
  });
}
