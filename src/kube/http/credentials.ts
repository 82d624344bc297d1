/**
 * Credentials of requests: headers and TLS material of a user. They are cached, so that a request costs nothing, and
 * renewed as files and tokens rotate.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Clock } from '../../util/clock.ts';
import type { ClusterConfig, RequestCredentials, UserSource } from '../config/cluster-config.ts';

export interface Credentials {
  /** Names and values by turns, as undici takes them. */
  readonly headers: readonly string[];
  readonly tls: ConnectionOptions;
  /** Equal for equal TLS material: connections are replaced only if it has changed. */
  readonly tlsId: string;
}

/** Age from which credentials are renewed in the background, milliseconds. */
const FRESH_MS = 10_000;
/** Age from which requests wait for the renewal, milliseconds. */
const STALE_MS = 60_000;
/**
 * Longest renewal, milliseconds. It is shorter than the deadline of a request, which can continue with the old
 * credentials. An exec plugin that prompts for input would wait for ever.
 */
const RENEWAL_MS = 20_000;

/** The credentials of one configuration. After a failed renewal the last valid ones stay in use. */
export class CredentialSource {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  #user: UserSource | undefined;
  #current: Credentials | undefined;
  #obtainedAt = 0;
  #pending: Promise<Credentials> | undefined;

  constructor(config: ClusterConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** The cached credentials, which may start a renewal; undefined if they are too old, and `get` must be awaited. */
  cached(): Credentials | undefined {
    if (this.#current === undefined) return undefined;
    const age = this.#clock.monotonic() - this.#obtainedAt;
    if (age < FRESH_MS) return this.#current;
    if (age >= STALE_MS) return undefined;
    this.#renew('cached').catch(ignore);
    return this.#current;
  }

  /** @throws the user's error if there never were credentials */
  async get(): Promise<Credentials> {
    return this.cached() ?? (await this.#renew('cached'));
  }

  /**
   * Replaces credentials that the server rejected with 401: reads files and runs exec plugins again.
   *
   * @returns `rejected` itself if there are no others
   */
  async replace(rejected: Credentials): Promise<Credentials> {
    if (this.#current !== undefined && this.#current !== rejected) return this.#current;
    // A renewal that has begun may use the caches from which the rejected credentials came.
    await this.#pending?.catch(ignore);
    return this.#current !== undefined && this.#current !== rejected ? this.#current : this.#renew('reload');
  }

  /** @param source `reload` reads the configuration again, with empty caches */
  #renew(source: 'cached' | 'reload'): Promise<Credentials> {
    this.#pending ??= this.#obtain(source).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #obtain(source: 'cached' | 'reload'): Promise<Credentials> {
    try {
      const next = await this.#read(source);
      const before = this.#current;
      // Equal credentials keep their identity, by which `replace` knows whether a 401 concerns the current ones.
      this.#current = before !== undefined && equal(before, next) ? before : next;
    } catch (error) {
      if (this.#current === undefined) throw error;
    }
    this.#obtainedAt = this.#clock.monotonic();
    return this.#current;
  }

  async #read(source: 'cached' | 'reload'): Promise<Credentials> {
    if (this.#user === undefined || (source === 'reload' && !this.#user.keepsSecrets))
      this.#user = this.#config.load();
    const { headers, tls } = await this.#withTimeout(this.#user.credentials());
    return { headers: headers.flat(), tls, tlsId: JSON.stringify(tls) };
  }

  /** Rejects if `pending` takes longer than RENEWAL_MS. */
  #withTimeout(pending: Promise<RequestCredentials>): Promise<RequestCredentials> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.schedule(RENEWAL_MS, () => {
        const what = 'an exec plugin that waits for input, or a provider that does not answer';
        reject(new Error(`no credentials within ${RENEWAL_MS / 1000} s: ${what}`));
      });
      pending.then(resolve, reject).finally(() => timer.cancel());
    });
  }
}

function equal(a: Credentials, b: Credentials): boolean {
  return (
    a.tlsId === b.tlsId &&
    a.headers.length === b.headers.length &&
    a.headers.every((v, i) => v === b.headers[i])
  );
}

function ignore(): void {}
