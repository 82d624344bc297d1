/**
 * Judges the gates of rollouts by what could be seen: a wave ends only if its gates saw that nothing broke, and a gate
 * that sees something broken takes the wave back in time.
 */
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { RolloutState } from '../../../src/rollout/assign.ts';
import { parseDuration } from '../../../src/util/duration.ts';
import { QUERY, QUERY_MAX } from '../schedule/rollouts.ts';
import { DEPLOYMENT, type Stored } from '../server/kinds.ts';
import type { Prometheus, Reply } from '../server/prometheus.ts';
import type { Storage } from '../server/storage.ts';

/** The operator's permission to read workloads, and its beginning in milliseconds since the simulation began. */
export interface Permission {
  readonly isForbidden: boolean;
  readonly since: number;
}

export interface GateJudgeOptions {
  readonly storage: Storage;
  readonly prometheus: Prometheus;
  readonly permission: () => Permission;
  /** Milliseconds since the simulation began. */
  readonly time: () => number;
}

/** A wave that is under way, and its gates as they are all the time. */
export interface GatedWave {
  readonly gates: NonNullable<NonNullable<SegmentationProfile['spec']['rollout']>['gates']>;
  readonly deadlineMs: number;
  readonly recorded: NonNullable<RolloutState['gates']>;
  readonly namespaces: readonly string[];
  /** When its state was recorded last, in milliseconds since the simulation began. */
  readonly phaseAt: number;
}

/** Times in which an operator that nothing disturbs notices something, in milliseconds. */
const NOTICE = {
  /** A change of a workload, or of the permission to read it. */
  workload: 5_000,
  /** Another answer of Prometheus: from one question to the next, and until it gives up. */
  answer: 30_000,
  /** An answer that has a value, from the question on. */
  delay: 100,
  /** A watch that has failed: its longest backoff, and some moments until its events count. */
  resumed: 25_000,
} as const;

export class GateJudge {
  readonly #options: GateJudgeOptions;
  /** Since when each unavailable Deployment is so, by `NAMESPACE/Deployment/NAME`. */
  readonly #unavailable = new Map<string, number>();

  constructor(options: GateJudgeOptions) {
    this.#options = options;
    options.storage.subscribe(({ kind, object }) => {
      if (kind === DEPLOYMENT) this.#followWorkload(object);
    });
  }

  /** The fault of a wave that has ended; undefined if there is none. @param author the replica that ended it */
  endFault(wave: GatedWave, author: string): string | undefined {
    const { gates, phaseAt } = wave;
    if (this.#isBlind(gates)) return 'and its gate can not read workloads';
    const [broken] = this.#broken(wave, this.#forMs(wave) + NOTICE.workload);
    if (broken !== undefined) return `and its gate has not seen that ${broken} is unavailable`;
    // The status with the last namespace that was let in is written some moments after the state was judged.
    const seen = this.#answers(author).some(({ at }) => at >= phaseAt - NOTICE.workload);
    return gates.prometheus === undefined || seen
      ? undefined
      : `and ${author} had no value of ${QUERY} within its bound since all namespaces were let in`;
  }

  /** The fault of a wave that a replica has ended which saw none of its gates; undefined if there is none. */
  unseenFault({ prometheus }: GatedWave['gates'], author: string): string | undefined {
    if (prometheus === undefined || this.#answers(author).length > 0) return undefined;
    return `and ${author} never had a value of ${QUERY} within its bound`;
  }

  /** The fault of a wave into which a further namespace was let; undefined if there is none. */
  openFault(gates: GatedWave['gates']): string | undefined {
    return this.#isBlind(gates) ? 'although its gate can not read workloads' : undefined;
  }

  /**
   * The fault of a rollout that has failed of its query; undefined if the query has been broken for long enough. A time within
   * the bound that is too short to be seen does not count, unless the replica has asked then.
   */
  unfoundedFault(
    { prometheus: gates = [] }: GatedWave['gates'],
    deadlineMs: number,
    author: string,
  ): string | undefined {
    const { prometheus, time } = this.#options;
    const { replies, reply: present } = prometheus;
    if (isWithin(present) && time() - prometheus.since > NOTICE.answer)
      return `although query ${QUERY} is ${present}`;
    const answers = this.#answers(author);
    const lastWithin = replies.findLastIndex(({ reply, since }, index) => {
      const end = replies[index + 1]?.since ?? time();
      const isSeen = answers.some(({ at }) => at >= since && at <= end + NOTICE.delay);
      return isWithin(reply) && (isSeen || end - since > NOTICE.answer);
    });
    const broken = replies.slice(lastWithin + 1).find(({ reply }) => !isWithin(reply));
    const forMs = Math.min(...gates.map((each) => parseDuration(each.for) ?? 0), deadlineMs);
    const brokenForMs = time() - (broken?.since ?? 0);
    return broken !== undefined && brokenForMs < forMs
      ? `although query ${QUERY} has been ${broken.reply} for ${brokenForMs / 1000} s only`
      : undefined;
  }

  /** Describes what a wave that is under way should have failed of by now; undefined if there is nothing. */
  overdue(wave: GatedWave): string | undefined {
    const { prometheus, permission, time } = this.#options;
    const { gates, deadlineMs, phaseAt } = wave;
    const { isForbidden, since } = permission();
    const isReadable = !isForbidden && time() - since > NOTICE.resumed;
    const [broken] = isReadable ? this.#broken(wave, this.#forMs(wave) + NOTICE.resumed) : [];
    if (broken !== undefined && time() - phaseAt > NOTICE.resumed) return `workload ${broken} is unavailable`;
    const { reply } = prometheus;
    const [query] = gates.prometheus ?? [];
    if (query === undefined || isWithin(reply)) return undefined;
    const forMs = parseDuration(query.for) ?? 0;
    const longestMs = typeof reply === 'number' ? forMs : Math.max(forMs, deadlineMs);
    const lastsMs = time() - Math.max(prometheus.since, phaseAt);
    return lastsMs > longestMs + NOTICE.answer ? `query ${QUERY} is ${reply}` : undefined;
  }

  /** True if the operator has had the time to see that it may not read workloads. */
  #isBlind({ workloads }: GatedWave['gates']): boolean {
    const { isForbidden, since } = this.#options.permission();
    return workloads !== undefined && isForbidden && this.#options.time() - since > NOTICE.workload;
  }

  /** The workloads that count, and that could be seen to be unavailable for longer than that. */
  #broken({ gates, recorded, namespaces }: GatedWave, longerThanMs: number): string[] {
    if (gates.workloads === undefined) return [];
    const { storage, permission, time } = this.#options;
    const counting = [...this.#unavailable].filter(([workload, since]) => {
      const [namespace = '', , name] = workload.split('/');
      const created = storage.get(DEPLOYMENT, `${namespace}/${name}`)?.metadata.creationTimestamp ?? '';
      return (
        namespaces.includes(namespace) &&
        recorded.unavailable?.includes(workload) !== true &&
        Date.parse(created) < Date.parse(recorded.since) &&
        time() - Math.max(since, permission().since) > longerThanMs
      );
    });
    return counting.map(([workload]) => workload);
  }

  /** The answers within the bound that a replica has received. */
  #answers(replica: string) {
    return this.#options.prometheus
      .answersTo(replica)
      .filter(({ result }) => result.kind === 'value' && result.value <= QUERY_MAX);
  }

  #forMs({ gates }: GatedWave): number {
    return parseDuration(gates.workloads?.for ?? '0m') ?? 0;
  }

  #followWorkload(object: Stored): void {
    const { namespace, name } = object.metadata;
    const { availableReplicas = 0 } = (object['status'] ?? {}) as { availableReplicas?: number };
    const key = `${namespace}/Deployment/${name}`;
    if (availableReplicas > 0) this.#unavailable.delete(key);
    else if (!this.#unavailable.has(key)) this.#unavailable.set(key, this.#options.time());
  }
}

function isWithin(reply: Reply): boolean {
  return typeof reply === 'number' && reply <= QUERY_MAX;
}
