/**
 * The probe: tries all its flows every ten seconds, and when a client asks for a round; keeps what it learns, and reports it.
 * It writes its own Lease, and, if it is the first probe outside, the NetworkPolicy that measures latency; nothing else.
 */
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { isAborted } from '../../kube/errors.ts';
import type { Logger } from '../../observability/logs/logger.ts';
import type { CanaryMetrics } from '../../observability/metrics/canary-metrics.ts';
import type { Resource } from '../../kube/resource.ts';
import { ipFamily } from '../../policy/semantics/cidr.ts';
import { type Clock, type Random, sleep } from '../../util/clock.ts';
import { differencesOf } from '../model/findings.ts';
import { FlowBook } from '../model/flow-book.ts';
import { plannedFlows, type Surroundings } from '../model/matrix.ts';
import { type Report, reportOf } from '../model/report.ts';
import { delayMs } from '../model/request.ts';
import { flowText, REPORT_TTL_MS } from '../model/verification.ts';
import type { Attempt } from './attempt.ts';
import { type Change, flip, flips } from './flip.ts';
import { earlierReport, type LeaseWriter, publish } from './publish.ts';
import type { Requests } from './requests.ts';
import { tryFlows, unchangedFlows } from './round.ts';

/** Time between the beginnings of two rounds, in milliseconds. */
export const ROUND_MS = 10_000;
/** Shortest pause between two rounds, in milliseconds, however often a client asks for one. */
const LEAST_PAUSE_MS = 1_000;
/** Time between two measurements of latency, in milliseconds. */
const FLIP_MS = 5 * 60_000;

export interface ProbeOptions {
  readonly watcher: {
    current(signal: AbortSignal): Promise<Surroundings | undefined>;
    foreignPolicies(): string[];
  };
  readonly requests: Pick<Requests, 'id' | 'wait'>;
  readonly leases: LeaseWriter;
  readonly policies: Pick<Resource<NetworkPolicy>, 'create' | 'delete'>;
  readonly attempt: Attempt;
  readonly metrics: Pick<CanaryMetrics, 'attempted' | 'flows' | 'roundEnded' | 'latency'>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

export class Probe {
  readonly #options: ProbeOptions;
  readonly #book = new FlowBook();
  #round = 0;
  #hasResumed = false;
  /** How many probes there were in the last round. */
  #probes = 0;
  /** The id of the request that the last round answers. */
  #request = '';
  #soundSince: number;
  #latency: Report['latency'];
  #flippedAt = Number.NEGATIVE_INFINITY;
  #flipping: Promise<void> | undefined;
  /** The state of each kind that was logged last: a state is logged once, and not in each round. */
  readonly #logged = new Map<string, string>();

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.#soundSince = options.clock.now();
  }

  /** Runs rounds until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, requests } = this.#options;
    while (!signal.aborted) {
      const began = clock.monotonic();
      // A round that fails is not repeated at once: it has answered the request by its error.
      this.#request = requests.id;
      try {
        await this.#runRound(signal);
        this.#logOnce('round', '', () => {});
      } catch (error) {
        if (!isAborted(error)) this.#warnOnce('round', 'a round could not be completed', error);
      }
      // Probes that start together drift apart.
      const pauseMs = ROUND_MS * (0.9 + 0.2 * random()) - (clock.monotonic() - began);
      await sleep(clock, Math.min(LEAST_PAUSE_MS, Math.max(0, pauseMs)), signal);
      await requests.wait(this.#request, Math.max(0, pauseMs - LEAST_PAUSE_MS), signal);
      if (requests.id !== this.#request) await sleep(clock, delayMs(this.#probes, random()), signal);
    }
    await this.#flipping;
  }

  async #runRound(signal: AbortSignal): Promise<void> {
    const { watcher, attempt, metrics, clock } = this.#options;
    const before = await watcher.current(signal);
    if (before === undefined) {
      this.#warnOnce('self', 'the own Pod is not among the Pods of the canary with an address of their own');
      return;
    }
    await this.#resume(before, signal);
    this.#probes = before.pods.length;
    const round = ++this.#round;
    const planned = plannedFlows(before, round);
    const outcomes = await tryFlows(planned, attempt, before.self.ips);
    const after = await watcher.current(signal);
    if (after === undefined || signal.aborted) return;
    const flows = unchangedFlows(planned, plannedFlows(after, round));
    const times = { now: clock.now(), monotonic: clock.monotonic() };
    this.#book.keep(new Set(after.pods.map(({ uid }) => uid)));
    this.#book.note(flows, outcomes, times);
    for (const { kind } of outcomes.values()) metrics.attempted(kind);
    const report = this.#report(after, round);
    metrics.flows(report.counts);
    metrics.roundEnded(times.now);
    this.#logDifferences(report);
    this.#measureLatency(after, signal);
    await publish(this.#options.leases, { self: after.self, report, now: clock.now() }, signal);
  }

  /** Goes on where an earlier process of this Pod has ended, so that a restart is neither a repair nor a fault. */
  async #resume({ self }: Surroundings, signal: AbortSignal): Promise<void> {
    if (this.#hasResumed) return;
    const earlier = await earlierReport(this.#options.leases, self, signal);
    this.#hasResumed = true;
    if (earlier === undefined) return;
    const { report, writtenAt } = earlier;
    this.#round = report.round;
    this.#latency = report.latency;
    this.#book.resume(differencesOf(report.findings));
    // A longer silence leaves a time of which nobody knows.
    const isRecent = Math.abs(this.#options.clock.now() - writtenAt) <= REPORT_TTL_MS;
    if (report.since !== undefined && isRecent) this.#soundSince = Date.parse(report.since);
  }

  #report({ self }: Surroundings, round: number): Report {
    const { watcher, clock } = this.#options;
    const records = this.#book.records;
    if (records.some(({ verdict }) => verdict === 'leaked' || verdict === 'cut'))
      this.#soundSince = clock.now();
    const families = new Set(self.ips.map(ipFamily).filter((each) => each !== undefined));
    return reportOf({
      round,
      request: this.#request,
      self,
      families: [...families].sort((a, b) => a - b),
      records,
      foreignPolicies: watcher.foreignPolicies(),
      latency: this.#latency,
      soundSince: this.#soundSince,
    });
  }

  /** Begins a measurement beside the rounds, if it is this probe's turn and time for one. */
  #measureLatency(surroundings: Surroundings, signal: AbortSignal): void {
    const { clock, policies, attempt, metrics } = this.#options;
    const isDue = clock.monotonic() - this.#flippedAt >= FLIP_MS;
    if (!isDue || this.#flipping !== undefined || !flips(surroundings)) return;
    this.#flippedAt = clock.monotonic();
    const onMeasured = (change: Change, latencyMs: number | undefined) => {
      metrics.latency(change, latencyMs);
      if (latencyMs !== undefined)
        this.#latency = { ...this.#latency, [`${change}Ms`]: Math.round(latencyMs) };
    };
    this.#flipping = flip(surroundings, { policies, attempt, clock, onMeasured }, signal)
      .then(() => this.#logOnce('flip', '', () => {}))
      .catch((error: unknown) => {
        if (!isAborted(error)) this.#warnOnce('flip', 'latency could not be measured', error);
      })
      .finally(() => (this.#flipping = undefined));
  }

  #logDifferences({ counts, findings }: Report): void {
    const { logger } = this.#options;
    const different = findings.filter(({ verdict }) => verdict !== 'unproven');
    const state = different.map((finding) => `${finding.verdict} ${flowText(finding)}`).join('; ');
    this.#logOnce('flows', state, () => {
      const { leaked, cut } = counts;
      if (state === '') logger.info('all flows are as the policies say');
      else logger.error('flows are not as the policies say', { leaked, cut, first: state });
    });
  }

  #warnOnce(kind: string, message: string, error?: unknown): void {
    const { logger } = this.#options;
    const cause = error instanceof Error ? error.message : '';
    this.#logOnce(kind, `${message} ${cause}`, () =>
      logger.warn(message, error === undefined ? {} : { error }),
    );
  }

  /** Calls `log` if the state of `kind` is another than before; '' is the state in which all is well. */
  #logOnce(kind: string, state: string, log: () => void): void {
    const was = this.#logged.get(kind) ?? '';
    if (was === state) return;
    if (state === '') this.#logged.delete(kind);
    else this.#logged.set(kind, state);
    log();
  }
}
