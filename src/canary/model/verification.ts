/**
 * The verdict on the cluster, from the reports of all probes: do packets show that policies are enforced? Pure.
 *
 * A report's age is measured by its reader, as the time in which it has not changed: the clocks of probes may be wrong.
 */
import { DIRECTIONS, type PolicyType } from '../../api/network-policy.ts';
import type { ConditionStatus } from '../../api/meta.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { counted, listText, shortList } from '../../util/list-text.ts';
import { compareText } from '../../util/order.ts';
import type { Finding } from './findings.ts';
import { CANARY_NAMESPACES } from './names.ts';
import type { Report } from './report.ts';

/** A report is evidence for so long, in milliseconds; a probe reports every ten seconds. */
export const REPORT_TTL_MS = 60_000;

export interface ObservedReport {
  /** The Lease as NAMESPACE/NAME. */
  readonly lease: string;
  /** Undefined if the Lease carries none that can be read. */
  readonly report: Report | undefined;
  readonly age: ReportAge;
}

/** In milliseconds. A report that has not changed since its reader has first seen it may be of any age. */
export type ReportAge =
  | { readonly kind: 'known'; readonly ms: number }
  | { readonly kind: 'unknown'; readonly seenForMs: number };

export interface Verification {
  readonly status: ConditionStatus;
  readonly reason: 'Verified' | 'FlowLeaked' | 'FlowCut' | 'NotProven' | 'NoReport';
  readonly message: string;
}

/** A node whose probe has run so many rounds has to be proven: until then its flows are only beginning. */
const FIRST_ROUNDS = 6;

/** How many findings a message has. */
const NAMED = 3;

export interface Reader {
  /** True in the first minute of the reader, in which the age of a report may be unknown to it. */
  readonly isNew: boolean;
  /** How long a silent probe has not reported, for the message; by default `for over a minute`. */
  readonly silence?: string;
}

/** @returns `pending` if a new reader can't say yet; a leak or a cut is certain at any time */
export function verify(
  reports: readonly ObservedReport[],
  { isNew, silence = 'for over a minute' }: Reader,
): Verification | 'pending' {
  const current = reports.filter(isCurrent).map(({ report }) => report);
  const findings = current.flatMap((report) => report.findings).sort(bySubject);
  const [leaked, cut] = (['leaked', 'cut'] as const).map((kind) =>
    findings.filter(({ verdict }) => verdict === kind),
  ) as [Finding[], Finding[]];
  if (leaked.length > 0) return { status: 'False', reason: 'FlowLeaked', message: leakedMessage(leaked) };
  if (cut.length > 0) return { status: 'False', reason: 'FlowCut', message: cutMessage(cut) };
  const others = reports.filter((each) => !isCurrent(each));
  const silent = others.filter(({ age }) => age.kind === 'known' || age.seenForMs >= REPORT_TTL_MS);
  if (isNew && (others.length > 0 || current.length === 0)) return 'pending';
  if (silent.length > 0 || current.length === 0)
    return { status: 'Unknown', reason: 'NoReport', message: silentMessage(silent, silence) };
  return verifiedOrNot(current);
}

/** True if the report is evidence now. */
export function isCurrent(each: ObservedReport): each is ObservedReport & { readonly report: Report } {
  return each.report !== undefined && each.age.kind === 'known' && each.age.ms <= REPORT_TTL_MS;
}

function verifiedOrNot(reports: readonly Report[]): Verification {
  const nodes = nodesOf(reports);
  if (nodes.length === 0) {
    const message = `no probe runs in namespace ${CANARY_NAMESPACES[0]}, where policies are tried; see its Pods`;
    return { status: 'Unknown', reason: 'NotProven', message };
  }
  const missing = missingByNode(reports);
  const verified = nodes.filter((node) => !missing.has(node));
  const demanded = nodesOf(reports.filter(({ round }) => round > FIRST_ROUNDS));
  const unproven = (verified.length === 0 ? nodes : demanded).flatMap((node) => missing.get(node) ?? []);
  if (unproven.length > 0)
    return { status: 'Unknown', reason: 'NotProven', message: unprovenMessage(unproven, reports) };
  const message = `packets pass and are denied as the policies say, on ${nodesText(verified)}`;
  return { status: 'True', reason: 'Verified', message };
}

/** The nodes of the pods whose policies are tried, in order. */
export function nodesOf(reports: readonly Report[]): string[] {
  const nodes = reports.filter(({ side }) => side === 'inside').map(({ node }) => node);
  return [...new Set(nodes)].sort(compareText);
}

/**
 * The directions that no packet has shown yet, by node, each in a family that the pods of the node have. A node whose
 * directions are all shown is absent. Looks at each proof once, as a large cluster has many nodes.
 */
function missingByNode(reports: readonly Report[]): Map<string, string[]> {
  const keyOf = (node: string, direction: PolicyType, family: IPFamily) => `${family} ${direction} ${node}`;
  const proven = new Set(
    reports.flatMap(({ proofs }) =>
      proofs.flatMap(({ node, direction, families }) =>
        families.map((family) => keyOf(node, direction, family)),
      ),
    ),
  );
  const families = new Map<string, Set<IPFamily>>();
  for (const { node, side, families: own } of reports)
    if (side === 'inside') families.set(node, new Set([...(families.get(node) ?? []), ...own]));
  const missing = new Map<string, string[]>();
  for (const [node, own] of families) {
    const texts = DIRECTIONS.flatMap((direction) =>
      [...own]
        .sort((a, b) => a - b)
        .filter((family) => !proven.has(keyOf(node, direction, family)))
        .map((family) => `${direction.toLowerCase()} by IPv${family} on node ${node}`),
    );
    if (texts.length > 0) missing.set(node, texts);
  }
  return missing;
}

function unprovenMessage(missing: readonly string[], reports: readonly Report[]): string {
  const what = `no packet has shown ${shortList(missing, { most: NAMED })} to be enforced`;
  const foreign = [...new Set(reports.flatMap(({ foreignPolicies }) => foreignPolicies))].sort(compareText);
  if (foreign.length > 0) {
    const names = shortList(foreign, { most: NAMED });
    return `${what}: foreign NetworkPolicies in the canary's namespaces decide with it (${names}); delete them`;
  }
  const [first] = reports
    .flatMap(({ findings }) => findings.filter(({ verdict }) => verdict === 'unproven'))
    .sort(bySubject);
  if (first !== undefined) return `${what}: ${flowText(first)}: ${first.detail}`;
  return `${what}: no policy denies a flow of the canary, or the flows have not been tried yet; see SegmentationProfile segmentation-canary`;
}

function leakedMessage(findings: readonly Finding[]): string {
  const places = [...new Set(findings.map(placeText))];
  return `${listText(places.slice(0, NAMED))}: ${flowsText(findings, 'passes and must not')}`;
}

/** `egress is not enforced on node a`; of a flow that both ends deny, both. */
function placeText({ denied, fromNode, toNode }: Finding): string {
  const ends = denied.map(
    (direction) => `${direction.toLowerCase()} on node ${direction === 'Egress' ? fromNode : toNode}`,
  );
  return `${listText(ends)} ${ends.length === 1 ? 'is' : 'are'} not enforced`;
}

function cutMessage(findings: readonly Finding[]): string {
  return flowsText(findings, 'does not pass and must');
}

function flowsText(findings: readonly Finding[], verb: string): string {
  const [first] = findings;
  if (first === undefined) return '';
  const more = findings.length > 1 ? `; and ${counted(findings.length - 1, 'more flow')}` : '';
  const detail = first.detail === '' ? '' : ` (${first.detail})`;
  return `${flowText(first)} ${verb}${detail}${more}`;
}

/** `segmentation-canary/a on node n to 10.0.0.1, TCP 8602, IPv4`. */
export function flowText({ from, fromNode, to, toNode, port, protocol, family }: Finding): string {
  const target = toNode === '' ? `address ${to}` : `${to} on node ${toNode}`;
  return `${from} on node ${fromNode} to ${target}, ${protocol} ${port}, IPv${family}`;
}

function silentMessage(silent: readonly ObservedReport[], silence: string): string {
  if (silent.length === 0)
    return `no probe of the canary reports; see the Pods of namespaces ${listText(CANARY_NAMESPACES)}`;
  const probes = silent.map(({ report, lease }) =>
    report === undefined ? lease : `${report.pod} on node ${report.node}`,
  );
  return `no word from ${shortList(probes.sort(compareText), { most: NAMED })} ${silence}; see the log of the Pod, and the node`;
}

function nodesText(nodes: readonly string[]): string {
  return `${counted(nodes.length, 'node')}: ${shortList(nodes, { most: NAMED })}`;
}

function bySubject(a: Finding, b: Finding): number {
  return (
    compareText(a.toNode, b.toNode) ||
    compareText(a.fromNode, b.fromNode) ||
    compareText(a.to, b.to) ||
    compareText(a.from, b.from) ||
    a.port - b.port ||
    compareText(a.protocol, b.protocol) ||
    a.family - b.family
  );
}
