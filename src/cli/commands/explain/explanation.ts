/** Explanations for a person: verdict, ends, reasons. */
import type {
  PolicyReference,
  DirectionExplanation,
  Explanation,
  NearMiss,
} from '../../../analysis/explain.ts';
import { formatPorts } from '../../../analysis/model/ports.ts';
import type { FlowEnd } from '../../snapshot/flow-ends.ts';
import { type Cell, table } from '../../shell/output.ts';
import type { Answer } from './questions.ts';
import type { Palette } from '../../shell/terminal.ts';
import { portText, selectorText } from '../../shell/text.ts';
import { listText } from '../../../util/list-text.ts';
import { shortList } from '../../../util/list-text.ts';

/** Answers of one pair that differ in the port only are told together. */
export function merged(answers: readonly Answer[]): (readonly Answer[])[] {
  return [
    ...Map.groupBy(answers, ({ from, to, explanation }) =>
      JSON.stringify([from.label, to.label, explanation]),
    ).values(),
  ];
}

/** Ranges of ports are put together. */
export function ports(group: readonly Answer[]): string {
  const all = group.map(({ port }) => port);
  return all.every(({ to }) => to !== undefined)
    ? formatPorts(all.map(({ protocol, port, to = port }) => ({ protocol, from: port, to })))
    : all.map(({ label }) => label).join(', ');
}

export function told(group: readonly Answer[], paint: Palette): string[] {
  const [answer] = group;
  if (answer === undefined) return [];
  const { from, to, explanation } = answer;
  const verdict = explanation.allowed ? paint.green('ALLOWED') : paint.red('DENIED');
  return [
    `${paint.bold(verdict)}  ${paint.bold(from.label)} → ${paint.bold(to.label)}  ${ports(group)}`,
    '',
    ...end('Egress', from, explanation.egress, paint),
    ...end('Ingress', to, explanation.ingress, paint),
  ];
}

/** Where the lines of an end begin. */
const INDENT = ' '.repeat(13);

function end(title: string, end: FlowEnd, explanation: DirectionExplanation, paint: Palette): string[] {
  const [mark, ...lines] = reasonLines(end, explanation, paint);
  const sign = explanation.allowed ? paint.green('✓') : paint.red('✗');
  return [`  ${sign} ${title.padEnd(8)} ${mark ?? ''}`, ...lines.map((line) => INDENT + line)];
}

function reasonLines(end: FlowEnd, explanation: DirectionExplanation, paint: Palette): string[] {
  const { direction, reason, isolatedBy, allowedBy, nearMisses } = explanation;
  const what = direction === 'Egress' ? 'what it reaches' : 'what reaches it';
  switch (reason) {
    case 'NotSubject':
      return end.pods.length > 0
        ? [`not limited: ${end.label} is on the host network, and no NetworkPolicy is about it`]
        : [`not limited: ${end.label} is no pod, and no NetworkPolicy of this cluster is about it`];
    case 'NotIsolated':
      return [`not limited: no policy isolates the ${direction.toLowerCase()} of ${end.label}`];
    case 'Self':
      return ['allowed: a pod always reaches itself'];
    case 'LocalNode':
      return ["allowed: a pod's own node always reaches it"];
    case 'Rule':
      return allowedBy.flatMap((cause, index) =>
        causeLines(cause, index === 0 ? 'allowed by ' : 'and by ', paint),
      );
    default:
      return [
        `denied: ${isolators(isolatedBy)} ${new Set(isolatedBy.map(({ profile, policy }) => profile ?? policy)).size === 1 ? 'limits' : 'limit'} ${what}, and no rule allows this`,
        ...nearMisses.slice(0, 2).map((miss) => paint.dim(missText(miss))),
      ];
  }
}

/** Profiles once each, then other people's policies. */
function isolators(causes: readonly PolicyReference[]): string {
  const profiles = [...new Set(causes.flatMap(({ profile }) => profile ?? []))];
  const others = causes
    .filter(({ profile }) => profile === undefined)
    .map(({ namespace, policy }) => `${namespace}/${policy}`);
  const parts = [
    ...(profiles.length > 0 ? [`profile${profiles.length > 1 ? 's' : ''} ${shortList(profiles)}`] : []),
    ...(others.length > 0 ? [`NetworkPolic${others.length > 1 ? 'ies' : 'y'} ${shortList(others)}`] : []),
  ];
  return listText(parts);
}

function causeLines(cause: PolicyReference, prefix: string, paint: Palette): string[] {
  const { description } = cause;
  return [`${prefix}${causeText(cause)}${description === undefined ? '' : `: ${paint.cyan(description)}`}`];
}

function causeText({ namespace, policy, profile, rule, index }: PolicyReference): string {
  const object = `NetworkPolicy ${namespace}/${policy}`;
  if (profile !== undefined && rule !== undefined)
    return `${ruleText(rule)} of profile ${profile} (${policy})`;
  return index === undefined
    ? object
    : `rule ${index + 1} of ${object}${profile === undefined ? " (not the operator's)" : ''}`;
}

function ruleText(rule: string): string {
  return rule.startsWith('baseline.') ? rule : `rule ${rule}`;
}

function missText(miss: NearMiss): string {
  const { gap, podSelector = {}, ports = [] } = miss;
  const detail = {
    ports: `allows it on ${ports.map(portText).join(', ')} only`,
    pods: `is for pods ${selectorText(podSelector)} only`,
    peers: 'allows this port to others only',
  };
  return `close: ${causeText(miss)} ${detail[gap]}`;
}

export function overview(groups: readonly (readonly Answer[])[], paint: Palette): string[] {
  const side = ({ allowed, reason }: DirectionExplanation): Cell =>
    allowed
      ? {
          text: reason === 'Rule' ? 'allowed' : 'open',
          paint: reason === 'Rule' ? paint.green : paint.yellow,
        }
      : { text: 'denied', paint: paint.red };
  return table(
    ['VERDICT', 'FROM', 'TO', 'PORTS', 'EGRESS', 'INGRESS', 'BECAUSE OF'],
    groups.flatMap((group) => {
      const [answer] = group;
      if (answer === undefined) return [];
      const { from, to, explanation } = answer;
      const { allowed, egress, ingress } = explanation;
      return [
        [
          allowed ? { text: 'ALLOWED', paint: paint.green } : { text: 'DENIED', paint: paint.red },
          from.label,
          to.label,
          ports(group),
          side(egress),
          side(ingress),
          because(egress, ingress),
        ],
      ];
    }),
  );
}

function because(egress: DirectionExplanation, ingress: DirectionExplanation): string {
  const deciding = [egress, ingress].filter(({ allowed }) => allowed === (egress.allowed && ingress.allowed));
  const texts = deciding.flatMap(({ allowed, allowedBy, isolatedBy }) =>
    allowed
      ? allowedBy
          .slice(0, 1)
          .map(({ profile, rule, namespace, policy }) =>
            profile ? `${profile}/${rule ?? policy}` : `${namespace}/${policy}`,
          )
      : [isolators(isolatedBy)],
  );
  return [...new Set(texts)].join('; ') || '-';
}

/** Which end denies, and by what. */
export function deniedBecause({ egress, ingress }: Pick<Explanation, 'egress' | 'ingress'>): string {
  const [out, into] = [isolators(egress.isolatedBy), isolators(ingress.isolatedBy)];
  if (egress.allowed) return `no ingress rule of ${into} allows it`;
  if (ingress.allowed) return `no egress rule of ${out} allows it`;
  return out === into
    ? `neither an egress nor an ingress rule of ${out} allows it`
    : `no egress rule of ${out} allows it, and no ingress rule of ${into}`;
}
