/**
 * Sums up mapped flows in bounded memory: by source, destination, port, protocol and verdict. Addresses that no policy
 * tells apart share an entry.
 */
import type { Protocol } from '../api/network-policy.ts';
import type { FlowVerdict, ObservedFlow, SkipReason } from './flow.ts';
import type { FlowMapper, MappedEnd, UnmappedReason } from './mapper.ts';

/** Flows between two ends on one port. */
export interface FlowGroup {
  readonly from: FlowGroupEnd;
  readonly to: FlowGroupEnd;
  readonly port: number;
  readonly protocol: Protocol;
  readonly verdict: FlowVerdict;
  /** How often it was seen. A flow that both ends recorded counts once. */
  readonly count: number;
  /** In milliseconds since 1970; undefined if the log has no times. */
  readonly firstSeen: number | undefined;
  readonly lastSeen: number | undefined;
}

export type FlowGroupEnd =
  | Exclude<MappedEnd, { kind: 'address' }>
  | {
      readonly kind: 'addresses';
      /** The first addresses, in order of appearance. */
      readonly ips: ReadonlySet<string>;
      /** True if there were more addresses. */
      readonly hasMore: boolean;
    };

/** Flows of which an end is unmapped, for one reason. */
export interface UnmappedFlows {
  readonly reason: UnmappedReason;
  readonly count: number;
  /** How many of them were denied. */
  readonly denied: number;
  /** Some of the ends, as the log has them. */
  readonly ends: ReadonlySet<string>;
}

export interface FlowTableOptions {
  readonly mapper: FlowMapper;
  /** Equal for addresses that no policy tells apart. */
  readonly cellOf: (ip: string) => string;
  /** Flows that ended before are left out; in milliseconds since 1970. */
  readonly since?: number;
  /** Most groups. Further groups are counted in `overflow`. */
  readonly maxGroups?: number;
}

const MAX_GROUPS = 250_000;
/** Addresses that a group remembers. */
const MAX_ADDRESSES = 64;
/** Unmapped ends that are remembered for each reason. */
const MAX_EXAMPLES = 5;

export class FlowTable {
  readonly #options: FlowTableOptions;
  readonly #groups = new Map<string, MutableGroup>();
  readonly #unmapped = new Map<UnmappedReason, { count: number; denied: number; ends: Set<string> }>();
  readonly #skipped = new Map<SkipReason, number>();
  readonly #keys = new WeakMap<MappedEnd, string>();
  #flows = 0;
  #overflow = 0;
  #first: number | undefined;
  #last: number | undefined;
  #lastTooOld: number | undefined;

  constructor(options: FlowTableOptions) {
    this.#options = options;
  }

  /** Number of flows that records stand for, also of unmapped ones. A flow that both ends recorded counts twice. */
  get flows(): number {
    return this.#flows;
  }

  /** Number of flows that had no room: without them, no answer is complete. */
  get overflow(): number {
    return this.#overflow;
  }

  /** Times of the earliest and the latest flow; undefined if the logs have no times. */
  get window(): { readonly first: number; readonly last: number } | undefined {
    return this.#first === undefined || this.#last === undefined
      ? undefined
      : { first: this.#first, last: this.#last };
  }

  /** Time of the latest flow before `since`; undefined if there was none. */
  get lastTooOld(): number | undefined {
    return this.#lastTooOld;
  }

  get skipped(): ReadonlyMap<SkipReason, number> {
    return this.#skipped;
  }

  get unmapped(): UnmappedFlows[] {
    return [...this.#unmapped].map(([reason, entry]) => ({ reason, ...entry }));
  }

  get groups(): FlowGroup[] {
    return [...this.#groups.values()];
  }

  skip(reason: SkipReason): void {
    this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + 1);
  }

  add(flow: ObservedFlow): void {
    const { time, count } = flow;
    const { since, mapper } = this.#options;
    if (since !== undefined && time !== undefined && time < since) {
      this.skip('too-old');
      if (this.#lastTooOld === undefined || time > this.#lastTooOld) this.#lastTooOld = time;
      return;
    }
    const mapping = mapper.map(flow);
    if (mapping.kind === 'reply' || mapping.kind === 'local-node') {
      this.skip(mapping.kind);
      return;
    }
    this.#flows += count;
    if (time !== undefined) {
      if (this.#first === undefined || time < this.#first) this.#first = time;
      if (this.#last === undefined || time > this.#last) this.#last = time;
    }
    if (mapping.kind === 'unmapped') {
      this.#addUnmapped(mapping.reason, mapping.end, flow);
      return;
    }
    const { from, to, port } = mapping;
    const key = `${this.#keyOf(from)} ${this.#keyOf(to)} ${port} ${flow.protocol} ${flow.verdict}`;
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size >= (this.#options.maxGroups ?? MAX_GROUPS)) {
        this.#overflow += count;
        return;
      }
      group = new MutableGroup({ from, to, port, protocol: flow.protocol, verdict: flow.verdict });
      this.#groups.set(key, group);
    }
    group.add(flow, from, to);
  }

  #addUnmapped(reason: UnmappedReason, end: string, { count, verdict }: ObservedFlow): void {
    let entry = this.#unmapped.get(reason);
    if (entry === undefined) this.#unmapped.set(reason, (entry = { count: 0, denied: 0, ends: new Set() }));
    entry.count += count;
    if (verdict === 'denied') entry.denied += count;
    if (entry.ends.size < MAX_EXAMPLES) entry.ends.add(end);
  }

  #keyOf(end: MappedEnd): string {
    if (end.kind === 'address') return this.#options.cellOf(end.ip);
    if (end.kind === 'node') return `node/${end.name}`;
    let key = this.#keys.get(end);
    if (key === undefined) {
      const { kind, namespace, name } = end.workload;
      this.#keys.set(end, (key = `${namespace}/${kind}/${name}`));
    }
    return key;
  }
}

interface GroupIdentity {
  readonly from: MappedEnd;
  readonly to: MappedEnd;
  readonly port: number;
  readonly protocol: Protocol;
  readonly verdict: FlowVerdict;
}

class MutableGroup implements FlowGroup {
  readonly from: MutableGroupEnd;
  readonly to: MutableGroupEnd;
  readonly port: number;
  readonly protocol: Protocol;
  readonly verdict: FlowVerdict;
  firstSeen: number | undefined;
  lastSeen: number | undefined;
  #atSource = 0;
  #atDestination = 0;
  #elsewhere = 0;

  constructor({ from, to, port, protocol, verdict }: GroupIdentity) {
    this.from = groupEndOf(from);
    this.to = groupEndOf(to);
    this.port = port;
    this.protocol = protocol;
    this.verdict = verdict;
  }

  get count(): number {
    return Math.max(this.#atSource, this.#atDestination) + this.#elsewhere;
  }

  add({ time, count, observedAt }: ObservedFlow, from: MappedEnd, to: MappedEnd): void {
    if (observedAt === 'source') this.#atSource += count;
    else if (observedAt === 'destination') this.#atDestination += count;
    else this.#elsewhere += count;
    if (time !== undefined) {
      if (this.firstSeen === undefined || time < this.firstSeen) this.firstSeen = time;
      if (this.lastSeen === undefined || time > this.lastSeen) this.lastSeen = time;
    }
    addAddress(this.from, from);
    addAddress(this.to, to);
  }
}

type MutableGroupEnd =
  | Exclude<MappedEnd, { kind: 'address' }>
  | { readonly kind: 'addresses'; readonly ips: Set<string>; hasMore: boolean };

function groupEndOf(end: MappedEnd): MutableGroupEnd {
  return end.kind === 'address' ? { kind: 'addresses', ips: new Set(), hasMore: false } : end;
}

function addAddress(group: MutableGroupEnd, end: MappedEnd): void {
  if (group.kind !== 'addresses' || end.kind !== 'address') return;
  if (group.ips.size < MAX_ADDRESSES) group.ips.add(end.ip);
  else if (!group.ips.has(end.ip)) group.hasMore = true;
}
