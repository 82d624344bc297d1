/** A Prometheus that answers every query with one number, or with none. */
import { none, type QueryResult } from '../../../src/rollout/query-result.ts';
import type { Clock } from '../../../src/util/clock.ts';
import type { Dice } from '../../faults/model.ts';

/** `silent`: no answer comes. The client gives up after its timeout. */
export type Reply = number | 'error' | 'silent';

/** The timeout of the operator's client, in milliseconds. */
const TIMEOUT_MS = 10_000;

interface Answer {
  /** Milliseconds since the simulation began. */
  readonly at: number;
  readonly result: QueryResult;
}

export class Prometheus {
  readonly #time: () => number;
  readonly #roll: Dice;
  #reply: Reply = 0;
  /** When it began to reply so, in milliseconds since the simulation began. */
  since = 0;
  /** The latest answer that each replica has received. */
  readonly #answers = new Map<string, Answer[]>();

  constructor(time: () => number, roll: Dice) {
    this.#time = time;
    this.#roll = roll;
  }

  get reply(): Reply {
    return this.#reply;
  }

  set reply(reply: Reply) {
    if (reply === this.#reply) return;
    this.#reply = reply;
    this.since = this.#time();
  }

  /** The answers that a replica has received. */
  answersTo(replica: string): readonly Answer[] {
    return this.#answers.get(replica) ?? [];
  }

  /** Answers the query of a replica. @param clock that of its process */
  ask(replica: string, clock: Clock): Promise<QueryResult> {
    const isSilent = this.#reply === 'silent';
    const { promise, resolve } = Promise.withResolvers<QueryResult>();
    const result = this.#result;
    clock.schedule(isSilent ? TIMEOUT_MS : 1 + this.#roll(50), () => {
      this.#answers.set(replica, [...this.answersTo(replica), { at: this.#time(), result }]);
      resolve(result);
    });
    return promise;
  }

  get #result(): QueryResult {
    if (this.#reply === 'silent') return none('no answer within 10 s');
    if (this.#reply === 'error') return none('the server answered 503: unavailable');
    return { kind: 'value', value: this.#reply };
  }
}
