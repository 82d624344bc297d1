/**
 * The watched exceptions. The watch begins once they matter: when a profile grants exceptions, or when the API server is
 * found to serve them.
 */
import { API_VERSION, EXCEPTION_PLURAL } from '../../api/names.ts';
import { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { Store } from '../../kube/watch/store.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { type ExceptionItem, EXCEPTIONS, projectException } from './items.ts';

export interface ExceptionSourceOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** All exceptions are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Called when a read failed, or succeeded again. */
  readonly onRead: () => void;
  /** Called for each failure of the watch. */
  readonly onError: (error: unknown) => void;
}

interface ResourceList {
  readonly resources?: readonly { readonly name?: string }[];
}

export class ExceptionSource {
  readonly items = new Store<ExceptionItem>();
  readonly #options: ExceptionSourceOptions;
  readonly #stopping = new AbortController();
  #reflector: Reflector<ExceptionItem> | undefined;
  #ended: Promise<void> = Promise.resolve();
  #error: unknown;

  constructor(options: ExceptionSourceOptions) {
    this.#options = options;
  }

  /** True if all exceptions were read at least once, and are kept current. */
  get isRead(): boolean {
    return this.#reflector?.hasSynced === true;
  }

  /** The last failure since a complete read; undefined if there is none. */
  get error(): unknown {
    return this.#error;
  }

  /** Begins to watch; later calls do nothing. */
  start(): void {
    if (this.#reflector !== undefined || this.#stopping.signal.aborted) return;
    const { transport, clock, random, resyncMs, onRead, onError } = this.#options;
    this.#reflector = new Reflector<ExceptionItem>({
      transport,
      path: new Resource(transport, EXCEPTIONS).collection(),
      project: projectException,
      sink: this.items,
      clock,
      random,
      relistMs: resyncMs,
      onError: (error) => {
        const isFirst = this.#error === undefined;
        this.#error = error;
        onError(error);
        if (isFirst) onRead();
      },
      onList: () => {
        this.#error = undefined;
        onRead();
      },
    });
    this.#ended = this.#reflector.run(this.#stopping.signal);
  }

  /** Begins to watch if the API server serves exceptions. Without an answer, a profile that grants some begins it. */
  async startIfServed(): Promise<void> {
    const { transport } = this.#options;
    const request = { method: 'GET', path: `/apis/${API_VERSION}`, signal: this.#stopping.signal } as const;
    const { resources = [] } = await transport.request<ResourceList>(request).catch((): ResourceList => ({}));
    if (resources.some(({ name }) => name === EXCEPTION_PLURAL)) this.start();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }
}
