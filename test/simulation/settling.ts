/**
 * The time after the faults of a round: the cluster has to converge (I8), ends exceptions in time, and then gets no more writes
 * (I6).
 */
import type { EngineFacts } from '../../src/policy/extensions.ts';
import type { Replica } from './replica.ts';
import type { Operators } from './operators.ts';
import { isFound, MESHES } from './engines/mesh.ts';
import { MISSING } from './engines/references.ts';
import { engineInForce, servedAs, wrongFacts } from './engines/standing.ts';
import type { EngineSetting } from '../../src/engines/engine.ts';
import { LONGEST_DELAY_MS } from './faults/rates.ts';
import type { Network } from './faults/network.ts';
import { compareWithIntent, type Convergence } from './judge/convergence.ts';
import type { Recorder } from './judge/recorder.ts';
import { type Action, type Plan, PROFILES } from './schedule/actions.ts';
import { MOST_SKEW_MS } from './schedule/clocks.ts';
import { LONGEST_DEADLINE_MINUTES, LONGEST_SOAK_MINUTES, MOST_WAVES } from './schedule/rollouts.ts';
import { EPOCH, type Scheduler } from './schedule/scheduler.ts';
import { ENGINE_KINDS } from './server/kinds.ts';
import type { Server } from './server/server.ts';

/** Time to converge after the faults end, milliseconds. A silent watch alone is noticed only after 90 s. */
const CONVERGE_MS = 300_000;
/** Time for the waves of a rollout, each with its deadline and soak time, by clocks that step meanwhile, in milliseconds. */
const ROLLOUT_MS =
  60_000 * ((MOST_WAVES + 1) * LONGEST_DEADLINE_MINUTES + MOST_WAVES * LONGEST_SOAK_MINUTES) +
  2 * MOST_SKEW_MS;
/** Ends of exceptions that are waited for after each round, and how long for each, in milliseconds. */
const MOST_ENDS = 2;
const LONGEST_WAIT_MS = 200_000;
/** Time until the operator has read the wall clock again, in milliseconds. */
export const RECHECK_MS = 61_000;
/** Time in which a leader that nothing disturbs ends an exception, in milliseconds. */
const END_MS = 1000;
/** Time without a write that shows a converged cluster (I6), milliseconds. */
const QUIET_MS = 60_000;
/** Time until each watch has ended and its reflector has listed, which finds lost events, milliseconds. */
export const RELIST_MS = 700_000;
/** Time until the operator has looked for the network engine again, in milliseconds. */
const LOOK_MS = 75_000;
/** Time in which each request that was sent during the faults has its outcome, in milliseconds. */
const SLOWEST_MS = 2 * LONGEST_DELAY_MS;
/** Time after which the operator tries a definition again that did not take an object, in milliseconds. */
const SCHEMA_MS = 600_000;

export interface SettlingOptions {
  readonly plan: Plan;
  readonly scheduler: Scheduler;
  readonly server: Server;
  readonly network: Network;
  readonly recorder: Recorder;
  readonly operators: Operators;
  /** The network engine of the operator's configuration. */
  readonly setting: () => EngineSetting;
  /** True if istiod runs, so that there is a mesh to know. */
  readonly hasIstiod: boolean;
  readonly advance: (ms: number) => Promise<void>;
  readonly perform: (action: Action) => void;
  readonly onNote: (line: string) => void;
}

export class Settling {
  readonly #options: SettlingOptions;
  /** When a clock was stepped last, by the simulation's clock. */
  steppedAt = Number.NEGATIVE_INFINITY;
  /** True if the cluster was outdated when the round began. */
  #wasOutdated = false;
  #compared: (Convergence & { readonly state: string }) | undefined;

  constructor(options: SettlingOptions) {
    this.#options = options;
  }

  beginRound(): void {
    this.#wasOutdated = this.#compared?.isOutdated === true;
    this.#compared = undefined;
  }

  /** True if a restart of the operator may have caused writes, although nothing else changed in the round. */
  get mayWriteAfterRestart(): boolean {
    // An exception may have ended meanwhile, or begun anew by the clock of another leader.
    const { hasExceptions } = this.#options.plan;
    return (
      this.#wasOutdated || hasExceptions || this.#isRefused || this.#isEngineUnclear || this.#isMeshUnclear
    );
  }

  async converge(): Promise<void> {
    const { plan, scheduler, recorder, advance } = this.#options;
    // The operator follows a step of the clock within a minute.
    const left = this.steppedAt + RECHECK_MS - scheduler.time;
    if (left > 0 && plan.hasExceptions) await advance(left);
    if (plan.engine !== undefined) {
      await this.#endSlowRequests();
      await advance(LOOK_MS);
    }
    for (let ends = 0; ; ends++) {
      await this.#settle();
      if (recorder.hasFailed) return;
      if (ends === MOST_ENDS || !(await this.#followEnd())) break;
    }
    if (!recorder.hasFailed) await this.#stayQuiet();
  }

  /** A look for the engine may wait for slow answers, or for the end of a freeze, and the next one comes only after it. */
  async #endSlowRequests(): Promise<void> {
    const { network, operators, advance } = this.#options;
    const isWaiting = () => network.inFlight > 0 || operators.all.some(({ isFrozen }) => isFrozen);
    for (let waited = 0; waited < SLOWEST_MS && isWaiting(); waited += 1000) await advance(1000);
  }

  async #settle(): Promise<void> {
    const { plan, scheduler, recorder, advance, onNote } = this.#options;
    let unmet: string | undefined;
    let stable = 0;
    let nextLook = 0;
    const most =
      CONVERGE_MS +
      (plan.hasRollouts ? ROLLOUT_MS : 0) +
      (plan.engine === undefined ? 0 : SCHEMA_MS + RELIST_MS);
    for (const end = scheduler.time + most; scheduler.time < end; ) {
      const { writes } = recorder.counts;
      await advance(1000);
      if (scheduler.time > end - most + CONVERGE_MS && this.#grantAsked())
        nextLook = scheduler.time + LOOK_MS;
      recorder.judgeTime();
      if (recorder.hasFailed) return;
      unmet = this.#unmet();
      // Status is written within half a second of the change that it reports.
      stable = unmet === undefined && recorder.counts.writes === writes ? stable + 1 : 0;
      // The operator finds a new permission by its next look.
      if (stable >= 2 && scheduler.time >= nextLook) return onNote('converged');
    }
    recorder.fail(`I8, not converged after ${most / 1000} s: ${unmet}`);
  }

  /**
   * A person grants what the status of a profile asks for: a plan that needs a cover waits until the operator may read which
   * pods the engine's policies of others isolate. Returns true if something was granted.
   */
  #grantAsked(): boolean {
    const { server, recorder, perform, onNote } = this.#options;
    const isAsked = PROFILES.some((name) => {
      const { failures = [] } = recorder.observed.profile(name)?.status ?? {};
      return failures.some(({ reason }) => reason === 'IsolationUnknown');
    });
    if (!isAsked || server.forbidden.size === 0) return false;
    for (const kind of server.forbidden) {
      const action: Action = { do: 'permission', kind, isGranted: true };
      onNote(`action ${JSON.stringify(action)}`);
      perform(action);
    }
    return true;
  }

  /**
   * Waits for the end of the next exception, until which its policies have to stay, and which they must not survive by more
   * than a moment. Returns false if none ends soon.
   */
  async #followEnd(): Promise<boolean> {
    const { plan, recorder, operators, advance } = this.#options;
    const { leader } = operators;
    if (leader === undefined || !plan.hasExceptions) return false;
    const now = leader.clock.now();
    const [next] = recorder
      .exceptionsInForce(now)
      .filter(({ end }) => end - now < LONGEST_WAIT_MS)
      .sort((a, b) => a.end - b.end);
    if (next === undefined) return false;
    const policies = () => recorder.policiesOfException(next.exception).length;
    const before = policies();
    await advance(next.end - now - 1);
    const isSame = () => operators.leader === leader && !recorder.hasFailed;
    const { name } = next.exception.metadata;
    if (isSame() && policies() !== before)
      recorder.fail(`exception ${name} has ended early: it has ${policies()} policies, and had ${before}`);
    await advance(END_MS);
    if (isSame() && policies() > 0)
      recorder.fail(`exception ${name} has not ended: it has ${policies()} policies`);
    return true;
  }

  #unmet(): string | undefined {
    const { plan, network, operators } = this.#options;
    if (network.inFlight > 0) return 'requests are in flight';
    const { leader, alive } = operators;
    if (leader === undefined) return 'no replica leads';
    const behind = alive.find(({ link, isReady }) => !isReady || !link.isUpToDate);
    if (behind !== undefined) return `watches of ${behind.name} are behind`;
    // The facts of the network engine that the leader has are those by which the cluster is compared.
    const unmet = this.#unmetMesh(leader) ?? this.#unmetEngine(leader) ?? this.#comparison().unmet;
    if (unmet !== undefined) return unmet;
    // The policies can be right although a key still waits for its retry.
    const { running, waiting, ready } = leader.controller.queueStats();
    const left = running + waiting + Object.values(ready).reduce((sum, count) => sum + count, 0);
    // The model serves no admission policies, for which the key of service accounts waits.
    const most = plan.engine === undefined ? 0 : 1;
    return left > most ? `${left} keys are in the queue` : undefined;
  }

  #unmetMesh(leader: Replica): string | undefined {
    const { server, recorder, hasIstiod } = this.#options;
    if (!hasIstiod) return undefined;
    const { inputs } = recorder;
    const isKnown = leader.mesh?.facts()?.kind === 'available';
    const facts = MESHES[isKnown ? 0 : 1];
    if (inputs.mesh !== facts) this.#compared = undefined;
    inputs.mesh = facts;
    return !isKnown && isFound(server.storage) ? 'the mesh is not known' : undefined;
  }

  #unmetEngine(leader: Replica): string | undefined {
    const { plan, server, recorder, setting } = this.#options;
    if (plan.engine?.engine === undefined) return undefined;
    const facts = leader.detection?.engine.facts();
    const { inputs } = recorder;
    const known = facts && (inputs.engines.find((each) => isSame(each, facts)) ?? facts);
    if (known !== inputs.engine) this.#compared = undefined;
    inputs.engine = known ?? MISSING;
    return wrongFacts(server, setting(), facts);
  }

  /** True if the cluster no longer shows which engine runs: a new leader does not know the one that the leader before it found. */
  get #isEngineUnclear(): boolean {
    const { plan, server, setting } = this.#options;
    return plan.engine !== undefined && engineInForce(server, setting()) === undefined;
  }

  /** True if traces of the mesh are gone: a new leader does not know the configuration that the leader before it goes by. */
  get #isMeshUnclear(): boolean {
    const { plan, server } = this.#options;
    return plan.engine?.hasMesh === true && !isFound(server.storage);
  }

  /** True if objects of a network engine are written again and again, as its definition takes none as it is sent. */
  get #isRefused(): boolean {
    const { plan, server } = this.#options;
    return plan.engine !== undefined && ENGINE_KINDS.some((kind) => servedAs(server, kind) === 'changed');
  }

  /** Compares the cluster with the intent; cached until the next write, or the end of an exception. */
  #comparison(): Convergence {
    const { plan, server, recorder, operators } = this.#options;
    if (plan.hasExceptions && operators.leader !== undefined)
      recorder.observeClock(operators.leader.clock.now());
    const state = `${server.storage.revision} ${recorder.inputs.clock.ended}`;
    if (this.#compared?.state !== state)
      this.#compared = { state, ...compareWithIntent(recorder, server.storage) };
    return this.#compared;
  }

  async #stayQuiet(): Promise<void> {
    const { plan, recorder, operators, advance } = this.#options;
    const { writes } = recorder.counts;
    const { isOutdated } = this.#comparison();
    const { leader } = operators;
    const now = leader?.clock.now() ?? EPOCH;
    await advance(QUIET_MS);
    if (recorder.hasFailed) return;
    // An exception may have ended.
    const isChanging = plan.hasExceptions && recorder.hasEnd(now, now + QUIET_MS);
    // Another leader judges exceptions by its own clock, and does not know the engine while the evidence is unclear.
    const isOtherLeader = (plan.hasExceptions || plan.engine !== undefined) && operators.leader !== leader;
    if (isChanging || isOtherLeader || this.#isRefused) return;
    if (recorder.counts.writes > writes && !isOutdated) recorder.fail('I6, a write to a converged cluster');
    const { unmet } = this.#comparison();
    if (unmet !== undefined) recorder.fail(`I8, no longer converged: ${unmet}`);
  }
}

function isSame(a: EngineFacts, b: EngineFacts): boolean {
  return a.kind === 'available' && b.kind === 'available' && a.carries === b.carries;
}
