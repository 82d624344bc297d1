/**
 * The operator's view of the canary: watches the probes' Leases, and says what they prove. Compares no clock of a probe
 * with its own: a report's age is the time since this reader has seen it change.
 */
import type { KubeObject } from '../api/meta.ts';
import type { EnforcementProof } from '../controller/enforcement.ts';
import type { Transport } from '../kube/http/transport.ts';
import { LEASES } from '../kube/lease.ts';
import { Resource } from '../kube/resource.ts';
import { Reflector } from '../kube/watch/reflector.ts';
import { type Item, Store } from '../kube/watch/store.ts';
import type { EnforcementSample } from '../observability/metrics/enforcement-metrics.ts';
import { projectKeyOnly } from '../cluster-state/items.ts';
import type { Clock, Random, Timer } from '../util/clock.ts';
import { ANNOTATION_REPORT, CANARY_NAMESPACES, LABEL_CANARY } from './model/names.ts';
import { parseReport, type Report, VERDICTS } from './model/report.ts';
import {
  isCurrent,
  nodesOf,
  type ObservedReport,
  REPORT_TTL_MS,
  type ReportAge,
  type Verification,
  verify,
} from './model/verification.ts';

export interface CanaryReaderOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Everything is listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  readonly onError: (resource: string, error: unknown, retryInMs: number) => void;
}

interface LeaseItem extends Item {
  /** Undefined for a Lease of somebody else. */
  readonly report: Report | undefined;
  readonly isProbe: boolean;
}

/**
 * The verdict is formed so often, in milliseconds: reports expire without an event, and on a large cluster many change in
 * each second.
 */
const CHECK_MS = 1_000;

export class CanaryReader implements EnforcementProof {
  readonly #options: CanaryReaderOptions;
  readonly #stores = CANARY_NAMESPACES.map(() => new Store<LeaseItem>());
  /** When each report has changed last, by key of its Lease; absent until the first change. Monotonic milliseconds. */
  readonly #changedAt = new Map<string, number>();
  /** When each Lease was seen first, by key. Monotonic milliseconds. */
  readonly #seenAt = new Map<string, number>();
  readonly #listeners = new Set<() => void>();
  /** Monotonic milliseconds. */
  #startedAt = 0;
  #verdict: Verification | 'pending' = 'pending';
  #timer: Timer | undefined;

  constructor(options: CanaryReaderOptions) {
    this.#options = options;
  }

  get verdict(): Verification | 'pending' {
    return this.#verdict;
  }

  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Watches until `signal` is aborted. */
  start(signal: AbortSignal): void {
    const { transport, clock, random, resyncMs, onError } = this.#options;
    this.#startedAt = clock.monotonic();
    const leases = new Resource<KubeObject>(transport, LEASES);
    for (const [index, namespace] of CANARY_NAMESPACES.entries()) {
      const sink = this.#stores[index];
      if (sink === undefined) continue;
      sink.subscribe(({ old, new: next }) => this.#changed(old, next));
      const path = leases.collection(namespace);
      const reflector = new Reflector<LeaseItem>({
        transport,
        path,
        sink,
        clock,
        random,
        relistMs: resyncMs,
        project: projectLease,
        onError: (error, retryInMs) => onError('leases', error, retryInMs),
      });
      void reflector.run(signal);
    }
    this.#schedule(signal);
  }

  /** For the metrics of the operator. */
  sample(): EnforcementSample {
    const reports = this.#reports()
      .filter(isCurrent)
      .map(({ report }) => report);
    const flows = Object.fromEntries(
      VERDICTS.map((verdict) => [verdict, reports.reduce((sum, { counts }) => sum + counts[verdict], 0)]),
    );
    const status = this.#verdict === 'pending' ? 'Unknown' : this.#verdict.status;
    return { status, nodes: nodesOf(reports).length, flows };
  }

  #schedule(signal: AbortSignal): void {
    this.#timer?.cancel();
    if (signal.aborted) return;
    this.#timer = this.#options.clock.schedule(CHECK_MS, () => {
      this.#judge();
      this.#schedule(signal);
    });
  }

  #changed(old: LeaseItem | undefined, next: LeaseItem | undefined): void {
    const key = (next ?? old)?.key ?? '';
    const now = this.#options.clock.monotonic();
    if (next === undefined) {
      this.#changedAt.delete(key);
      this.#seenAt.delete(key);
    } else if (old === undefined) this.#seenAt.set(key, now);
    else if (JSON.stringify(old.report) !== JSON.stringify(next.report)) this.#changedAt.set(key, now);
  }

  #reports(): ObservedReport[] {
    const now = this.#options.clock.monotonic();
    return this.#stores.flatMap((store) =>
      [...store.values()]
        .filter(({ isProbe }) => isProbe)
        .map(({ key, report }) => {
          const changedAt = this.#changedAt.get(key);
          const age: ReportAge =
            changedAt === undefined
              ? { kind: 'unknown', seenForMs: now - (this.#seenAt.get(key) ?? now) }
              : { kind: 'known', ms: now - changedAt };
          return { lease: key, report, age };
        }),
    );
  }

  #judge(): void {
    const isNew = this.#options.clock.monotonic() - this.#startedAt < REPORT_TTL_MS;
    const verdict = verify(this.#reports(), { isNew });
    // A pod that is new in the reader's first minute takes nothing back.
    if (verdict === 'pending' || JSON.stringify(verdict) === JSON.stringify(this.#verdict)) return;
    this.#verdict = verdict;
    for (const listener of this.#listeners) listener();
  }
}

function projectLease(raw: object): LeaseItem {
  const { annotations, labels } = (raw as KubeObject).metadata;
  return {
    ...projectKeyOnly(raw),
    report: parseReport(annotations?.[ANNOTATION_REPORT]),
    isProbe: labels?.[LABEL_CANARY] !== undefined,
  };
}
