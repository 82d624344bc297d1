/**
 * The take-up of a set of bindings by the API server: written, taken up, in force. Pure. The bindings that profiles ask for
 * follow it, and the bindings of peers by ServiceAccount.
 *
 * A binding is written when the API server stores it. The API server takes stored bindings up about once a second, and
 * bindings have no status that says so: a probe asks. The set is in force when the API server was seen to act on exactly
 * the stored bindings.
 *
 *     unknown | writing   -- stored -->               written
 *     written             -- answered: inForce -->    inForce
 *     inForce             -- stored, other state -->  written
 *     any                 -- writing -->              writing
 *
 * Guarantees
 * - In force is only what a probe has confirmed, and only until the next attempt to write. An attempt that failed counts:
 *   its answer may be lost, and the API server may have taken up what it wrote.
 * - An answer about another state than the stored one is ignored.
 * - An answer is overdue only if the same state got the same answer for longer than that answer's patience.
 *
 * A state is a digest of the stored bindings' uids and resourceVersions, so that every write makes another one.
 */

/** The stages of a take-up. `A` has the probe's answers other than `inForce`. */
export type TakeUp<A extends string> =
  /** The bindings were not read yet. */
  | { readonly stage: 'unknown' }
  /** A write has begun, and the bindings were not read since. `state` is what was stored before it. */
  | ({ readonly stage: 'writing'; readonly state: string | undefined } & Followed)
  | ({ readonly stage: 'written'; readonly state: string; readonly waiting?: Waiting<A> } & Followed)
  | { readonly stage: 'inForce'; readonly state: string };

interface Followed {
  /** True if the API server was seen to act on an earlier state of the bindings. */
  readonly isFollowed: boolean;
}

/** The answer that the probe keeps giving for the stored state. */
export interface Waiting<A extends string> {
  readonly answer: A;
  /** The time of its first occurrence, in monotonic milliseconds. */
  readonly sinceMs: number;
}

export type TakeUpEvent<A extends string> =
  /** The bindings are stored as `state`: they were read, or written. */
  | { readonly kind: 'stored'; readonly state: string }
  /** A binding is about to be created, changed or deleted. */
  | { readonly kind: 'writing' }
  /** A probe was answered that asked whether `state` is taken up. */
  | {
      readonly kind: 'answered';
      readonly state: string;
      readonly answer: A | 'inForce';
      readonly nowMs: number;
    }
  /** Earlier answers no longer prove anything: the bindings may have been away for a while. */
  | { readonly kind: 'lapsed' };

/** The take-up before anything is known. */
export const UNKNOWN = { stage: 'unknown' } as const;

export function advance<A extends string>(takeUp: TakeUp<A>, event: TakeUpEvent<A>): TakeUp<A> {
  switch (event.kind) {
    case 'stored':
      if (takeUp.stage !== 'writing' && stateOf(takeUp) === event.state) return takeUp;
      return { stage: 'written', state: event.state, isFollowed: isFollowed(takeUp) };
    case 'writing':
      return { stage: 'writing', state: stateOf(takeUp), isFollowed: isFollowed(takeUp) };
    case 'answered':
      if (takeUp.stage !== 'written' || takeUp.state !== event.state) return takeUp;
      if (event.answer === 'inForce') return { stage: 'inForce', state: event.state };
      if (takeUp.waiting?.answer === event.answer) return takeUp;
      return { ...takeUp, waiting: { answer: event.answer, sinceMs: event.nowMs } };
    case 'lapsed':
      if (takeUp.stage === 'unknown') return takeUp;
      if (takeUp.stage === 'inForce') return { stage: 'written', state: takeUp.state, isFollowed: false };
      return { ...takeUp, isFollowed: false };
  }
}

/** True if the API server was seen to act on the bindings, as they are stored or as they were before. */
export function isFollowed(takeUp: TakeUp<string>): boolean {
  return takeUp.stage === 'inForce' || (takeUp.stage !== 'unknown' && takeUp.isFollowed);
}

/** True if the bindings were read as `state` and this is another state than the last known one. */
export function isChanged(takeUp: TakeUp<string>, state: string): boolean {
  const known = stateOf(takeUp);
  return known !== undefined && known !== state;
}

/**
 * The answer that the probe has given for too long; undefined if there is none.
 *
 * @param patienceMs how long each answer may be given, in milliseconds
 */
export function overdue<A extends string>(
  takeUp: TakeUp<A>,
  patienceMs: Readonly<Record<A, number>>,
  nowMs: number,
): A | undefined {
  if (takeUp.stage !== 'written' || takeUp.waiting === undefined) return undefined;
  const { answer, sinceMs } = takeUp.waiting;
  return nowMs - sinceMs > patienceMs[answer] ? answer : undefined;
}

/** The last known state of the stored bindings. */
function stateOf(takeUp: TakeUp<string>): string | undefined {
  return takeUp.stage === 'unknown' ? undefined : takeUp.state;
}
