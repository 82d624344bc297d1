/**
 * One schedule: the real controller against the model of the API server, in virtual time, with everything that happens
 * chosen by seed. The same plan always runs in the same way.
 */
import { createHash } from 'node:crypto';
import { dice, type Dice } from '../faults/model.ts';
import { compareWithIntent, type Convergence } from './judge/convergence.ts';
import { Network } from './faults/network.ts';
import type { Action, Plan, Round } from './schedule/plan.ts';
import { Replica } from './replica.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { startControllers } from './server/controllers.ts';
import { Server } from './server/server.ts';
import { Users } from './schedule/users.ts';
import { NO_FAULTS } from './faults/rates.ts';
import { Recorder } from './judge/recorder.ts';

/** From when the faults stop until all is as it should be, milliseconds: a watch that is silent takes 90 s to be noticed. */
const SETTLE_MS = 300_000;
/** Nothing may be written for so long once all has settled, milliseconds. */
const QUIET_MS = 60_000;
/** The same where events were lost: they are found by the next list, at the end of a watch, milliseconds. */
const RELIST_MS = 700_000;
/** A Lease that nobody renews is free after this, milliseconds. */
const LEASE_MS = 15_000;
/** Its holder writes no more so long after it renewed it last, milliseconds. */
const RENEW_MS = 10_000;
/**
 * Requests in one second beyond which the operator is in a busy loop: three edits of all profiles within a second, each of
 * which rewrites all namespaces, take 150 to 200, and a loop of four workers, with some 5 ms for each answer, 800.
 */
export const MAX_REQUESTS_PER_SECOND = 300;

export interface Result {
  /** What went wrong; undefined if nothing did. */
  readonly fault: string | undefined;
  /** What happened, one line each; only where it was asked for. */
  readonly trace: readonly string[];
  /** Of the trace, whether or not it was asked for. */
  readonly digest: string;
  readonly counts: Readonly<Record<string, number>>;
}

export async function simulate(plan: Plan, traced = false): Promise<Result> {
  const simulation = new Simulation(plan, traced);
  return simulation.run();
}

class Simulation {
  readonly #plan: Plan;
  readonly #scheduler = new Scheduler();
  readonly #server: Server;
  readonly #network: Network;
  readonly #recorder: Recorder;
  readonly #users: Users;
  readonly #roll: Dice;
  readonly #replicas = new Map<string, Replica>();
  readonly #trace: string[] = [];
  /** All that is told in the trace, without details. */
  readonly #told: string[] = [];
  readonly #traced: boolean;
  readonly #perSecond = new Map<number, number>();
  #mostRequests = 0;
  #fault: string | undefined;

  constructor(plan: Plan, traced: boolean) {
    this.#plan = plan;
    this.#traced = traced;
    this.#roll = dice(plan.seed + 1);
    this.#server = new Server(() => this.#scheduler.time);
    this.#recorder = new Recorder(
      this.#server.storage,
      () => this.#scheduler.time,
      (name) => {
        const replica = this.#replicas.get(name);
        return replica && { clusterState: replica.controller.clusterState, leads: replica.isLeading };
      },
    );
    this.#server.storage.subscribe(({ at, type, kind, key, object, author }) => {
      const content = this.#traced
        ? JSON.stringify(kind.plural === 'namespaces' ? object.metadata.labels : (object['spec'] ?? ''))
        : '';
      this.#note(`${at} ${author} ${type} ${kind.plural} ${key}`, content);
    });
    this.#network = new Network(this.#scheduler, this.#server, this.#roll, {
      onSend: (replica, request) => {
        if (this.#isTrap(replica, 'before')) return;
        this.#recorder.onSend(replica, request);
        const second = Math.floor(this.#scheduler.time / 1000);
        const count = (this.#perSecond.get(second) ?? 0) + 1;
        this.#perSecond.set(second, count);
        this.#mostRequests = Math.max(this.#mostRequests, count);
        if (count > MAX_REQUESTS_PER_SECOND)
          this.#fault ??= `I8, a busy loop: ${count} requests in one second, the last ${request.method} ${request.path}`;
      },
      onHandled: (replica, request, answer, sent) => {
        this.#recorder.onHandled(replica, request, answer, sent);
        this.#note(`${replica} ${request.method} ${request.path} ${answer.status}`, ` sent at ${sent}`);
        this.#isTrap(replica, 'after');
      },
      onNote: (line) => this.#note(line),
    });
    this.#users = new Users(this.#server);
    startControllers(this.#server, this.#scheduler, this.#roll);
  }

  async run(): Promise<Result> {
    this.#users.prepare();
    this.#recorder.beginRound();
    this.#start();
    if (this.#plan.hasStandby) this.#start();
    this.#elect(0);
    for (const [index, round] of this.#plan.rounds.entries()) {
      this.#note(`round ${index} ${JSON.stringify(round.rates)}`);
      await this.#round(round);
      if (this.#failed) break;
      this.#recorder.beginRound();
    }
    for (const replica of this.#started) replica.dispose();
    const { counts, fault } = this.#recorder;
    return {
      fault: fault ?? this.#fault,
      trace: this.#trace,
      digest: createHash('sha1').update(this.#told.join('\n')).digest('hex'),
      counts: {
        ...counts,
        rounds: this.#plan.rounds.length,
        virtualMs: this.#scheduler.time,
        mostRequests: this.#mostRequests,
      },
    };
  }

  get #failed(): boolean {
    return (this.#recorder.fault ?? this.#fault) !== undefined;
  }

  async #round({ rates, steps, isQuiet }: Round): Promise<void> {
    const { writes } = this.#recorder.counts;
    const isOutdated = this.#seen?.isOutdated;
    this.#seen = undefined;
    this.#network.rates = rates;
    for (const { after, action } of steps) {
      await this.#advance(after);
      if (this.#failed) return;
      this.#note(`action ${JSON.stringify(action)}`);
      this.#perform(action);
    }
    // The faults go on for a while, in which what was changed is worked on.
    await this.#advance(this.#roll(20_000));
    this.#network.rates = NO_FAULTS;
    this.#note('fair rates');
    // What was lost is known to nobody before each watch has come to its end, with a list.
    if (rates.lost > 0) await this.#advance(RELIST_MS);
    await this.#settle();
    if (isQuiet && !isOutdated && this.#recorder.counts.writes > writes)
      this.#fault ??= 'I6, a restart led to writes, though nothing had changed';
  }

  async #settle(): Promise<void> {
    let why: string | undefined;
    let stable = 0;
    for (const end = this.#scheduler.time + SETTLE_MS; this.#scheduler.time < end; ) {
      const { writes } = this.#recorder.counts;
      await this.#advance(1000);
      if (this.#failed) return;
      why = this.#unsettled();
      // A status follows what it is about within half a second.
      stable = why === undefined && this.#recorder.counts.writes === writes ? stable + 1 : 0;
      if (stable === 2) return this.#stayQuiet();
    }
    this.#fault ??= `I8, not settled after ${SETTLE_MS / 1000} s: ${why}`;
  }

  #unsettled(): string | undefined {
    if (this.#network.inFlight > 0) return 'requests are under way';
    const alive = [...this.#replicas.values()].filter(({ isAlive }) => isAlive);
    if (!alive.some(({ isLeading }) => isLeading)) return 'nobody leads';
    const deaf = alive.find(({ link, isReady }) => !isReady || !link.isUpToDate);
    if (deaf !== undefined) return `${deaf.name} does not hear everything`;
    const { why } = this.#expected();
    if (why !== undefined) return why;
    // That all stands, or may not stand yet, need not mean that the operator has looked, after an error.
    const { running, waiting, ready } = alive.find(({ isLeading }) => isLeading)!.controller.queueStats();
    const left = running + waiting + Object.values(ready).reduce((sum, count) => sum + count, 0);
    return left > 0 ? `${left} keys are still to be worked on` : undefined;
  }

  #seen: (Convergence & { readonly revision: number }) | undefined;

  /** What is not as it should be; the same as long as nothing is written. */
  #expected(): Convergence {
    const { storage } = this.#server;
    if (this.#seen?.revision !== storage.revision)
      this.#seen = { revision: storage.revision, ...compareWithIntent(this.#recorder, storage) };
    return this.#seen;
  }

  async #stayQuiet(): Promise<void> {
    this.#note('settled');
    const { writes } = this.#recorder.counts;
    const { isOutdated } = this.#expected();
    await this.#advance(QUIET_MS);
    if (this.#recorder.counts.writes > writes && !isOutdated)
      this.#fault ??= 'I6, something was written though all had settled';
    const why = this.#failed ? undefined : this.#expected().why;
    if (why !== undefined) this.#fault ??= `I8, no longer settled: ${why}`;
  }

  async #advance(ms: number): Promise<void> {
    await this.#scheduler.advance(ms);
  }

  #perform(action: Action): void {
    const leader = [...this.#replicas.values()].find(({ isLeading }) => isLeading);
    const standby = [...this.#replicas.values()].find(({ isAlive, isLeading }) => isAlive && !isLeading);
    switch (action.do) {
      case 'crash':
        leader?.crash();
        return this.#replace(leader);
      case 'crash at':
        this.#trap = { left: action.request, when: action.when };
        return;
      case 'freeze':
        return this.#freeze(leader, action.ms);
      case 'crash standby':
        standby?.crash();
        return this.#replace(standby);
      case 'lose lease':
        leader?.retire();
        return this.#replace(leader);
      case 'cut':
      case 'hang':
        (action.whose === 'leader' ? leader : standby)?.link.disturb(action.choice, action.do);
        return;
      case 'compact':
        return this.#server.storage.compact();
      case 'wall clock':
        for (const { clock } of this.#replicas.values()) clock.skew = action.skew;
        return;
      default:
        this.#users.perform(action);
    }
  }

  #trap: { left: number; when: 'before' | 'after' } | undefined;

  /** Ends the leader before it sends, or after the server has carried out, the request that was chosen. */
  #isTrap(replica: string, when: 'before' | 'after'): boolean {
    const ended = this.#replicas.get(replica);
    if (this.#trap?.when !== when || ended?.isLeading !== true || --this.#trap.left > 0) return false;
    this.#note(`crash ${replica} ${when} a request`);
    this.#trap = undefined;
    ended.crash();
    this.#replace(ended);
    return true;
  }

  /** The leader does not run for a while. It may lose the Lease meanwhile, and know of it only by its clock. */
  #freeze(leader: Replica | undefined, ms: number): void {
    if (leader === undefined || leader.isFrozen) return;
    leader.freeze(this.#scheduler.time + ms);
    if (ms < RENEW_MS) return;
    this.#scheduler.after(RENEW_MS, () => (leader.isLeading = false));
    this.#elect(LEASE_MS);
    // It runs again before it finds out.
    this.#scheduler.after(ms + this.#roll(100), () => {
      if (!leader.isAlive) return;
      leader.retire();
      this.#replace(leader);
    });
  }

  #replace(ended: Replica | undefined): void {
    if (ended === undefined) return;
    this.#replicas.delete(ended.name);
    this.#scheduler.after(this.#roll(2000), () => this.#start());
    this.#elect(LEASE_MS);
  }

  readonly #started: Replica[] = [];

  #start(): void {
    const name = `operator-${this.#started.length + 1}`;
    const { concurrency, resyncMs } = this.#plan;
    const onUncaught = (error: unknown) => (this.#fault ??= `${name} threw: ${String(error)}`);
    const replica = new Replica({ name, concurrency, resyncMs, network: this.#network, onUncaught });
    this.#replicas.set(name, replica);
    this.#started.push(replica);
    this.#note(`start ${name}`);
  }

  /** Lets the replica lead whose caches are filled first, once the Lease is free. */
  #elect(delay: number): void {
    this.#scheduler.after(delay, () => {
      const alive = [...this.#replicas.values()].filter(({ isAlive }) => isAlive);
      if (alive.some(({ isLeading }) => isLeading)) return;
      const next = alive.find(({ isReady, isFrozen }) => isReady && !isFrozen);
      if (next === undefined) return this.#elect(500);
      this.#note(`lead ${next.name}`);
      this.#recorder.remembers = false;
      next.lead();
    });
  }

  /** @param detail is shown, and not part of what is compared */
  #note(line: string, detail = ''): void {
    const text = `${this.#scheduler.time} ${line}`;
    this.#told.push(text);
    if (this.#traced) this.#trace.push(detail === '' ? text : `${text} ${detail}`);
  }
}
