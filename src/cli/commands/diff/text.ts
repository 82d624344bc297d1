/** Text of the changes between two snapshots, for a terminal. Pure. */
import type { FlowChange } from '../../../analysis/flow-changes.ts';
import { formatPorts, formatRulePorts } from '../../../analysis/model/ports.ts';
import type { PolicyChange, RuleChange } from '../../../analysis/policy-changes.ts';
import type { GroupName } from '../../../analysis/group.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { notesOf, noteText } from '../../../policy/notes.ts';
import { isolates } from '../../../policy/semantics/normalize.ts';
import { groupText } from '../../reach/model.ts';
import { dependsText } from '../explain/layer-text.ts';
import { table } from '../../shell/output.ts';
import type { Paint, Palette } from '../../shell/terminal.ts';
import { peersText, selectorText } from '../../shell/text.ts';
import type { NamespaceChange, SnapshotChanges } from './compare.ts';
import type { ExceptionChange } from './exceptions.ts';
import type { ChangedRollout } from './waves.ts';
import { counted, listText, shortList } from '../../../util/list-text.ts';

export interface TextOptions {
  /** True for `-o wide`: every rule and every flow in a line of its own. */
  readonly wide: boolean;
  readonly paint: Palette;
}

/** Above this number, flows are summarised by namespace unless `wide`. */
const MAX_FLOWS = 24;

const ENFORCERS = [
  ['engine', 'Policies of the network engine'],
  ['mesh', 'Policies of the mesh'],
] as const;

/** Undefined if nothing changes. */
export function changesText(changes: SnapshotChanges, options: TextOptions): string | undefined {
  const { paint } = options;
  const { namespaces, policies, extensions, opened, closed, unclear, rollouts } = changes;
  const sections: string[][] = [];
  if (namespaces.length > 0)
    sections.push([paint.bold('Namespaces'), ...namespaces.map((each) => namespaceLine(each, paint))]);
  if (policies.length > 0) sections.push([policiesTitle(policies, paint), ...policyLines(policies, options)]);
  for (const [of, title] of ENFORCERS) {
    const own = extensions.filter(({ enforcedBy }) => enforcedBy === of);
    if (own.length === 0) continue;
    sections.push([
      paint.bold(title),
      ...own.map(({ change, namespace, name }) =>
        changeLine(change, namespace === '' ? name : `${namespace}/${name}`, paint),
      ),
    ]);
  }
  if (opened.length > 0) sections.push(flowLines('open', opened, options));
  if (closed.length > 0) sections.push(flowLines('close', closed, options));
  if (unclear.length > 0)
    sections.push([
      ...flowLines('change', unclear, options),
      paint.dim(`  that ${dependsText(changes.dependsOn)}`),
    ]);
  if (changes.exceptions.length > 0)
    sections.push([
      paint.bold('Exceptions'),
      ...changes.exceptions.map((each) => exceptionLine(each, paint)),
    ]);
  for (const each of rollouts) sections.push(rolloutLines(each, options));
  if (sections.length === 0) return undefined;
  if (policies.length > 0 && opened.length + closed.length + unclear.length === 0) {
    sections.push([paint.dim('No flow between the pods that there are opens or closes.')]);
  }
  return sections.map((lines) => lines.join('\n')).join('\n\n');
}

/** The waves in which the changes of a profile come. */
function rolloutLines({ profile, atOnce, waves }: ChangedRollout, { wide, paint }: TextOptions): string[] {
  const title = `${paint.bold('Rollout')} of profile ${profile}`;
  if (atOnce) return [`${title}: at once, as the namespaces of later waves have this already`];
  const rows = waves.map(({ wave, soak = '-', namespaces }) => [
    wave,
    soak,
    wide ? namespaces.join(', ') : `${namespaces.length}: ${shortList(namespaces)}`,
  ]);
  return [title, ...table(['WAVE', 'SOAK', 'CHANGED NAMESPACES'], rows).map((line) => `  ${line}`)];
}

function exceptionLine({ change, namespace, name, before, after }: ExceptionChange, paint: Palette): string {
  const place = `${namespace}/${name}`;
  if (change === 'opened') return paint.green(`  + ${place}: until ${after}`);
  if (change === 'ended') return paint.red(`  - ${place}: until ${before}`);
  return paint.yellow(`  ~ ${place}: until ${after}, and not until ${before}`);
}

function namespaceLine({ change, namespace, profile }: NamespaceChange, paint: Palette): string {
  return change === 'selected'
    ? paint.green(`  + ${namespace}: selected by profile ${profile}`)
    : paint.red(`  - ${namespace}: no longer selected by profile ${profile}`);
}

function policiesTitle(policies: readonly PolicyChange[], paint: Palette): string {
  const count = (which: PolicyChange['change']) => policies.filter(({ change }) => change === which).length;
  const parts = (['added', 'changed', 'removed'] as const).flatMap((each) =>
    count(each) > 0 ? [`${count(each)} ${each}`] : [],
  );
  return `${paint.bold('NetworkPolicies')} ${parts.join(', ')}`;
}

/** Equal changes in several namespaces are listed once, with the namespaces. */
function policyLines(policies: readonly PolicyChange[], options: TextOptions): string[] {
  const { wide, paint } = options;
  const described = policies.map((each) => ({
    namespace: (each.after ?? each.before)?.metadata.namespace ?? '',
    name: (each.after ?? each.before)?.metadata.name ?? '',
    change: each.change,
    details: detailLines(each, options),
  }));
  const groups = Map.groupBy(described, ({ name, change, details }) =>
    JSON.stringify([name, change, details]),
  );
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { name, change, namespace, details } = first;
    const names = group.map((each) => each.namespace);
    const place =
      group.length === 1
        ? `${namespace}/${name}`
        : `${name}  in ${wide ? names.join(', ') : `${counted(names.length, 'namespace')}: ${shortList(names)}`}`;
    return [changeLine(change, place, paint), ...details];
  });
}

function changeLine(change: PolicyChange['change'], place: string, paint: Palette): string {
  const colour = { added: paint.green, removed: paint.red, changed: paint.yellow }[change];
  return colour(`  ${{ added: '+', removed: '-', changed: '~' }[change]} ${place}`);
}

function detailLines(
  { change, before, after, rules, scope }: PolicyChange,
  { wide, paint }: TextOptions,
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
  const note = policy === undefined ? undefined : notesOf(policy)[index];
  const way = direction === 'Ingress' ? 'from' : 'to';
  const text = `${way} ${peersText(rule.peers)} on ${formatRulePorts(rule.ports)}${note === undefined ? '' : `  (${noteText(note)})`}`;
  return change === 'added' ? paint.green(`      + ${text}`) : paint.red(`      - ${text}`);
}

function allRules({ spec }: NetworkPolicy, paint: Paint, sign: string): string[] {
  const lines = [
    ...(spec.ingress ?? []).map(({ from, ports }) => `from ${peersText(from)} on ${formatRulePorts(ports)}`),
    ...(spec.egress ?? []).map(({ to, ports }) => `to ${peersText(to)} on ${formatRulePorts(ports)}`),
  ];
  return lines.map((line) => paint(`      ${sign} ${line}`));
}

const FLOW_WORDS = {
  open: { word: 'Opens', sign: '+', colour: 'green' },
  close: { word: 'Closes', sign: '-', colour: 'red' },
  change: { word: 'May open or close', sign: '?', colour: 'yellow' },
} as const;

function flowLines(
  verb: keyof typeof FLOW_WORDS,
  flows: readonly FlowChange[],
  { wide, paint }: TextOptions,
): string[] {
  const { word, sign, colour: name } = FLOW_WORDS[verb];
  const colour = paint[name];
  const title = `${paint.bold(word)} ${counted(flows.length, 'flow')} between workloads`;
  const rows = wide || flows.length <= MAX_FLOWS ? flows.map(flowRow) : rowsByNamespace(flows);
  const lines = table(['', '', '', ''], rows).slice(1); // without the head, which is empty
  const more = rows.length < flows.length ? [paint.dim('  (by namespace; -o wide lists each)')] : [];
  return [title, ...lines.map((line) => colour(`  ${sign} ${line}`)), ...more];
}

function flowRow({ from, to, ports, partial }: FlowChange): string[] {
  return [groupText(from), '→', groupText(to), formatPorts(ports) + (partial ? ' (some pods)' : '')];
}

function rowsByNamespace(flows: readonly FlowChange[]): string[][] {
  const place = ({ namespace, name }: GroupName) => (namespace === undefined ? name : `ns/${namespace}`);
  const groups = Map.groupBy(flows, ({ from, to }) => `${place(from)} ${place(to)}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined
      ? []
      : [[place(first.from), '→', place(first.to), counted(group.length, 'flow')]];
  });
}
