/** A watch of all NetworkPolicies that records each committed write and its time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { readKubeconfigs } from '../../src/kube/config/kubeconfig.ts';
import { LineSplitter } from '../../src/kube/http/stream/lines.ts';

const PATH = '/apis/networking.k8s.io/v1/networkpolicies';
const EVENT =
  /^\{"type":"(\w+)".*?"metadata":\{"name":"([^"]+)","namespace":"([^"]+)".*?"resourceVersion":"(\d+)"/;

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

export class Witness {
  readonly counts: Record<EventType, number> = { ADDED: 0, MODIFIED: 0, DELETED: 0 };
  /** When each policy was last added, by namespace/name, as of performance.now. */
  readonly added = new Map<string, number>();
  readonly #agent: Agent;
  /** The resourceVersion of the last event. */
  #revision = '';
  readonly #waiting = new Set<() => void>();

  private constructor(agent: Agent) {
    this.#agent = agent;
  }

  /** @param names prefix of the names of policies that are recorded */
  static async start(kubeconfig: string, names: string): Promise<Witness> {
    const config = readKubeconfigs([kubeconfig]);
    const { tls } = await config.load().credentials();
    const agent = new Agent({
      allowH2: false,
      connect: tls,
      bodyTimeout: 0,
      headersTimeout: 0,
    });
    const witness = new Witness(agent);
    const get = (query: string) =>
      agent.request({ origin: config.server, path: `${PATH}?${query}`, method: 'GET' });
    const list = (await (await get('limit=1')).body.json()) as { metadata: { resourceVersion: string } };
    witness.#revision = list.metadata.resourceVersion;
    const watch = async () => (await get(`watch=1&resourceVersion=${witness.#revision}`)).body;
    const first = await watch();
    witness.#follow(first, watch, names).catch((error: unknown) => {
      if (!agent.destroyed) throw error;
    });
    return witness;
  }

  /** Resumes each watch that ended: the API server ends a watch that falls behind. */
  async #follow(
    first: AsyncIterable<Buffer>,
    again: () => Promise<AsyncIterable<Buffer>>,
    names: string,
  ): Promise<void> {
    for (let body = first; !this.#agent.destroyed; body = await again()) {
      const lines = new LineSplitter(2 ** 24);
      for await (const chunk of untilBroken(body))
        for (const line of lines.push(chunk)) this.#record(line, names);
    }
  }

  /** Resolves after `count` events of the type. Rejects if no event comes for a minute. */
  async until(type: EventType, count: number): Promise<void> {
    await this.#until(
      () => this.counts[type] >= count,
      () => `${this.counts[type]} of ${count} ${type}`,
    );
  }

  /** Resolves with the time at which the policy was added. */
  async untilAdded(key: string): Promise<number> {
    await this.#until(
      () => this.added.has(key),
      () => `no ${key}`,
    );
    return this.added.get(key) ?? Number.NaN;
  }

  async stop(): Promise<void> {
    await this.#agent.destroy();
  }

  async #until(isTrue: () => boolean, what: () => string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => {
      if (isTrue()) resolve();
    };
    this.#waiting.add(check);
    check();
    const quiet = new AbortController();
    const seen = () => this.counts.ADDED + this.counts.MODIFIED + this.counts.DELETED;
    const stalled = async () => {
      for (let before = -1; before !== seen(); await sleep(60_000, undefined, { signal: quiet.signal }))
        before = seen();
      throw new Error(`no event for a minute: ${what()}`);
    };
    try {
      await Promise.race([promise, stalled()]);
    } finally {
      quiet.abort();
      this.#waiting.delete(check);
    }
  }

  #record(line: string, names: string): void {
    const [, type, name = '', namespace, revision] = EVENT.exec(line) ?? [];
    if (revision === undefined)
      throw new Error(`unexpected line of the benchmark's watch: ${line.slice(0, 300)}`);
    this.#revision = revision;
    if (!name.startsWith(names)) return;
    this.counts[type as EventType] += 1;
    if (type === 'ADDED') this.added.set(`${namespace}/${name}`, performance.now());
    for (const check of this.#waiting) check();
  }
}

async function* untilBroken(body: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  try {
    yield* body;
  } catch {
    // A reset ends the watch like any other end.
  }
}
