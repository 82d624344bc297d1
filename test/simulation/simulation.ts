/**
 * Runs one schedule: the real controller against the model of the API server, in virtual time. The plan's seed chooses
 * every event, fault and delay, so the same plan always runs in the same way.
 */
import { createHash } from 'node:crypto';
import type { ProfileStatus } from '../../src/api/profile.ts';
import type { EngineSetting } from '../../src/engines/engine.ts';
import type { EngineFacts } from '../../src/policy/extensions.ts';
import { dice, type Dice } from '../faults/model.ts';
import { CONTROL_PLANE, MESHES } from './engines/mesh.ts';
import { Istiod } from './engines/istiod.ts';
import { KINDS_OF } from './engines/plan.ts';
import { engineNamed, MISSING } from './engines/references.ts';
import { EngineUsers } from './engines/users.ts';
import { Network } from './faults/network.ts';
import { NO_FAULTS } from './faults/rates.ts';
import type { Permission } from './judge/gates.ts';
import { Recorder } from './judge/recorder.ts';
import { Operators } from './operators.ts';
import { type Action, isCalm, LONGEST_PAUSE_MS, type Plan, type Round } from './schedule/actions.ts';
import { FORBIDDEN_WORKLOADS, LONGEST_SOAK_MINUTES } from './schedule/rollouts.ts';
import { Scheduler } from './schedule/scheduler.ts';
import { Users } from './schedule/users.ts';
import { startControllers } from './server/controllers.ts';
import { type Kind, NAMESPACE, PROFILE, type Stored } from './server/kinds.ts';
import { Prometheus } from './server/prometheus.ts';
import { Server } from './server/server.ts';
import { RECHECK_MS, RELIST_MS, Settling } from './settling.ts';

/** How long workloads stay unreadable after the faults: longer than each soak time, in milliseconds. */
const BLIND_MS = 60_000 * (LONGEST_SOAK_MINUTES + 1);
/** A time at the end of that, in milliseconds, and the writes of status in it that rollouts alone may cause. */
const REPORT_MS = 60_000;
const MOST_REPORTS = 10;
const STATUS_WRITE = /^(PUT|PATCH) .*\/segmentationprofiles\/[^/]+\/status$/;
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
  readonly #operators: Operators;
  readonly #settling: Settling;
  readonly #users: Users;
  readonly #engine: EngineUsers;
  readonly #istiod: Istiod | undefined;
  /** The network engine of the operator's configuration. */
  #setting: EngineSetting = 'None';
  #permission: Permission = { isForbidden: false, since: Number.NEGATIVE_INFINITY };
  readonly #roll: Dice;
  readonly #prometheus: Prometheus;
  readonly #trace: string[] = [];
  /** The trace without details, of which the digest is made. */
  readonly #lines: string[] = [];
  readonly #isTraced: boolean;
  readonly #requestsPerSecond = new Map<number, number>();
  #mostRequests = 0;
  /** Writes of the status of profiles by operators. */
  #reports = 0;

  constructor(plan: Plan, isTraced: boolean) {
    this.#plan = plan;
    this.#isTraced = isTraced;
    this.#roll = dice(plan.seed + 1);
    this.#server = new Server(() => this.#scheduler.time);
    this.#prometheus = new Prometheus(() => this.#scheduler.time, this.#roll);
    this.#recorder = this.#createRecorder();
    this.#server.storage.subscribe(({ at, type, kind, key, object, author }) => {
      const content = this.#isTraced ? contentOf(kind, object) : '';
      this.#note(`${at} ${author} ${type} ${kind.plural} ${key}`, content);
    });
    this.#network = this.#createNetwork();
    this.#operators = new Operators({
      plan,
      scheduler: this.#scheduler,
      network: this.#network,
      prometheus: this.#prometheus,
      roll: this.#roll,
      setting: () => this.#setting,
      onElected: () => (this.#recorder.hasSameLeader = false),
      onUncaught: (fault) => this.#recorder.fail(fault),
      onNote: (line) => this.#note(line),
    });
    this.#users = new Users(this.#server, () => this.#scheduler.time);
    this.#engine = new EngineUsers(this.#server);
    if (plan.engine !== undefined) this.#judgeEngines(plan.engine);
    startControllers(this.#server, this.#scheduler, this.#roll);
    if (plan.engine?.hasAmbient === true) this.#istiod = this.#createIstiod();
    this.#settling = new Settling({
      plan,
      scheduler: this.#scheduler,
      server: this.#server,
      network: this.#network,
      recorder: this.#recorder,
      operators: this.#operators,
      setting: () => this.#setting,
      hasIstiod: this.#istiod !== undefined,
      advance: (ms) => this.#advance(ms),
      perform: (action) => this.#perform(action),
      onNote: (line) => this.#note(line),
    });
  }

  #createRecorder(): Recorder {
    return new Recorder({
      storage: this.#server.storage,
      prometheus: this.#prometheus,
      permission: () => this.#permission,
      time: () => this.#scheduler.time,
      replicaState: (name) => {
        const replica = this.#operators.replica(name);
        if (replica === undefined) return undefined;
        const { clusterState, isLeading: leads, clock } = replica;
        return { clusterState, leads, readings: clock.readings(RECHECK_MS) };
      },
    });
  }

  #createNetwork(): Network {
    return new Network(this.#scheduler, this.#server, this.#roll, {
      onSend: (replica, request) => {
        if (this.#operators.springTrap(replica, 'before')) return;
        this.#recorder.onSend(replica, request);
        this.#countRequest(`${request.method} ${request.path}`);
      },
      onHandled: (replica, request, answer, sent) => {
        this.#recorder.onHandled(replica, request, answer, sent);
        this.#note(`${replica} ${request.method} ${request.path} ${answer.status}`, ` sent at ${sent}`);
        this.#operators.springTrap(replica, 'after');
      },
      onNote: (line) => this.#note(line),
    });
  }

  #createIstiod(): Istiod {
    this.#recorder.inputs.meshes = MESHES;
    return new Istiod({
      server: this.#server,
      scheduler: this.#scheduler,
      roll: dice(this.#plan.seed + 15),
      onPush: (policies) => {
        this.#note(`istiod pushes ${policies.length} policies`);
        this.#recorder.followMesh(policies);
      },
    });
  }

  #judgeEngines({ setting, engine, guard, hasMesh, rootNamespace }: NonNullable<Plan['engine']>): void {
    this.#setting = setting;
    if (engine !== undefined) this.#recorder.inputs.engines = enginesOf(this.#plan);
    this.#recorder.judgeEngines(this.#server, {
      setting: () => this.#setting,
      guard,
      hasMesh: hasMesh ?? false,
      rootNamespace: rootNamespace ?? CONTROL_PLANE.namespace,
    });
  }

  #countRequest(request: string): void {
    const second = Math.floor(this.#scheduler.time / 1000);
    const count = (this.#requestsPerSecond.get(second) ?? 0) + 1;
    this.#requestsPerSecond.set(second, count);
    if (STATUS_WRITE.test(request)) this.#reports += 1;
    this.#mostRequests = Math.max(this.#mostRequests, count);
    if (count > MAX_REQUESTS_PER_SECOND)
      this.#recorder.fail(`I8, a busy loop: ${count} requests in one second, the last ${request}`);
  }

  async run(): Promise<Result> {
    this.#users.prepare();
    if (this.#plan.hasRollouts) this.#users.prepareRollouts();
    const { engine } = this.#plan;
    if (engine?.engine !== undefined) this.#engine.prepare(engine.engine, KINDS_OF[engine.engine]);
    if (engine?.guard !== undefined) this.#engine.prepareGuards(engine.guard);
    if (engine?.hasMesh === true) this.#engine.prepareMesh(engine.rootNamespace);
    this.#recorder.beginRound();
    this.#operators.start();
    if (this.#plan.hasStandby) this.#operators.start();
    this.#operators.elect(0);
    for (const [index, round] of this.#plan.rounds.entries()) {
      this.#note(`round ${index} ${JSON.stringify(round.rates)}`);
      await this.#round(round);
      if (this.#recorder.hasFailed) break;
      this.#recorder.beginRound();
    }
    this.#operators.dispose();
    const { counts, breach } = this.#recorder;
    return {
      breach,
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

  async #round({ rates, steps, isQuiet }: Round): Promise<void> {
    const { writes } = this.#recorder.counts;
    const calm = isCalm({ rates, steps, isQuiet }) && !this.#operators.hasTrap;
    this.#recorder.expect({ isCalm: calm, isLossy: rates.lost > 0 });
    this.#settling.beginRound();
    this.#network.rates = rates;
    for (const { after, action } of steps) {
      await this.#pass(after);
      if (this.#recorder.hasFailed) return;
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
    await this.#settling.converge();
    if (isQuiet && this.#recorder.counts.writes > writes && !this.#settling.mayWriteAfterRestart)
      this.#recorder.fail('I6, a restart caused writes, though nothing had changed');
  }

  /** Lets time pass, in which the state is judged every second if it is long. */
  async #pass(ms: number): Promise<void> {
    let left = ms;
    for (; left > LONGEST_PAUSE_MS && !this.#recorder.hasFailed; left -= 1000) {
      await this.#advance(1000);
      this.#recorder.judgeTime();
    }
    await this.#advance(left);
  }

  /** A gate that can't see has to hold its wave for as long as that lasts, also beyond the soak time. */
  async #endBlindness(): Promise<void> {
    if (this.#network.forbidden === undefined) return;
    let before = 0;
    for (let waited = 0; waited < BLIND_MS && !this.#recorder.hasFailed; waited += 1000) {
      if (waited === BLIND_MS - REPORT_MS) before = this.#reports;
      await this.#advance(1000);
      this.#recorder.judgeTime();
    }
    const reports = this.#reports - before;
    if (reports > MOST_REPORTS)
      this.#recorder.fail(
        `I6, ${reports} writes of status in ${REPORT_MS / 1000} s in which workloads can not be read`,
      );
    this.#forbid(undefined);
  }

  async #advance(ms: number): Promise<void> {
    await this.#scheduler.advance(ms, () => this.#recorder.hasFailed);
  }

  #perform(action: Action): void {
    const operators = this.#operators;
    switch (action.do) {
      case 'crash':
        return operators.crash(operators.leader);
      case 'crash at':
        return operators.crashAt(action.request, action.when);
      case 'freeze':
        return operators.freeze(action.ms);
      case 'crash standby':
        return operators.crash(operators.standby);
      case 'lose lease':
        return operators.retire(operators.leader);
      case 'cut':
      case 'hang':
        return operators[action.whose]?.link.disturb(action.choice, action.do);
      case 'compact':
        return this.#server.storage.compact();
      case 'reply':
        this.#prometheus.reply = action.reply;
        return;
      case 'forbid workloads':
        return this.#forbid(action.isForbidden ? FORBIDDEN_WORKLOADS : undefined);
      case 'clock':
        return this.#stepClock(action.whose, action.skew);
      case 'wall clock':
        for (const { clock } of operators.all) clock.step(action.skew);
        return;
      case 'configure':
        this.#setting = action.setting;
        return operators.restart();
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
      default:
        this.#users.perform(action);
    }
  }

  /** Steps the clock of a replica. What it shows counts at once: it may step again before the next write. */
  #stepClock(whose: 'leader' | 'standby', skew: number): void {
    const replica = this.#operators[whose];
    replica?.clock.step(skew);
    this.#settling.steppedAt = this.#scheduler.time;
    if (replica?.isLeading === true) this.#recorder.observeClock(replica.clock.now());
  }

  /** The API server refuses to let the operator read these collections from now on. */
  #forbid(paths: RegExp | undefined): void {
    if (this.#network.forbidden === paths) return;
    this.#network.forbidden = paths;
    this.#permission = { isForbidden: paths !== undefined, since: this.#scheduler.time };
    if (paths !== undefined) for (const { link } of this.#operators.all) link.cut(paths);
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
