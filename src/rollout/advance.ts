/**
 * The next state of a rollout. Pure: it follows from the recorded state, the profile, its recorded revisions, how the
 * namespaces stand, and the time. The state is recorded in the profile's status before any namespace acts on it.
 *
 * Guarantees: a revision begins at its first wave; a wave begins once the one before it is done; while a rollout is
 * paused, no further namespace gets its revision. An edit in the middle puts a revision on top of the unfinished ones: each
 * namespace goes from what it has to the latest. A failed revision is taken away as a whole, and never begins again by
 * itself.
 */
import { ANNOTATION_PROMOTE, ANNOTATION_RETRY } from '../api/names.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { parseDuration } from '../util/duration.ts';
import { byName } from '../util/order.ts';
import { rfc3339 } from '../util/rfc3339.ts';
import type { Revisions, RolloutState } from './assign.ts';
import { andMore, type GateInput, type GateVerdict, judgeGates } from './gates.ts';
import { type Intent, intentOf, type Revision, sameIntent, sameWaves } from './revision.ts';
import { END, type Member, nameOfWave, positionOf, waveOf } from './waves.ts';

/** Most revisions that namespaces have at a time; the schema's bound. */
const MAX_IN_FORCE = 8;

/** How a namespace stands that the latest revision, or one before it, selects. */
export interface Progress extends Member {
  /** The revision that it was reconciled with last; absent if that is not known. */
  readonly revision?: number;
  /** `applied`: the policies of that revision are in place. */
  readonly state: 'applied' | 'pending' | 'failed';
  /** Why it is pending or failed, if that is known. */
  readonly reason?: string;
  readonly message?: string;
}

export interface RolloutInput {
  readonly profile: SegmentationProfile;
  readonly revisions: Revisions;
  readonly progress: readonly Progress[];
  /**
   * Before the first revision: `converged` if the policies of every namespace are already those that the spec asks for,
   * `unknown` until every namespace was looked at.
   */
  readonly convergence: 'converged' | 'differs' | 'unknown';
  /** The observations of the gates in the wave that is under way. */
  readonly gates: GateInput;
  /** Wall clock, in milliseconds since the epoch. */
  readonly now: number;
}

export interface Next {
  readonly state: RolloutState;
  /** When the state has to be looked at again, in milliseconds since the epoch. */
  readonly wakeAt?: number;
  /** The number of a revision that has to be recorded first, from the profile as it is. */
  readonly record?: number;
  /** Why a gate keeps namespaces out for now. */
  readonly obstacle?: string;
}

/** The state before the first revision. @param hasPolicies true if a namespace has policies of the profile */
export function initialState(
  { status }: SegmentationProfile,
  hasPolicies: boolean,
  now: number,
): RolloutState {
  const isNew = status?.observedGeneration === undefined && !hasPolicies;
  const base = isNew ? 'Nothing' : 'Unrecorded';
  return { revision: 0, phase: 'Recording', summary: 'Recording', since: rfc3339(now), base, inForce: [] };
}

/** @param state as it is recorded */
export function advance(state: RolloutState, input: RolloutInput): Next {
  const begun = begin(state, input);
  if (begun.record !== undefined) return begun;
  const next = walk(begun.state, input);
  return { ...next, state: { ...next.state, summary: summaryOf(next.state, input.revisions) } };
}

/** Takes up the profile as it is, if that is not the latest revision. */
function begin(state: RolloutState, input: RolloutInput): Next {
  const { profile, revisions, convergence, now } = input;
  const { spec } = profile;
  const wanted = intentOf(spec);
  const latest = revisions.get(state.revision);
  const isRetried = isStopped(state) && annotation(profile, ANNOTATION_RETRY) === String(state.revision);
  const isLatest = latest !== undefined && sameIntent(latest.intent, wanted) && !isRetried;
  if (isLatest && state.phase !== 'Recording') return { state };
  // A revision that reaches no namespace leaves nothing behind.
  const inForce = state.inForce.filter(({ wave, limit = 0 }) => wave !== 0 || limit > 0);
  // The latest of many unfinished revisions has to be completed first.
  if (inForce.length >= MAX_IN_FORCE) return { state };
  const newest = revisions.get(Math.max(0, ...revisions.keys()));
  const isRecorded =
    newest !== undefined &&
    newest.number > state.revision &&
    sameIntent(newest.intent, wanted) &&
    sameWaves(newest.waves, spec.rollout?.waves ?? []);
  if (!isRecorded) {
    const record = Math.max(state.revision, newest?.number ?? 0) + 1;
    // The status must not say of the profile as it is that its rollout is complete, or has failed.
    const isBegun = state.phase === 'Recording';
    const recording = { phase: 'Recording', summary: 'Recording', since: rfc3339(now) } as const;
    return { state: isBegun ? state : { ...withoutRevision(state), ...recording }, record };
  }
  const { number } = newest;
  if (state.base === 'Unrecorded' && state.revision === 0 && convergence === 'unknown') return { state };
  if (needsNoWaves(state, wanted, input)) return { state: complete(number, now) };
  return {
    state: {
      ...withoutRevision(state),
      revision: number,
      phase: 'Applying',
      since: rfc3339(now),
      inForce: [{ revision: number, wave: 0, limit: 0 }, ...inForce],
    },
  };
}

/**
 * True if the intent is in force at once: it is what all namespaces have that an unfinished rollout did not reach, and the
 * rollout ends; or no policy changes.
 */
export function needsNoWaves(
  { revision, inForce, base }: RolloutState,
  wanted: Intent,
  { revisions, convergence }: Pick<RolloutInput, 'revisions' | 'convergence'>,
): boolean {
  const isFirst = revision === 0;
  if (isFirst && (base === 'Unrecorded' ? convergence === 'converged' : wanted.mode === 'Audit')) return true;
  const last = inForce.at(-1);
  const bottom = last !== undefined && last.wave === undefined ? revisions.get(last.revision) : undefined;
  if (bottom === undefined) return false;
  if (sameIntent(bottom.intent, wanted)) return true;
  return inForce.length === 1 && bottom.intent.mode === 'Audit' && wanted.mode === 'Audit';
}

/** Goes through the phases as far as nothing has to be waited for. */
function walk(state: RolloutState, input: RolloutInput): Next {
  const [top] = state.inForce;
  const revision = top && input.revisions.get(top.revision);
  if (isStopped(state) && !isPromoted(state, revision, input.profile)) return { state };
  if (top?.wave === undefined || revision === undefined) return { state };
  const rollout = new Rollout(revision, input);
  let next: Next = { state };
  for (let isDone = false; !isDone; ) {
    const step = rollout.step(next.state);
    isDone = step.isDone;
    next = step.next;
  }
  return next;
}

interface Step {
  readonly next: Next;
  /** False if the next state may be followed by another one at once. */
  readonly isDone: boolean;
}

const done = (state: RolloutState, wakeAt?: number): Step => ({
  next: { state, ...(wakeAt !== undefined && { wakeAt }) },
  isDone: true,
});
const goOn = (state: RolloutState): Step => ({ next: { state }, isDone: false });

/** The rollout of one revision. */
class Rollout {
  readonly #revision: Revision;
  readonly #input: RolloutInput;
  /** The namespaces of each wave, in the order in which they are let in. */
  readonly #members: ReadonlyMap<number, readonly Placed[]>;

  constructor(revision: Revision, input: RolloutInput) {
    const { name } = input.profile.metadata;
    this.#revision = revision;
    this.#input = input;
    const placed = input.progress.map((progress) => ({
      progress,
      position: positionOf(name, progress.name),
      wave: waveOf(revision.waves, progress, name),
    }));
    this.#members = Map.groupBy(
      placed.sort((a, b) => a.position - b.position),
      ({ wave }) => wave,
    );
  }

  step(state: RolloutState): Step {
    const { profile, now } = this.#input;
    const [top] = state.inForce;
    if (top?.wave === undefined) return done(state);
    const isPaused = profile.spec.rollout?.paused === true;
    if (isPaused) return done(state.phase === 'Paused' ? state : this.#enter(state, 'Paused'));
    if (state.phase === 'Paused') return goOn(this.#enter(state, 'Applying'));
    const promoted = promotionOf(profile, state.revision);
    if (promoted === '*') return done(complete(state.revision, now));
    if (promoted === nameOfWave(this.#revision.waves, top.wave)) return goOn(this.#nextWave(state, top.wave));
    const reached = this.#membersOf(top.wave).filter(({ position }) => position < (top.limit ?? 0));
    const failed = reached.filter((each) => this.#stands(each, 'failed'));
    if (failed.length > 0) return done(this.#fail(state, namespaceFailure(failed, 'NamespaceFailed')));
    const { gates = {}, deadline = '' } = profile.spec.rollout ?? {};
    const gate = judgeGates(gates, this.#input.gates, {
      recorded: state.gates,
      members: namesOf(this.#membersOf(top.wave)),
      reached: namesOf(reached),
      phaseSince: Date.parse(state.since),
      deadlineMs: parseDuration(deadline) ?? Number.POSITIVE_INFINITY,
      now,
    });
    if (gate.kind === 'begun') return goOn({ ...state, gates: gate.recorded });
    if (gate.kind === 'failed') return done(this.#fail(state, gate.failure));
    const step =
      state.phase === 'Soaking'
        ? this.#soak(state, top.wave, gate)
        : this.#apply(state, { wave: top.wave, reached, gate });
    if (gate.kind !== 'closed') return step;
    const { reason: obstacle, wakeAt = Number.POSITIVE_INFINITY } = gate;
    const at = Math.min(wakeAt, step.next.wakeAt ?? Number.POSITIVE_INFINITY);
    return { ...step, next: { ...step.next, ...(Number.isFinite(at) && { wakeAt: at }), obstacle } };
  }

  #apply(
    state: RolloutState,
    { wave, reached, gate }: { wave: number; reached: readonly Placed[]; gate: OpenOrClosed },
  ): Step {
    const { profile, now } = this.#input;
    const { maxParallel = Number.POSITIVE_INFINITY, deadline = '' } = profile.spec.rollout ?? {};
    const members = this.#membersOf(wave);
    const pending = reached.filter((each) => !this.#stands(each, 'applied'));
    const waiting = members.slice(reached.length);
    const room = Math.max(0, maxParallel - pending.length);
    const isOpen = state.inForce[0]?.limit === END;
    if (!isOpen && gate.kind !== 'closed' && (waiting.length === 0 || room > 0))
      return this.#letIn(state, limitFor(waiting, room));
    if (pending.length > 0) {
      const endsAt = Date.parse(state.since) + (parseDuration(deadline) ?? Number.POSITIVE_INFINITY);
      if (now >= endsAt) return done(this.#fail(state, namespaceFailure(pending, 'DeadlineExceeded')));
      return done(state, Number.isFinite(endsAt) ? endsAt : undefined);
    }
    if (members.length > 0 && this.#hasSoak(wave) && gate.kind !== 'closed')
      return goOn(this.#enter(state, 'Soaking'));
    return this.#end(state, wave, gate);
  }

  /** A wave without soak time soaks until its queries have answers from after its last write. */
  #hasSoak(wave: number): boolean {
    const { gates } = this.#input.profile.spec.rollout ?? {};
    return this.#soakMs(wave) > 0 || (gates?.prometheus ?? []).length > 0;
  }

  #soak(state: RolloutState, wave: number, gate: OpenOrClosed): Step {
    const endsAt = Date.parse(state.since) + this.#soakMs(wave);
    if (this.#input.now < endsAt) return done(state, endsAt);
    return this.#end(state, wave, gate);
  }

  /** Ends the wave, if its gates let it. */
  #end(state: RolloutState, wave: number, gate: OpenOrClosed): Step {
    if (gate.kind === 'open') return goOn(this.#nextWave(state, wave));
    if (gate.kind === 'closed') return done(state);
    return { next: { state, wakeAt: gate.wakeAt, obstacle: gate.reason }, isDone: true };
  }

  /** Lets in the namespaces of the wave up to a position. */
  #letIn(state: RolloutState, limit: number): Step {
    const [top, ...below] = state.inForce;
    if (top === undefined) return done(state);
    const next = { ...this.#enter(state, 'Applying'), inForce: [{ ...top, limit }, ...below] };
    // An empty wave, and the rest of one whose namespaces all have the revision, need no time.
    return goOn(next);
  }

  #nextWave(state: RolloutState, wave: number): RolloutState {
    const { waves } = this.#revision;
    if (wave >= waves.length) return complete(state.revision, this.#input.now);
    const [top, ...below] = state.inForce;
    const inForce = top === undefined ? [] : [{ ...top, wave: wave + 1, limit: 0 }, ...below];
    return this.#enter({ ...withoutWave(state), inForce }, 'Applying');
  }

  #enter(state: RolloutState, phase: RolloutState['phase']): RolloutState {
    const wave = nameOfWave(this.#revision.waves, state.inForce[0]?.wave ?? 0);
    return { ...state, phase, wave, since: rfc3339(this.#input.now) };
  }

  /** Takes the whole revision away, if it is known what the namespaces had before and nobody chose otherwise. */
  #fail(state: RolloutState, failure: WaveFailure): RolloutState {
    const { profile, now } = this.#input;
    const below = state.inForce.slice(1);
    // Policies from before the first rollout are not recorded: nobody could bring them back.
    const canGoBack = state.base === 'Nothing' || (state.base === undefined && below.length > 0);
    const isRollback = canGoBack && profile.spec.rollout?.onFailure !== 'Pause';
    const wave = nameOfWave(this.#revision.waves, state.inForce[0]?.wave ?? 0);
    return {
      ...withoutWave(state),
      phase: isRollback ? 'RolledBack' : 'Failed',
      wave,
      since: rfc3339(now),
      inForce: isRollback ? below : state.inForce,
      failure: { wave, ...failure },
    };
  }

  /** True if the namespace was reconciled with this revision, and stands so. */
  #stands({ progress }: Placed, state: Progress['state']): boolean {
    return progress.revision === this.#revision.number && progress.state === state;
  }

  #membersOf(wave: number): readonly Placed[] {
    return this.#members.get(wave) ?? [];
  }

  #soakMs(wave: number): number {
    return parseDuration(this.#revision.waves[wave]?.soak ?? '0') ?? 0;
  }
}

interface Placed {
  readonly progress: Progress;
  readonly position: number;
  readonly wave: number;
}

/** The limit that lets in the first `count` of these namespaces, and at least one. */
function limitFor(waiting: readonly Placed[], count: number): number {
  const [first] = waiting;
  const next = waiting[count];
  return first === undefined || next === undefined ? END : Math.max(next.position, first.position + 1);
}

/** The verdict of the gates on a wave that has begun and not failed. */
type OpenOrClosed = Extract<GateVerdict, { readonly kind: 'open' | 'unseen' | 'closed' }>;

type WaveFailure = Omit<NonNullable<RolloutState['failure']>, 'wave'>;

function namespaceFailure(
  failed: readonly Placed[],
  reason: 'NamespaceFailed' | 'DeadlineExceeded',
): WaveFailure {
  const [first] = failed.map(({ progress }) => progress).sort(byName);
  const why = first?.message === undefined ? '' : `: ${first.message}`;
  const what =
    reason === 'DeadlineExceeded' ? 'did not get its policies before the deadline' : "can't be enforced";
  return {
    ...(first && { namespace: first.name }),
    reason: first?.reason ?? reason,
    message: `namespace ${first?.name ?? ''}${andMore(failed.length)} ${what}${why}`,
  };
}

function namesOf(placed: readonly Placed[]): Set<string> {
  return new Set(placed.map(({ progress }) => progress.name));
}

/** The state without what is about one wave. */
function withoutWave(state: RolloutState): RolloutState {
  const { failure: _, gates: __, ...kept } = state;
  return kept;
}

/** The state without what is about the latest revision. */
function withoutRevision(state: RolloutState): RolloutState {
  const { closed: _, ...kept } = withoutWave(state);
  return kept;
}

function complete(revision: number, now: number): RolloutState {
  return {
    revision,
    phase: 'Complete',
    summary: 'Complete',
    since: rfc3339(now),
    inForce: [{ revision }],
  };
}

/** True if a person has to act before the rollout goes on. */
export function isStopped({ phase }: RolloutState): boolean {
  return phase === 'Failed' || phase === 'RolledBack';
}

/** True if somebody lets a failed rollout go on that has not been taken back. */
function isPromoted(
  state: RolloutState,
  revision: Revision | undefined,
  profile: SegmentationProfile,
): boolean {
  if (state.phase !== 'Failed' || revision === undefined) return false;
  const wave = promotionOf(profile, state.revision);
  return wave === '*' || wave === nameOfWave(revision.waves, state.inForce[0]?.wave ?? 0);
}

/** The wave of this revision that need not be waited for, `*` for all of them; undefined if nobody said so. */
function promotionOf(profile: SegmentationProfile, revision: number): string | undefined {
  const [number, wave] = (annotation(profile, ANNOTATION_PROMOTE) ?? '').split('/');
  return number === String(revision) ? wave : undefined;
}

function annotation({ metadata }: SegmentationProfile, name: string): string | undefined {
  return metadata.annotations?.[name];
}

function summaryOf({ phase, inForce }: RolloutState, revisions: Revisions): string {
  const [top] = inForce;
  const revision = top && revisions.get(top.revision);
  if (top?.wave === undefined || revision === undefined || phase === 'RolledBack') return phase;
  return `${phase} ${top.wave}/${revision.waves.length + 1}`;
}
