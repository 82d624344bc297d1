/** The report of a probe, which its Lease carries. Findings are bounded; proofs grow with the number of nodes. Pure. */
import { DIRECTIONS, type PolicyType } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { isRecord } from '../../util/is-record.ts';
import { compareText } from '../../util/order.ts';
import { rfc3339 } from '../../util/rfc3339.ts';
import { type Finding, findingsOf, nodeOf } from './findings.ts';
import type { FlowRecord, FlowVerdict } from './flow-book.ts';
import type { CanaryPod, Side } from './matrix.ts';

export const VERDICTS = ['passed', 'denied', 'leaked', 'cut', 'settling', 'unproven'] as const;

/** A direction of a node in which the probe saw policies deny, by packets. */
export interface Proof {
  readonly node: string;
  readonly direction: PolicyType;
  readonly families: readonly IPFamily[];
}

export interface Report {
  readonly version: 1;
  /** Counts the rounds of this Pod; a round that began later has a greater number. */
  readonly round: number;
  /** The id of the last request for a round that came before this round; absent if there was none. */
  readonly request?: string;
  readonly pod: string;
  readonly node: string;
  readonly side: Side;
  /** The families of the probe's own addresses. */
  readonly families: readonly IPFamily[];
  /** RFC 3339, by the probe's clock: since when no flow has leaked or been cut. Absent while one does. */
  readonly since?: string;
  readonly counts: Readonly<Record<FlowVerdict, number>>;
  readonly proofs: readonly Proof[];
  readonly findings: readonly Finding[];
  /** Policies in the canary's namespaces that are not of its own profile. */
  readonly foreignPolicies: readonly string[];
  /** How long enforcement took when it was measured last, in milliseconds; absent before the first time. */
  readonly latency?: { readonly allowMs?: number; readonly denyMs?: number };
}

/** Most names of policies in a report. */
const MAX_POLICIES = 5;

export interface ReportInput {
  readonly round: number;
  readonly request: string;
  readonly self: CanaryPod;
  readonly families: readonly IPFamily[];
  readonly records: readonly FlowRecord[];
  readonly foreignPolicies: readonly string[];
  readonly latency?: Report['latency'];
  /** When the last leak or cut ended, or the process started, in milliseconds since the epoch. */
  readonly soundSince: number;
}

export function reportOf(input: ReportInput): Report {
  const { round, request, self, families, records, foreignPolicies, latency, soundSince } = input;
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, records.filter((each) => each.verdict === verdict).length]),
  ) as Record<FlowVerdict, number>;
  const isSound = counts.leaked + counts.cut === 0;
  return {
    version: 1,
    round,
    ...(request !== '' && { request }),
    pod: `${self.namespace}/${self.name}`,
    node: self.node,
    side: self.side,
    families,
    ...(isSound && { since: rfc3339(soundSince) }),
    counts,
    proofs: proofsOf(self, records),
    findings: findingsOf(self, records),
    foreignPolicies: foreignPolicies.slice(0, MAX_POLICIES),
    ...(latency && { latency }),
  };
}

/** A denied flow proves a direction only if policies deny it in that one alone: else the other end may have denied it. */
function proofsOf(self: CanaryPod, records: readonly FlowRecord[]): Proof[] {
  const families = new Map<string, Set<IPFamily>>();
  for (const { flow, isProof } of records) {
    if (!isProof || flow.expectation.verdict !== 'deny') continue;
    const [direction, ...more] = flow.expectation.by;
    if (direction === undefined || more.length > 0) continue;
    const node = direction === 'Egress' ? self.node : nodeOf(flow);
    if (node === '') continue;
    const key = JSON.stringify([node, direction]);
    families.set(key, (families.get(key) ?? new Set()).add(flow.family));
  }
  return [...families]
    .map(([key, seen]) => {
      const [node, direction] = JSON.parse(key) as [string, PolicyType];
      return { node, direction, families: [...seen].sort((a, b) => a - b) };
    })
    .sort((a, b) => compareText(a.node, b.node) || compareText(b.direction, a.direction));
}

/** The report in an annotation; undefined if the text is none, or of another version. */
export function parseReport(text: string | undefined): Report | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
  return isReport(value) ? value : undefined;
}

function isReport(value: unknown): value is Report {
  if (!isRecord(value) || value['version'] !== 1) return false;
  const { round, request = '', pod, node, side, families, counts, proofs, findings, foreignPolicies } = value;
  return (
    typeof round === 'number' &&
    [request, pod, node].every((each) => typeof each === 'string') &&
    (side === 'inside' || side === 'outside') &&
    Array.isArray(families) &&
    isRecord(counts) &&
    VERDICTS.every((verdict) => typeof counts[verdict] === 'number') &&
    Array.isArray(proofs) &&
    proofs.every(isProof) &&
    Array.isArray(findings) &&
    findings.every(isFinding) &&
    isTexts(foreignPolicies)
  );
}

function isProof(value: unknown): boolean {
  return (
    isRecord(value) &&
    typeof value['node'] === 'string' &&
    DIRECTIONS.some((direction) => direction === value['direction']) &&
    Array.isArray(value['families'])
  );
}

function isFinding(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { verdict, from, fromNode, to, toNode, port, protocol, family, denied, since, detail } = value;
  return (
    (verdict === 'leaked' || verdict === 'cut' || verdict === 'unproven') &&
    [from, fromNode, to, toNode, protocol, since, detail].every((each) => typeof each === 'string') &&
    typeof port === 'number' &&
    (family === 4 || family === 6) &&
    isTexts(denied)
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
