/** The processes of the operator: one that leads and its standby. Each may crash, freeze or lose the Lease, and is replaced. */
import type { Dice } from '../faults/model.ts';
import type { EngineSetting } from '../../src/engines/engine.ts';
import type { Network } from './faults/network.ts';
import { Replica } from './replica.ts';
import type { Plan } from './schedule/actions.ts';
import type { Scheduler } from './schedule/scheduler.ts';
import type { Prometheus } from './server/prometheus.ts';

/** Lease duration: after it, another replica may take the Lease, milliseconds. */
const LEASE_MS = 15_000;
/** Renew deadline: after it, the holder stops writing, milliseconds. */
const RENEW_MS = 10_000;

export interface OperatorsOptions {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly prometheus: Prometheus;
  readonly roll: Dice;
  /** The network engine of the operator's configuration when a process starts. */
  readonly setting: () => EngineSetting;
  readonly onElected: () => void;
  /** A process threw an error that nothing catches. */
  readonly onUncaught: (fault: string) => void;
  readonly onNote: (line: string) => void;
}

export class Operators {
  readonly #options: OperatorsOptions;
  readonly #replicas = new Map<string, Replica>();
  readonly #started: Replica[] = [];
  #trap: { left: number; when: 'before' | 'after' } | undefined;

  constructor(options: OperatorsOptions) {
    this.#options = options;
  }

  /** The replicas that have not been replaced. */
  get all(): readonly Replica[] {
    return [...this.#replicas.values()];
  }

  get alive(): readonly Replica[] {
    return this.all.filter(({ isAlive }) => isAlive);
  }

  get leader(): Replica | undefined {
    return this.all.find(({ isLeading }) => isLeading);
  }

  get standby(): Replica | undefined {
    return this.alive.find(({ isLeading }) => !isLeading);
  }

  /** True while a crash at a request is still to come. */
  get hasTrap(): boolean {
    return this.#trap !== undefined;
  }

  replica(name: string): Replica | undefined {
    return this.#replicas.get(name);
  }

  start(): void {
    const { plan, network, prometheus, setting, onUncaught, onNote } = this.#options;
    const { concurrency, resyncMs, hasExceptions, skews } = plan;
    const name = `operator-${this.#started.length + 1}`;
    const skew = skews[this.#started.length % skews.length] ?? 0;
    const replica = new Replica({
      name,
      concurrency,
      resyncMs,
      skew,
      hasExceptions,
      engine: setting(),
      guard: plan.engine?.guard,
      hasMesh: plan.engine?.hasMesh,
      network,
      prometheus,
      onUncaught: (error) => onUncaught(`${name} threw: ${String(error)}`),
    });
    this.#replicas.set(name, replica);
    this.#started.push(replica);
    onNote(`start ${name}`);
  }

  /** After `delay` milliseconds, the first replica with filled caches acquires the free Lease. */
  elect(delay: number): void {
    const { scheduler, onElected, onNote } = this.#options;
    scheduler.after(delay, () => {
      if (this.alive.some(({ isLeading }) => isLeading)) return;
      const next = this.alive.find(({ isReady, isFrozen }) => isReady && !isFrozen);
      if (next === undefined) return this.elect(500);
      onNote(`lead ${next.name}`);
      onElected();
      next.lead();
    });
  }

  /** A process ends without a word. */
  crash(replica: Replica | undefined): void {
    replica?.crash();
    this.#replace(replica);
  }

  /** A process ends as one does that has lost the Lease, or was told to end. */
  retire(replica: Replica | undefined): void {
    replica?.retire();
    this.#replace(replica);
  }

  /** Ends each process that runs, as a changed configuration does. */
  restart(): void {
    for (const replica of this.#started.filter(({ isAlive }) => isAlive)) this.retire(replica);
  }

  /** The leader will crash before it sends one of its next requests, or after the server has carried it out. */
  crashAt(request: number, when: 'before' | 'after'): void {
    this.#trap = { left: request, when };
  }

  /** Counts a request of a replica. True if the crash that was due at it has come. */
  springTrap(name: string, when: 'before' | 'after'): boolean {
    const replica = this.#replicas.get(name);
    if (this.#trap?.when !== when || replica?.isLeading !== true || --this.#trap.left > 0) return false;
    this.#options.onNote(`crash ${name} ${when} a request`);
    this.#trap = undefined;
    this.crash(replica);
    return true;
  }

  /** Stops the leader's process for a while. It may lose the Lease meanwhile, and learns of that only by its clock. */
  freeze(ms: number): void {
    const { scheduler, roll } = this.#options;
    const { leader } = this;
    if (leader === undefined || leader.isFrozen) return;
    leader.freeze(scheduler.time + ms);
    if (ms < RENEW_MS) return;
    scheduler.after(RENEW_MS, () => (leader.isLeading = false));
    this.elect(LEASE_MS);
    // The process runs a moment before it notices.
    scheduler.after(ms + roll(100), () => {
      if (leader.isAlive) this.retire(leader);
    });
  }

  dispose(): void {
    for (const replica of this.#started) replica.dispose();
  }

  #replace(ended: Replica | undefined): void {
    if (ended === undefined) return;
    const { scheduler, roll } = this.#options;
    this.#replicas.delete(ended.name);
    scheduler.after(roll(2000), () => this.start());
    this.elect(LEASE_MS);
  }
}
