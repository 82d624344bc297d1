/**
 * Runs one schedule: the real controller against the model of the API server, in virtual time. The plan's seed chooses
 * every event, fault and delay, so the same plan always runs in the same way.
 */
import { createHash } from 'node:crypto';
import type { ProfileStatus } from '../../src/api/profile.ts';
import { dice, type Dice } from '../faults/model.ts';
import { KINDS_OF } from './engines/plan.ts';
import { CONTROL_PLANE, isFound, MESHES } from './engines/mesh.ts';
import { engineNamed, MISSING } from './engines/references.ts';
import { engineInForce, servedAs, wrongFacts } from './engines/standing.ts';
import { Istiod } from './engines/istiod.ts';
import { EngineUsers } from './engines/users.ts';
import type { EngineSetting } from '../../src/engines/engine.ts';
import type { EngineFacts } from '../../src/policy/extensions.ts';
import { ENGINE_KINDS } from './server/kinds.ts';
import { compareWithIntent, type Convergence } from './judge/convergence.ts';
import type { Permission } from './judge/gates.ts';
import { Network } from './faults/network.ts';
import {
  type Action,
  isCalm,
  LONGEST_PAUSE_MS,
  type Plan,
  PROFILES,
  type Round,
} from './schedule/actions.ts';
import { MOST_SKEW_MS } from './schedule/clocks.ts';
import {
  FORBIDDEN_WORKLOADS,
  LONGEST_DEADLINE_MINUTES,
  LONGEST_SOAK_MINUTES,
  MOST_WAVES,
} from './schedule/rollouts.ts';
import { Replica } from './replica.ts';
import { EPOCH, Scheduler } from './schedule/scheduler.ts';
import { startControllers } from './server/controllers.ts';
import { type Kind, NAMESPACE, PROFILE, type Stored } from './server/kinds.ts';
import { Prometheus } from './server/prometheus.ts';
import { Server } from './server/server.ts';
import { Users } from './schedule/users.ts';
import { LONGEST_DELAY_MS, NO_FAULTS } from './faults/rates.ts';
import { Recorder } from './judge/recorder.ts';

/** Time to converge after the faults end, milliseconds. A silent watch alone is noticed only after 90 s. */
const CONVERGE_MS = 300_000;
/** Time for the waves of a rollout, each with its deadline and soak time, by clocks that step meanwhile, in milliseconds. */
const ROLLOUT_MS =
  60_000 * ((MOST_WAVES + 1) * LONGEST_DEADLINE_MINUTES + MOST_WAVES * LONGEST_SOAK_MINUTES) +
  2 * MOST_SKEW_MS;
/** Ends of exceptions that are waited for after each round, and how long for each, in milliseconds. */
const MOST_ENDS = 2;
const LONGEST_WAIT_MS = 200_000;
/** How long workloads stay unreadable after the faults: longer than each soak time, in milliseconds. */
const BLIND_MS = 60_000 * (LONGEST_SOAK_MINUTES + 1);
/** A time at the end of that, in milliseconds, and the writes of status in it that rollouts alone may cause. */
const REPORT_MS = 60_000;
const MOST_REPORTS = 10;
const STATUS_WRITE = /^(PUT|PATCH) .*\/segmentationprofiles\/[^/]+\/status$/;
/** Time until the operator has read the wall clock again, in milliseconds. */
const RECHECK_MS = 61_000;
/** Time in which a leader that nothing disturbs ends an exception, in milliseconds. */
const END_MS = 1000;
/** Time without a write that shows a converged cluster (I6), milliseconds. */
const QUIET_MS = 60_000;
/** Time until each watch has ended and its reflector has listed, which finds lost events, milliseconds. */
const RELIST_MS = 700_000;
/** Time until the operator has looked for the network engine again, in milliseconds. */
const LOOK_MS = 75_000;
/** Time in which each request that was sent during the faults has its outcome, in milliseconds. */
const SLOWEST_MS = 2 * LONGEST_DELAY_MS;
/** Time after which the operator tries a definition again that did not take an object, in milliseconds. */
const SCHEMA_MS = 600_000;
/** Lease duration: after it, another replica may take the Lease, milliseconds. */
const LEASE_MS = 15_000;
/** Renew deadline: after it, the holder stops writing, milliseconds. */
const RENEW_MS = 10_000;
/**
 * More requests in one second show a busy loop. Three edits of all profiles in a second, each of which rewrites all
 * namespaces, take 150 to 200. A loop of four workers, with some 5 ms for each answer, sends 800.
 */
export const MAX_REQUESTS_PER_SECOND = 300;

export interface Result {
  /** The first broken invariant, in words; undefined if all were kept. */
  readonly breach: string | undefined;
  /** The events of the run, a line for each; empty unless asked for. */
  readonly trace: readonly string[];
  /** SHA-1 of the trace, also if the trace was not asked for. */
  readonly digest: string;
  readonly counts: Readonly<Record<string, number>>;
}

export async function simulate(plan: Plan, { isTraced = false } = {}): Promise<Result> {
  const simulation = new Simulation(plan, isTraced);
  return simulation.run();
}

class Simulation {
  readonly #plan: Plan;
  readonly #scheduler = new Scheduler();
  readonly #server: Server;
  readonly #network: Network;
  readonly #recorder: Recorder;
  readonly #users: Users;
  readonly #engine: EngineUsers;
  readonly #istiod: Istiod | undefined;
  /** The network engine of the operator's configuration. */
  #setting: EngineSetting = 'None';
  readonly #roll: Dice;
  readonly #prometheus: Prometheus;
  readonly #replicas = new Map<string, Replica>();
  readonly #trace: string[] = [];
  /** The trace without details, of which the digest is made. */
  readonly #lines: string[] = [];
  readonly #isTraced: boolean;
  readonly #requestsPerSecond = new Map<number, number>();
  #mostRequests = 0;
  /** Writes of the status of profiles by operators. */
  #reports = 0;
  #breach: string | undefined;

  constructor(plan: Plan, isTraced: boolean) {
    this.#plan = plan;
    this.#isTraced = isTraced;
    this.#roll = dice(plan.seed + 1);
    this.#server = new Server(() => this.#scheduler.time);
    this.#prometheus = new Prometheus(() => this.#scheduler.time, this.#roll);
    this.#recorder = new Recorder({
      storage: this.#server.storage,
      prometheus: this.#prometheus,
      permission: () => this.#permission,
      time: () => this.#scheduler.time,
      replicaState: (name) => {
        const replica = this.#replicas.get(name);
        if (replica === undefined) return undefined;
        const { clusterState, isLeading: leads, clock } = replica;
        return { clusterState, leads, readings: clock.readings(RECHECK_MS) };
      },
    });
    this.#server.storage.subscribe(({ at, type, kind, key, object, author }) => {
      const content = this.#isTraced ? contentOf(kind, object) : '';
      this.#note(`${at} ${author} ${type} ${kind.plural} ${key}`, content);
    });
    this.#network = new Network(this.#scheduler, this.#server, this.#roll, {
      onSend: (replica, request) => {
        if (this.#springTrap(replica, 'before')) return;
        this.#recorder.onSend(replica, request);
        this.#countRequest(`${request.method} ${request.path}`);
      },
      onHandled: (replica, request, answer, sent) => {
        this.#recorder.onHandled(replica, request, answer, sent);
        this.#note(`${replica} ${request.method} ${request.path} ${answer.status}`, ` sent at ${sent}`);
        this.#springTrap(replica, 'after');
      },
      onNote: (line) => this.#note(line),
    });
    this.#users = new Users(this.#server, () => this.#scheduler.time);
    this.#engine = new EngineUsers(this.#server);
    if (plan.engine !== undefined) {
      this.#setting = plan.engine.setting;
      if (plan.engine.engine !== undefined) this.#recorder.inputs.engines = enginesOf(plan);
      this.#recorder.judgeEngines(this.#server, {
        setting: () => this.#setting,
        guard: plan.engine.guard,
        hasMesh: plan.engine.hasMesh ?? false,
        rootNamespace: plan.engine.rootNamespace ?? CONTROL_PLANE.namespace,
      });
    }
    startControllers(this.#server, this.#scheduler, this.#roll);
    if (plan.engine?.hasAmbient === true) {
      this.#istiod = new Istiod({
        server: this.#server,
        scheduler: this.#scheduler,
        roll: dice(plan.seed + 15),
        onPush: (policies) => {
          this.#note(`istiod pushes ${policies.length} policies`);
          this.#recorder.followMesh(policies);
        },
      });
      this.#recorder.inputs.meshes = MESHES;
    }
  }

  #countRequest(request: string): void {
    const second = Math.floor(this.#scheduler.time / 1000);
    const count = (this.#requestsPerSecond.get(second) ?? 0) + 1;
    this.#requestsPerSecond.set(second, count);
    if (STATUS_WRITE.test(request)) this.#reports += 1;
    this.#mostRequests = Math.max(this.#mostRequests, count);
    if (count > MAX_REQUESTS_PER_SECOND)
      this.#breach ??= `I8, a busy loop: ${count} requests in one second, the last ${request}`;
  }

  async run(): Promise<Result> {
    this.#users.prepare();
    if (this.#plan.hasRollouts) this.#users.prepareRollouts();
    const { engine } = this.#plan;
    if (engine?.engine !== undefined) this.#engine.prepare(engine.engine, KINDS_OF[engine.engine]);
    if (engine?.guard !== undefined) this.#engine.prepareGuards(engine.guard);
    if (engine?.hasMesh === true) this.#engine.prepareMesh(engine.rootNamespace);
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
    const { counts, breach } = this.#recorder;
    return {
      breach: breach ?? this.#breach,
      trace: this.#trace,
      digest: createHash('sha1').update(this.#lines.join('\n')).digest('hex'),
      counts: {
        ...counts,
        rounds: this.#plan.rounds.length,
        virtualMs: this.#scheduler.time,
        mostRequests: this.#mostRequests,
      },
    };
  }

  get #failed(): boolean {
    return (this.#recorder.breach ?? this.#breach) !== undefined;
  }

  async #round({ rates, steps, isQuiet }: Round): Promise<void> {
    const { writes } = this.#recorder.counts;
    const isOutdated = this.#compared?.isOutdated;
    const calm = isCalm({ rates, steps, isQuiet }) && this.#trap === undefined;
    this.#recorder.expect({ isCalm: calm, isLossy: rates.lost > 0 });
    this.#compared = undefined;
    this.#network.rates = rates;
    for (const { after, action } of steps) {
      await this.#pass(after);
      if (this.#failed) return;
      this.#note(`action ${JSON.stringify(action)}`);
      this.#perform(action);
    }
    // The operator works on the changes while the faults go on.
    await this.#advance(this.#roll(20_000));
    this.#network.rates = NO_FAULTS;
    this.#note('faults end');
    this.#istiod?.answer('prompt');
    await this.#endBlindness();
    // Only the list after the end of each watch finds lost events, and permissions that are gone.
    if (rates.lost > 0 || this.#server.forbidden.size > 0) await this.#advance(RELIST_MS);
    await this.#converge();
    // An exception may have ended meanwhile, or begun anew by the clock of another leader.
    const mayWrite = isOutdated || this.#plan.hasExceptions || this.#isRefused || this.#isEngineUnclear;
    if (isQuiet && !mayWrite && this.#recorder.counts.writes > writes)
      this.#breach ??= 'I6, a restart caused writes, though nothing had changed';
  }

  /** Lets time pass, in which the state is judged every second if it is long. */
  async #pass(ms: number): Promise<void> {
    let left = ms;
    for (; left > LONGEST_PAUSE_MS && !this.#failed; left -= 1000) {
      await this.#advance(1000);
      this.#recorder.judgeTime();
    }
    await this.#advance(left);
  }

  /** A gate that can't see has to hold its wave for as long as that lasts, also beyond the soak time. */
  async #endBlindness(): Promise<void> {
    if (this.#network.forbidden === undefined) return;
    let before = 0;
    for (let waited = 0; waited < BLIND_MS && !this.#failed; waited += 1000) {
      if (waited === BLIND_MS - REPORT_MS) before = this.#reports;
      await this.#advance(1000);
      this.#recorder.judgeTime();
    }
    const reports = this.#reports - before;
    if (!this.#failed && reports > MOST_REPORTS)
      this.#breach ??= `I6, ${reports} writes of status in ${REPORT_MS / 1000} s in which workloads can not be read`;
    this.#forbid(undefined);
  }

  async #converge(): Promise<void> {
    // The operator follows a step of the clock within a minute.
    const left = (this.#steppedAt ?? Number.NEGATIVE_INFINITY) + RECHECK_MS - this.#scheduler.time;
    if (left > 0 && this.#plan.hasExceptions) await this.#advance(left);
    if (this.#plan.engine !== undefined) {
      await this.#endSlowRequests();
      await this.#advance(LOOK_MS);
    }
    for (let ends = 0; ; ends++) {
      await this.#settle();
      if (this.#failed) return;
      if (ends === MOST_ENDS || !(await this.#followEnd())) break;
    }
    if (!this.#failed) await this.#stayQuiet();
  }

  /** A look for the engine may wait for slow answers, or for the end of a freeze, and the next one comes only after it. */
  async #endSlowRequests(): Promise<void> {
    const isWaiting = () =>
      this.#network.inFlight > 0 ||
      [...this.#replicas.keys()].some((replica) => this.#network.isFrozen(replica));
    for (let waited = 0; waited < SLOWEST_MS && isWaiting(); waited += 1000) await this.#advance(1000);
  }

  async #settle(): Promise<void> {
    let unmet: string | undefined;
    let stable = 0;
    const most =
      CONVERGE_MS +
      (this.#plan.hasRollouts ? ROLLOUT_MS : 0) +
      (this.#plan.engine === undefined ? 0 : SCHEMA_MS + RELIST_MS);
    for (const end = this.#scheduler.time + most; this.#scheduler.time < end; ) {
      const { writes } = this.#recorder.counts;
      await this.#advance(1000);
      if (this.#scheduler.time > end - most + CONVERGE_MS) this.#grantAsked();
      this.#recorder.judgeTime();
      if (this.#failed) return;
      unmet = this.#unmet();
      // Status is written within half a second of the change that it reports.
      stable = unmet === undefined && this.#recorder.counts.writes === writes ? stable + 1 : 0;
      if (stable === 2) return this.#note('converged');
    }
    this.#breach ??= `I8, not converged after ${most / 1000} s: ${unmet}`;
  }

  /**
   * A person grants what the status of a profile asks for: a plan that needs a cover waits until the operator may read which
   * pods the engine's policies of others isolate.
   */
  #grantAsked(): void {
    const isAsked = PROFILES.some((name) => {
      const { failures = [] } = this.#recorder.observed.profile(name)?.status ?? {};
      return failures.some(({ reason }) => reason === 'IsolationUnknown');
    });
    if (!isAsked) return;
    for (const kind of this.#server.forbidden) {
      const action: Action = { do: 'permission', kind, isGranted: true };
      this.#note(`action ${JSON.stringify(action)}`);
      this.#perform(action);
    }
  }

  /**
   * Waits for the end of the next exception, until which its policies have to stay, and which they must not survive by more
   * than a moment. Returns false if none ends soon.
   */
  async #followEnd(): Promise<boolean> {
    const leader = this.#leader;
    if (leader === undefined || !this.#plan.hasExceptions) return false;
    const now = leader.clock.now();
    const [next] = this.#recorder
      .exceptionsInForce(now)
      .filter(({ end }) => end - now < LONGEST_WAIT_MS)
      .sort((a, b) => a.end - b.end);
    if (next === undefined) return false;
    const policies = () => this.#recorder.policiesOfException(next.exception).length;
    const before = policies();
    await this.#advance(next.end - now - 1);
    const isSame = () => this.#leader === leader && !this.#failed;
    if (isSame() && policies() !== before)
      this.#breach ??= `exception ${next.exception.metadata.name} has ended early: it has ${policies()} policies, and had ${before}`;
    await this.#advance(END_MS);
    if (isSame() && policies() > 0)
      this.#breach ??= `exception ${next.exception.metadata.name} has not ended: it has ${policies()} policies`;
    return true;
  }

  get #leader(): Replica | undefined {
    return [...this.#replicas.values()].find(({ isLeading }) => isLeading);
  }

  #unmet(): string | undefined {
    if (this.#network.inFlight > 0) return 'requests are in flight';
    const alive = [...this.#replicas.values()].filter(({ isAlive }) => isAlive);
    if (!alive.some(({ isLeading }) => isLeading)) return 'no replica leads';
    const behind = alive.find(({ link, isReady }) => !isReady || !link.isUpToDate);
    if (behind !== undefined) return `watches of ${behind.name} are behind`;
    const wrong = this.#unmetFacts();
    if (wrong !== undefined) return wrong;
    const { unmet } = this.#comparison();
    if (unmet !== undefined) return unmet;
    // The policies can be right although a key still waits for its retry.
    const { running, waiting, ready } = alive.find(({ isLeading }) => isLeading)!.controller.queueStats();
    const left = running + waiting + Object.values(ready).reduce((sum, count) => sum + count, 0);
    // The model serves no admission policies, for which the key of service accounts waits.
    const most = this.#plan.engine === undefined ? 0 : 1;
    return left > most ? `${left} keys are in the queue` : undefined;
  }

  /** The facts of the network engine that the leader has are those by which the cluster is compared. */
  #unmetFacts(): string | undefined {
    return this.#unmetMesh() ?? this.#unmetEngine();
  }

  #unmetMesh(): string | undefined {
    if (this.#istiod === undefined) return undefined;
    const { inputs } = this.#recorder;
    const isKnown = this.#leader?.mesh?.facts()?.kind === 'available';
    const facts = MESHES[isKnown ? 0 : 1];
    if (inputs.mesh !== facts) this.#compared = undefined;
    inputs.mesh = facts;
    return !isKnown && isFound(this.#server.storage) ? 'the mesh is not known' : undefined;
  }

  #unmetEngine(): string | undefined {
    if (this.#plan.engine?.engine === undefined) return undefined;
    const facts = this.#leader?.detection?.engine.facts();
    const { inputs } = this.#recorder;
    const known = facts && (inputs.engines.find((each) => isSame(each, facts)) ?? facts);
    if (known !== inputs.engine) this.#compared = undefined;
    inputs.engine = known ?? MISSING;
    return wrongFacts(this.#server, this.#setting, facts);
  }

  /** True if the cluster no longer shows which engine runs: a new leader does not know the one that the leader before it found. */
  get #isEngineUnclear(): boolean {
    return this.#plan.engine !== undefined && engineInForce(this.#server, this.#setting) === undefined;
  }

  /** True if objects of a network engine are written again and again, as its definition takes none as it is sent. */
  get #isRefused(): boolean {
    const { engine } = this.#plan;
    return engine !== undefined && ENGINE_KINDS.some((kind) => servedAs(this.#server, kind) === 'changed');
  }

  #compared: (Convergence & { readonly state: string }) | undefined;

  /** Compares the cluster with the intent; cached until the next write, or the end of an exception. */
  #comparison(): Convergence {
    const { storage } = this.#server;
    if (this.#plan.hasExceptions && this.#leader !== undefined)
      this.#recorder.observeClock(this.#leader.clock.now());
    const state = `${storage.revision} ${this.#recorder.inputs.clock.ended}`;
    if (this.#compared?.state !== state)
      this.#compared = { state, ...compareWithIntent(this.#recorder, storage) };
    return this.#compared;
  }

  async #stayQuiet(): Promise<void> {
    const { writes } = this.#recorder.counts;
    const { isOutdated } = this.#comparison();
    const leader = this.#leader;
    const now = leader?.clock.now() ?? EPOCH;
    await this.#advance(QUIET_MS);
    if (this.#failed) return;
    // An exception may have ended.
    const isChanging = this.#plan.hasExceptions && this.#recorder.hasEnd(now, now + QUIET_MS);
    // Another leader judges exceptions by its own clock, and does not know the engine while the evidence is unclear.
    const isOtherLeader =
      (this.#plan.hasExceptions || this.#plan.engine !== undefined) && this.#leader !== leader;
    if (isChanging || isOtherLeader || this.#isRefused) return;
    if (this.#recorder.counts.writes > writes && !isOutdated)
      this.#breach ??= 'I6, a write to a converged cluster';
    const { unmet } = this.#comparison();
    if (unmet !== undefined) this.#breach ??= `I8, no longer converged: ${unmet}`;
  }

  async #advance(ms: number): Promise<void> {
    await this.#scheduler.advance(ms, () => this.#failed);
  }

  #perform(action: Action): void {
    const leader = this.#leader;
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
      case 'reply':
        this.#prometheus.reply = action.reply;
        return;
      case 'forbid workloads':
        return this.#forbid(action.isForbidden ? FORBIDDEN_WORKLOADS : undefined);
      case 'wall clock':
        for (const { clock } of this.#replicas.values()) clock.step(action.skew);
        return;
      case 'configure':
        this.#setting = action.setting;
        for (const replica of this.#started.filter(({ isAlive }) => isAlive)) {
          replica.retire();
          this.#replace(replica);
        }
        return;
      case 'acceptance':
        return this.#istiod?.answer(action.how);
      case 'inject':
      case 'ambient':
      case 'mesh':
      case 'tier':
      case 'definition':
      case 'permission':
      case 'agent':
      case 'engine drift':
      case 'foreign object':
        return this.#engine.perform(action);
      case 'clock': {
        const replica = action.whose === 'leader' ? leader : standby;
        replica?.clock.step(action.skew);
        this.#steppedAt = this.#scheduler.time;
        return;
      }
      default:
        this.#users.perform(action);
    }
  }

  #permission: Permission = { isForbidden: false, since: Number.NEGATIVE_INFINITY };

  /** The API server refuses to let the operator read these collections from now on. */
  #forbid(paths: RegExp | undefined): void {
    if (this.#network.forbidden === paths) return;
    this.#network.forbidden = paths;
    this.#permission = { isForbidden: paths !== undefined, since: this.#scheduler.time };
    if (paths !== undefined) for (const { link } of this.#replicas.values()) link.cut(paths);
  }

  /** When a clock was stepped last, by the simulation's clock. */
  #steppedAt: number | undefined;
  #trap: { left: number; when: 'before' | 'after' } | undefined;

  /** Kills the leader before it sends the chosen request, or after the server has carried it out. True if it did. */
  #springTrap(replica: string, when: 'before' | 'after'): boolean {
    const ended = this.#replicas.get(replica);
    if (this.#trap?.when !== when || ended?.isLeading !== true || --this.#trap.left > 0) return false;
    this.#note(`crash ${replica} ${when} a request`);
    this.#trap = undefined;
    ended.crash();
    this.#replace(ended);
    return true;
  }

  /** Stops the leader's process for a while. It may lose the Lease meanwhile, and learns of that only by its clock. */
  #freeze(leader: Replica | undefined, ms: number): void {
    if (leader === undefined || leader.isFrozen) return;
    leader.freeze(this.#scheduler.time + ms);
    if (ms < RENEW_MS) return;
    this.#scheduler.after(RENEW_MS, () => (leader.isLeading = false));
    this.#elect(LEASE_MS);
    // The process runs a moment before it notices.
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
    const { concurrency, resyncMs, hasExceptions, skews } = this.#plan;
    const skew = skews[this.#started.length % skews.length] ?? 0;
    const onUncaught = (error: unknown) => (this.#breach ??= `${name} threw: ${String(error)}`);
    const replica = new Replica({
      name,
      concurrency,
      resyncMs,
      skew,
      hasExceptions,
      engine: this.#setting,
      guard: this.#plan.engine?.guard,
      hasMesh: this.#plan.engine?.hasMesh,
      network: this.#network,
      prometheus: this.#prometheus,
      onUncaught,
    });
    this.#replicas.set(name, replica);
    this.#started.push(replica);
    this.#note(`start ${name}`);
  }

  /** After `delay`, the first replica with filled caches acquires the free Lease. */
  #elect(delay: number): void {
    this.#scheduler.after(delay, () => {
      const alive = [...this.#replicas.values()].filter(({ isAlive }) => isAlive);
      if (alive.some(({ isLeading }) => isLeading)) return;
      const next = alive.find(({ isReady, isFrozen }) => isReady && !isFrozen);
      if (next === undefined) return this.#elect(500);
      this.#note(`lead ${next.name}`);
      this.#recorder.hasSameLeader = false;
      next.lead();
    });
  }

  /** @param detail is part of the trace, and not of the digest */
  #note(line: string, detail = ''): void {
    const text = `${this.#scheduler.time} ${line}`;
    this.#lines.push(text);
    if (this.#isTraced) this.#trace.push(detail === '' ? text : `${text} ${detail}`);
  }
}

/** The part of an object that a trace shows. */
function contentOf(kind: Kind, { metadata, spec = '', status }: Stored): string {
  if (kind === NAMESPACE) return JSON.stringify(metadata.labels);
  const { rollout } = (status ?? {}) as ProfileStatus;
  const { annotations } = metadata;
  return JSON.stringify(kind === PROFILE ? { annotations, spec, rollout } : spec);
}

/** The facts that the operator may have of the network engines that the plan names, and of none. */
function enginesOf({ engine, rounds }: Plan): EngineFacts[] {
  const actions = rounds.flatMap(({ steps }) => steps.map(({ action }) => action));
  const named = new Set<string>([
    engine?.engine ?? '',
    engine?.setting ?? '',
    ...actions.flatMap((action) =>
      action.do === 'configure' ? action.setting : action.do === 'agent' ? action.engine : [],
    ),
  ]);
  return [
    ...[...named].flatMap((name): EngineFacts[] => {
      const found = engineNamed(name);
      return found === undefined ? [] : [{ kind: 'available', carries: found.carries }];
    }),
    MISSING,
  ];
}

function isSame(a: EngineFacts, b: EngineFacts): boolean {
  return a.kind === 'available' && b.kind === 'available' && a.carries === b.carries;
}
