/**
 * The findings of a probe's report: flows that are not as the policies say, or that show nothing. Their number is bounded.
 *
 * A fault makes many flows differ at once. The chosen findings are of as many kinds as possible, so that a fault which shows
 * by few flows, such as that of rules by address, is not crowded out by another one. Pure.
 */
import type { PolicyType, Protocol } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { compareText } from '../../util/order.ts';
import { rfc3339 } from '../../util/rfc3339.ts';
import type { Difference, FlowRecord } from './flow-book.ts';
import { type CanaryPod, type PlannedFlow, targetId, targetName } from './matrix.ts';

/** A flow that is not as the policies say, or that shows nothing. */
export interface Finding {
  readonly verdict: 'leaked' | 'cut' | 'unproven';
  readonly from: string;
  readonly fromNode: string;
  /** A pod as NAMESPACE/NAME, or an address. */
  readonly to: string;
  /** Empty for an address outside of the cluster. */
  readonly toNode: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly family: IPFamily;
  /** The directions that policies deny; empty for a flow that must pass. */
  readonly denied: readonly PolicyType[];
  /** RFC 3339, by the probe's clock. */
  readonly since: string;
  readonly detail: string;
}

/** Most findings of each verdict in a report. */
const MAX_FINDINGS = 5;

/** The findings, leaks first: of each verdict those that differ most from each other, and of equal ones the oldest. */
export function findingsOf(self: CanaryPod, records: readonly FlowRecord[]): Finding[] {
  return (['leaked', 'cut', 'unproven'] as const).flatMap((verdict) =>
    mostDifferent(records.filter((record) => record.verdict === verdict)).map((record) =>
      findingOf(self, record, verdict),
    ),
  );
}

/** Chooses one record after the other: always one whose aspects are rarest among those chosen before. */
function mostDifferent(records: readonly FlowRecord[]): FlowRecord[] {
  const left = records
    .map((record) => ({ record, aspects: aspectsOf(record.flow) }))
    .sort((a, b) => a.record.since - b.record.since || compareText(a.record.flow.key, b.record.flow.key));
  const chosen = new Map<string, number>();
  const found: FlowRecord[] = [];
  while (found.length < MAX_FINDINGS && left.length > 0) {
    const counts = left.map(({ aspects }) => aspects.map((aspect) => chosen.get(aspect) ?? 0));
    const best = counts.reduce(
      (least, each, index) => (compareNumbers(each, counts[least] ?? []) < 0 ? index : least),
      0,
    );
    for (const { record, aspects } of left.splice(best, 1)) {
      found.push(record);
      for (const aspect of aspects) chosen.set(aspect, (chosen.get(aspect) ?? 0) + 1);
    }
  }
  return found;
}

/** The aspects by which findings differ, the most telling one first. */
function aspectsOf(flow: PlannedFlow): string[] {
  const { target, family, protocol, port } = flow;
  const kind = target.kind === 'pod' ? target.pod.side : 'address';
  return [
    `kind ${kind} ${deniedBy(flow).join()} ${family}`,
    `node ${nodeOf(flow)}`,
    `target ${targetId(target)}`,
    `port ${protocol} ${port}`,
  ];
}

/** Compares lists of one length by their first difference. */
function compareNumbers(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((each, at) => each !== b[at]);
  return index < 0 ? 0 : (a[index] ?? 0) - (b[index] ?? 0);
}

function deniedBy({ expectation }: PlannedFlow): readonly PolicyType[] {
  return expectation.verdict === 'deny' ? expectation.by : [];
}

function findingOf(
  self: CanaryPod,
  { flow, since, detail }: FlowRecord,
  verdict: Finding['verdict'],
): Finding {
  const { target, port, protocol, family } = flow;
  return {
    verdict,
    from: `${self.namespace}/${self.name}`,
    fromNode: self.node,
    to: targetName(target),
    toNode: nodeOf(flow),
    port,
    protocol,
    family,
    denied: deniedBy(flow),
    since: rfc3339(since),
    detail,
  };
}

/** The leaks and cuts among findings, for the process that takes over. */
export function differencesOf(findings: readonly Finding[]): Difference[] {
  return findings.flatMap(({ verdict, since, ...flow }) =>
    verdict === 'unproven' ? [] : [{ ...flow, verdict, since: Date.parse(since) }],
  );
}

/** The node of a flow's target; empty for an address outside of the cluster. */
export function nodeOf({ target }: PlannedFlow): string {
  return target.kind === 'pod' ? target.pod.node : '';
}
