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
  /** Its replies, each with its beginning in milliseconds since the simulation began. The last one is the present one. */
  readonly replies: { readonly reply: Reply; readonly since: number }[] = [{ reply: 0, since: 0 }];
  /** The latest answer that each replica has received. */
  readonly #answers = new Map<string, Answer[]>();

  constructor(time: () => number, roll: Dice) {
    this.#time = time;
    this.#roll = roll;
  }

  get reply(): Reply {
    return this.replies.at(-1)?.reply ?? 0;
  }

  set reply(reply: Reply) {
    if (reply !== this.reply) this.replies.push({ reply, since: this.#time() });
  }

  /** When it began to reply so, in milliseconds since the simulation began. */
  get since(): number {
    return this.replies.at(-1)?.since ?? 0;
  }

  /** The answers that a replica has received. */
  answersTo(replica: string): readonly Answer[] {
    return this.#answers.get(replica) ?? [];
  }

  /** Answers the query of a replica. @param clock that of its process */
  ask(replica: string, clock: Clock): Promise<QueryResult> {
    const isSilent = this.reply === 'silent';
    const { promise, resolve } = Promise.withResolvers<QueryResult>();
    const result = this.#result;
    clock.schedule(isSilent ? TIMEOUT_MS : 1 + this.#roll(50), () => {
      this.#answers.set(replica, [...this.answersTo(replica), { at: this.#time(), result }]);
      resolve(result);
    });
    return promise;
  }

  get #result(): QueryResult {
    const { reply } = this;
    if (reply === 'silent') return none('no answer within 10 s');
    if (reply === 'error') return none('the server answered 503: unavailable');
    return { kind: 'value', value: reply };
  }
}
