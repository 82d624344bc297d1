/**
 * What a request is authorised with: headers and TLS material of a kubeconfig, had from client-node (which runs exec
 * plugins and knows the auth providers), cached so that a request costs nothing, and renewed as files and tokens rotate.
 */
import type { ConnectionOptions } from 'node:tls';
import type { Clock } from '../../util/clock.ts';
import type { ClusterConfig, LoadedUser } from '../config.ts';

export interface Credentials {
  /** Flat name, value, name, value list, as undici takes them. */
  readonly headers: readonly string[];
  readonly tls: ConnectionOptions;
  /** Equal for equal TLS material, so that connections are replaced only when a certificate was. */
  readonly tlsId: string;
}

/** Older than this, credentials are renewed in the background. Milliseconds. */
const FRESH_MS = 10_000;
/** Older than this, a request waits for the renewal. Milliseconds. */
const STALE_MS = 60_000;
/**
 * Longest renewal, milliseconds: less than the deadline of a request, which then goes on with what there is. A plugin that
 * asks something waits for ever for an answer.
 */
const RENEWAL_MS = 20_000;

/** Options as client-node fills them in. */
interface FilledOptions {
  headers?: Record<string, unknown>;
  auth?: string | null;
  ca?: unknown;
  cert?: unknown;
  key?: unknown;
  pfx?: unknown;
  passphrase?: string;
  rejectUnauthorized?: boolean;
  servername?: string;
}

/** The source of credentials of one kubeconfig. A renewal that fails leaves the last good ones in use. */
export class CredentialSource {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  #user: LoadedUser | undefined;
  #current: Credentials | undefined;
  #obtainedAt = 0;
  #pending: Promise<Credentials> | undefined;

  constructor(config: ClusterConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  /** The cached credentials when they are fresh; undefined when `get` must be awaited. Never blocks. */
  cached(): Credentials | undefined {
    if (this.#current === undefined) return undefined;
    const age = this.#clock.monotonic() - this.#obtainedAt;
    if (age < FRESH_MS) return this.#current;
    if (age >= STALE_MS) return undefined;
    this.#renew(false).catch(ignore);
    return this.#current;
  }

  /** @throws whatever client-node says when there are no credentials at all */
  async get(): Promise<Credentials> {
    return this.cached() ?? (await this.#renew(false));
  }

  /**
   * Credentials other than `rejected`, which the server answered with 401: files are read again and an exec plugin
   * runs again. Returns `rejected` itself when there are no others.
   */
  async replace(rejected: Credentials): Promise<Credentials> {
    if (this.#current !== undefined && this.#current !== rejected) return this.#current;
    // A renewal that is under way may have begun with the caches that gave us what was rejected.
    await this.#pending?.catch(ignore);
    return this.#current !== undefined && this.#current !== rejected ? this.#current : this.#renew(true);
  }

  #renew(anew: boolean): Promise<Credentials> {
    this.#pending ??= this.#obtain(anew).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #obtain(anew: boolean): Promise<Credentials> {
    try {
      const next = await this.#ask(anew);
      const before = this.#current;
      // The same object while nothing changed: its identity says whether a 401 concerns the present credentials.
      this.#current = before !== undefined && equal(before, next) ? before : next;
    } catch (error) {
      if (this.#current === undefined) throw error;
    }
    this.#obtainedAt = this.#clock.monotonic();
    return this.#current;
  }

  async #ask(anew: boolean): Promise<Credentials> {
    // The oidc provider keeps its refresh token in memory only, so its state must not be dropped.
    const keep = this.#user?.kubeConfig.getCurrentUser()?.authProvider?.name === 'oidc';
    if (this.#user === undefined || (anew && !keep)) this.#user = this.#config.load();
    const { kubeConfig, headers: extra } = this.#user;
    const filled: FilledOptions = {};
    await this.#inTime(kubeConfig.applyToHTTPSOptions(filled));
    const headers: string[] = [];
    const add = (name: string, value: unknown) => {
      if (typeof value === 'string' && value.trim() !== '') headers.push(name.toLowerCase(), value.trim());
    };
    for (const [name, value] of Object.entries(filled.headers ?? {})) add(name, value);
    if (filled.auth) add('authorization', `Basic ${Buffer.from(filled.auth).toString('base64')}`);
    for (const [name, values] of Object.entries(extra)) for (const value of values) add(name, value);
    const { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername } = filled;
    const material = { ca, cert, key, pfx, passphrase, rejectUnauthorized, servername };
    const tls: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(material))
      if (value !== undefined && value !== null) tls[name] = value;
    return { headers, tls, tlsId: JSON.stringify(tls) };
  }

  /** `pending`, or a rejection where that takes too long. */
  #inTime(pending: Promise<unknown>): Promise<unknown> {
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
