/** Text of explanations: verdict, ends and reasons. Pure. */
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
import { dependsText, layerDenial, layerObjectText, layerText } from './layer-text.ts';
import { portText, selectorText } from '../../shell/text.ts';
import { listText } from '../../../util/list-text.ts';
import { shortList } from '../../../util/list-text.ts';

/** Groups answers that differ in the port only. */
export function groupByVerdict(answers: readonly Answer[]): (readonly Answer[])[] {
  return [
    ...Map.groupBy(answers, ({ from, to, family, explanation }) =>
      JSON.stringify([from.label, to.label, family, explanation]),
    ).values(),
  ];
}

/** Text of the ports of a group of answers, with the address family and the tunnel if these matter. Ranges are joined. */
export function portsOf(group: readonly Answer[]): string {
  const ports = group.map(({ port }) => port);
  const text = ports.every(({ to }) => to !== undefined)
    ? formatPorts(ports.map(({ protocol, port, to = port }) => ({ protocol, from: port, to })))
    : ports.map(({ label }) => label).join(', ');
  const { family, explanation } = group[0] ?? {};
  const tunnel = explanation?.tunnelPort;
  return `${text}${tunnel === undefined ? '' : ` through port ${tunnel}`}${family === undefined ? '' : ` over IPv${family}`}`;
}

/** The verdict on a group of answers, with the reasons at each end. */
export function explanationLines(group: readonly Answer[], paint: Palette): string[] {
  const [answer] = group;
  if (answer === undefined) return [];
  const { from, to, explanation } = answer;
  return [
    `${paint.bold(verdictText(explanation, paint))}  ${paint.bold(from.label)} → ${paint.bold(to.label)}  ${portsOf(group)}`,
    '',
    ...endLines('Egress', from, explanation.egress, paint),
    ...endLines('Ingress', to, explanation.ingress, paint),
  ];
}

function verdictText({ verdict }: Explanation, paint: Palette): string {
  return { allowed: paint.green('ALLOWED'), denied: paint.red('DENIED'), unknown: paint.yellow('UNKNOWN') }[
    verdict
  ];
}

/** Aligns the lines of an end with the text after its title. */
const INDENT = ' '.repeat(13);

function endLines(title: string, end: FlowEnd, explanation: DirectionExplanation, paint: Palette): string[] {
  const [mark, ...lines] = reasonLines(end, explanation, paint);
  const { allowed, layer } = explanation;
  const isUnknown = layer?.verdict === 'unknown';
  const sign = isUnknown ? paint.yellow('?') : allowed ? paint.green('✓') : paint.red('✗');
  return [`  ${sign} ${title.padEnd(8)} ${mark ?? ''}`, ...lines.map((line) => INDENT + line)];
}

function reasonLines(end: FlowEnd, explanation: DirectionExplanation, paint: Palette): string[] {
  const { allowed, allowedBy, meantBy, layer } = explanation;
  const [first] = meantBy;
  if (first === undefined || layer?.verdict === 'unknown') return decidingLines(end, explanation, paint);
  // The policies of a tunnel say nothing of the rules that they stand for.
  const through = allowedBy.filter(({ rule }) => meantBy.every((each) => each.rule !== rule));
  if (allowed)
    return [
      ...meantBy.map((each, index) => allowingLine(each, index === 0 ? 'allowed by ' : 'and by ', paint)),
      ...through.map((each) => paint.dim(`through ${referenceText(each)}`)),
    ];
  const [line = ''] = decidingLines(end, explanation, paint);
  return [
    line.replace(', and no rule allows this', ''),
    `${referenceText(first)} means it, and does not hold for the port by which the mesh carries it`,
  ];
}

function decidingLines(end: FlowEnd, explanation: DirectionExplanation, paint: Palette): string[] {
  const { direction, reason, isolatedBy, allowedBy, nearMisses } = explanation;
  const ofLayer = layerText(explanation);
  if (ofLayer !== undefined) return [ofLayer];
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
      return allowedBy.map((allowing, index) =>
        allowingLine(allowing, index === 0 ? 'allowed by ' : 'and by ', paint),
      );
    default:
      return [
        `denied: ${isolators(isolatedBy)} ${new Set(isolatedBy.map(({ profile, policy }) => profile ?? policy)).size === 1 ? 'limits' : 'limit'} ${what}, and no rule allows this`,
        ...nearMisses.slice(0, 2).map((miss) => paint.dim(missText(miss))),
      ];
  }
}

/** Text of the policies that isolate a pod: each profile once, then foreign policies. */
function isolators(policies: readonly PolicyReference[]): string {
  const profiles = [...new Set(policies.flatMap(({ profile }) => profile ?? []))];
  const others = policies
    .filter(({ profile }) => profile === undefined)
    .map(({ namespace, policy }) => `${namespace}/${policy}`);
  const parts = [
    ...(profiles.length > 0 ? [`profile${profiles.length > 1 ? 's' : ''} ${shortList(profiles)}`] : []),
    ...(others.length > 0 ? [`NetworkPolic${others.length > 1 ? 'ies' : 'y'} ${shortList(others)}`] : []),
  ];
  return listText(parts);
}

function allowingLine(allowing: PolicyReference, prefix: string, paint: Palette): string {
  const { description } = allowing;
  return `${prefix}${referenceText(allowing)}${description === undefined ? '' : `: ${paint.cyan(description)}`}`;
}

function referenceText(reference: PolicyReference): string {
  const { namespace, policy, profile, rule, ruleKind, index, exception } = reference;
  const object = `NetworkPolicy ${namespace}/${policy}`;
  if (exception !== undefined && rule !== undefined)
    return `${ruleText(rule, ruleKind)} of exception ${namespace}/${exception.name} until ${exception.until} (${policy})`;
  if (profile !== undefined && rule !== undefined)
    return `${ruleText(rule, ruleKind)} of profile ${profile} (${policy})`;
  return index === undefined
    ? object
    : `rule ${index + 1} of ${object}${profile === undefined ? " (not the operator's)" : ''}`;
}

function ruleText(rule: string, kind: PolicyReference['ruleKind']): string {
  return rule.startsWith('baseline.') ? rule : `${kind ?? 'rule'} ${rule}`;
}

function missText(miss: NearMiss): string {
  const { gap, podSelector = {}, ports = [] } = miss;
  const detail = {
    ports: `allows it on ${ports.map(portText).join(', ')} only`,
    pods: `is for pods ${selectorText(podSelector)} only`,
    peers: 'allows this port to others only',
  };
  return `close: ${referenceText(miss)} ${detail[gap]}`;
}

/** A table with a line for each group of answers. */
export function answerTable(groups: readonly (readonly Answer[])[], paint: Palette): string[] {
  const side = ({ allowed, reason, layer }: DirectionExplanation): Cell => {
    if (layer?.verdict === 'unknown') return { text: 'unknown', paint: paint.yellow };
    return allowed
      ? {
          text: reason === 'Rule' || layer ? 'allowed' : 'open',
          paint: reason === 'Rule' || layer ? paint.green : paint.yellow,
        }
      : { text: 'denied', paint: paint.red };
  };
  return table(
    ['VERDICT', 'FROM', 'TO', 'PORTS', 'EGRESS', 'INGRESS', 'BECAUSE OF'],
    groups.flatMap((group) => {
      const [answer] = group;
      if (answer === undefined) return [];
      const { from, to, explanation } = answer;
      const { verdict, egress, ingress } = explanation;
      const colour = { allowed: paint.green, denied: paint.red, unknown: paint.yellow }[verdict];
      return [
        [
          { text: verdict.toUpperCase(), paint: colour },
          from.label,
          to.label,
          portsOf(group),
          side(egress),
          side(ingress),
          because(explanation),
        ],
      ];
    }),
  );
}

function because({ verdict, egress, ingress }: Explanation): string {
  const deciding = [egress, ingress].filter((side) => verdictOf(side) === verdict);
  const texts = deciding.flatMap(({ allowed, allowedBy, isolatedBy, layer }) => {
    if (layer !== undefined)
      return (layer.by === undefined ? layer.dependsOn : [layer.by]).map(({ object }) =>
        layerObjectText(object),
      );
    return allowed
      ? allowedBy
          .slice(0, 1)
          .map(({ profile, rule, namespace, policy, exception }) =>
            exception !== undefined
              ? `exception ${namespace}/${exception.name}`
              : profile
                ? `${profile}/${rule ?? policy}`
                : `${namespace}/${policy}`,
          )
      : [isolators(isolatedBy)];
  });
  return [...new Set(texts)].join('; ') || '-';
}

function verdictOf({ allowed, layer }: DirectionExplanation): Explanation['verdict'] {
  return layer?.verdict ?? (allowed ? 'allowed' : 'denied');
}

/** Text of the rules on which an unknown verdict depends. */
export function unknownBecause({ egress, ingress }: Pick<Explanation, 'egress' | 'ingress'>): string {
  return dependsText([egress, ingress].flatMap(({ layer }) => layer?.dependsOn ?? []));
}

/** Text that names the ends that deny a flow, and the profiles or policies that isolate them. */
export function deniedBecause({ egress, ingress }: Pick<Explanation, 'egress' | 'ingress'>): string {
  const ofLayers = [egress, ingress].flatMap((side) => layerDenial(side) ?? []);
  if (ofLayers.length > 0) return [...new Set(ofLayers)].join('; ');
  const [out, into] = [isolators(egress.isolatedBy), isolators(ingress.isolatedBy)];
  if (verdictOf(egress) !== 'denied') return `no ingress rule of ${into} allows it`;
  if (verdictOf(ingress) !== 'denied') return `no egress rule of ${out} allows it`;
  return out === into
    ? `neither an egress nor an ingress rule of ${out} allows it`
    : `no egress rule of ${out} allows it, and no ingress rule of ${into}`;
}
