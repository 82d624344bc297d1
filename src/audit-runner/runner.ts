/**
 * Audits the cluster in the background of the operator: after changes and on a schedule, one audit at a time, and only
 * while this replica leads.
 *
 * Guarantees: an audit that changes ask for begins no earlier than ten times the duration of the last one after its end,
 * so that audits take at most a tenth of the time; failed audits are repeated with a growing delay. While namespaces wait
 * for their policies, pages are read slowly.
 */
import type { SegmentationProfile } from '../api/profile.ts';
import type { ClusterState } from '../cluster-state/state.ts';
import type { Capability, CapabilityReport } from '../controller/capability.ts';
import type { Transport } from '../kube/http/transport.ts';
import type { AuditMetrics } from '../observability/metrics/registry.ts';
import type { ClusterAuditOptions } from '../options/options.ts';
import { backoffMs } from '../util/backoff.ts';
import { type Clock, type Random, sleep, type Timer } from '../util/clock.ts';
import { errorMessage } from '../util/error-message.ts';
import type { AuditLog } from './log.ts';
import type { AuditEvents } from './events.ts';
import { onChange } from './changes.ts';
import { type AuditRun, runAudit } from './run.ts';
import type { SessionSettings } from './session.ts';
import { AUDIT_CLEAN, auditClean } from './summary.ts';

/** An audit after changes waits this many times as long as the audit before took. */
const REST = 10;
/** First delay after a failed audit, milliseconds. */
const RETRY_MS = 60_000;
/** Pause before each page while the operator has other work, milliseconds. */
const SLOW_PAGE_MS = 2_000;

export interface AuditRunnerOptions {
  readonly audit: ClusterAuditOptions;
  readonly settings: SessionSettings;
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: AuditLog;
  readonly metrics: AuditMetrics;
  readonly events: AuditEvents;
  /** True while namespaces wait for their reconcile. */
  readonly isBusy: () => boolean;
  /** Runs an audit; by default in a thread of its own. */
  readonly run?: typeof runAudit;
}

export class AuditRunner implements Capability {
  readonly #options: AuditRunnerOptions;
  readonly #stopping = new AbortController();
  #timer: { readonly timer: Timer; readonly dueAt: number } | undefined;
  #running: Promise<void> | undefined;
  /** True if something has changed since the running audit began. */
  #isStale = false;
  /** When the next audit may begin at the earliest, monotonic milliseconds. */
  #notBefore = 0;
  #failures = 0;
  /** When the last complete audit ended, or this replica began to lead; monotonic milliseconds. */
  #completedAt: number | undefined;
  #judgement: AuditRun['judgement'] | undefined;
  #problem: string | undefined;
  #onReport: (profile: string) => void = () => {};

  constructor(options: AuditRunnerOptions) {
    this.#options = options;
    options.metrics.age(() =>
      this.#completedAt === undefined ? undefined : options.clock.monotonic() - this.#completedAt,
    );
  }

  lead(onReport: (profile: string) => void): void {
    const { clusterState, audit, clock } = this.#options;
    this.#onReport = onReport;
    this.#completedAt = clock.monotonic();
    onChange(clusterState, () => this.#changed());
    this.#scheduleIn(audit.changeDelay);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#timer?.timer.cancel();
    this.#completedAt = undefined;
    await this.#running;
  }

  /** The condition of an audit before the restart stays until this process has audited. */
  isJudged(): boolean {
    return true;
  }

  report({ metadata, status }: SegmentationProfile): CapabilityReport {
    const judgement = this.#judgement;
    const condition = auditClean({
      audit: judgement?.profiles.get(metadata.name),
      minSeverity: this.#options.audit.minSeverity,
      skipped: judgement?.skipped ?? [],
      problem: this.#problem,
      stored: status?.conditions?.find(({ type }) => type === AUDIT_CLEAN),
    });
    return { condition, isInformation: true, isStalled: false };
  }

  isReleased(): boolean {
    return true;
  }

  #changed(): void {
    if (this.#running === undefined) this.#scheduleIn(this.#options.audit.changeDelay);
    else this.#isStale = true;
  }

  /** Schedules an audit, unless one is due earlier. */
  #scheduleIn(delayMs: number): void {
    const { clock } = this.#options;
    if (this.#stopping.signal.aborted) return;
    const now = clock.monotonic();
    const dueAt = Math.max(now + delayMs, this.#notBefore);
    if (this.#timer !== undefined && this.#timer.dueAt <= dueAt) return;
    this.#timer?.timer.cancel();
    const timer = clock.schedule(dueAt - now, () => {
      this.#timer = undefined;
      this.#running = this.#audit().finally(() => {
        this.#running = undefined;
      });
    });
    this.#timer = { timer, dueAt };
  }

  async #audit(): Promise<void> {
    const { clock, audit, metrics, log } = this.#options;
    const began = clock.monotonic();
    this.#isStale = false;
    let delayMs = audit.interval;
    try {
      const run = await this.#run();
      if (this.#stopping.signal.aborted) return;
      this.#complete(run, clock.monotonic() - began);
      // The findings are known, but their reports have still to be written.
      if (run.reports.kind === 'failed') delayMs = this.#retryDelay();
      else this.#failures = 0;
    } catch (error) {
      // A request may also be aborted because this replica does not lead for a moment.
      if (this.#stopping.signal.aborted) return;
      delayMs = this.#retryDelay();
      this.#problem = `the last audit failed: ${errorMessage(error)}`;
      metrics.ran('failed', clock.monotonic() - began);
      log.failed(error, delayMs);
    }
    const ended = clock.monotonic();
    const rest = this.#failures > 0 ? delayMs : REST * (ended - began);
    this.#notBefore = ended + Math.min(rest, audit.interval);
    this.#scheduleIn(delayMs);
    if (this.#isStale) this.#scheduleIn(audit.changeDelay);
    for (const { key } of this.#options.clusterState.profiles.values()) this.#onReport(key);
  }

  #run(): Promise<AuditRun> {
    const { audit, settings, transport, clock, isBusy, run = runAudit } = this.#options;
    const { signal } = this.#stopping;
    const turn = () => (isBusy() ? sleep(clock, SLOW_PAGE_MS, signal) : Promise.resolve());
    return run({ settings, maxMemoryMiB: audit.maxMemoryMiB, transport, clock, signal, turn });
  }

  #complete(run: AuditRun, durationMs: number): void {
    const { metrics, log, events, clock } = this.#options;
    const { judgement, reports } = run;
    this.#judgement = judgement;
    this.#completedAt = clock.monotonic();
    this.#problem = reports.kind === 'written' ? undefined : reports.message;
    metrics.ran('complete', durationMs);
    metrics.found({ ...judgement, skipped: judgement.skipped.length });
    const written = reports.kind === 'written' ? reports : { reports: 0, writes: 0, conflicts: [] };
    const conflicts = written.conflicts.length;
    metrics.reported({ ...written, conflicts, isAvailable: reports.kind !== 'unavailable' });
    log.complete(run, durationMs);
    // Findings that no report has yet are new to the next audit too, and get their Event then.
    if (reports.kind === 'written') events.record(run.fresh);
  }

  /** Counts a failure. @returns the delay of the next audit, in milliseconds */
  #retryDelay(): number {
    const { audit, random } = this.#options;
    this.#failures += 1;
    return backoffMs(this.#failures, { initialMs: RETRY_MS, maxMs: audit.interval }, random);
  }
}
