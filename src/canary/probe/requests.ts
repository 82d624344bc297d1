/** Watches the ConfigMap by which a client asks for a round. */
import type { KubeObject } from '../../api/meta.ts';
import { CONFIG_MAPS, projectKeyOnly } from '../../cluster-state/items.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store } from '../../kube/watch/store.ts';
import { type Clock, type Random, sleep } from '../../util/clock.ts';
import { INSIDE } from '../model/names.ts';
import { REQUEST, requestedId } from '../model/request.ts';

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export interface RequestsOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Everything is listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  readonly onError: (resource: string, error: unknown) => void;
}

interface RequestItem extends Item {
  readonly id: string;
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #store = new Store<RequestItem>();

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** The id of the last request; empty if there is none, or it is not known yet. */
  get id(): string {
    const [item] = this.#store.values();
    return item?.id ?? '';
  }

  /** Watches until `signal` is aborted. */
  watch(signal: AbortSignal): void {
    const { transport, clock, random, resyncMs, onError } = this.#options;
    const reflector = new Reflector<RequestItem>({
      transport,
      path: new Resource<ConfigMap>(transport, CONFIG_MAPS).collection(INSIDE),
      fieldSelector: `metadata.name=${REQUEST}`,
      sink: this.#store,
      clock,
      random,
      relistMs: resyncMs,
      project: (raw) => ({ ...projectKeyOnly(raw), id: requestedId((raw as ConfigMap).data) }),
      onError: (error) => onError('configmaps', error),
    });
    void reflector.run(signal);
  }

  /** Resolves after `ms` milliseconds, or earlier: at a request with another id than `known`, or if `signal` is aborted. */
  async wait(known: string, ms: number, signal: AbortSignal): Promise<void> {
    const asked = new AbortController();
    const unsubscribe = this.#store.subscribe(() => {
      if (this.#isAnother(known)) asked.abort();
    });
    if (this.#isAnother(known)) asked.abort();
    await sleep(this.#options.clock, ms, AbortSignal.any([signal, asked.signal]));
    unsubscribe();
  }

  #isAnother(known: string): boolean {
    return this.id !== '' && this.id !== known;
  }
}
