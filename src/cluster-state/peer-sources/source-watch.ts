/** The watches of one peer source, and what they have read. */
import type { Clock, Random } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type StoreChange, type Item, Store } from '../../kube/watch/store.ts';
import { projectKeyOnly } from '../items.ts';
import { type Dependency, encodeDependency } from './dependencies.ts';
import {
  type FactsOf,
  type SourceOf,
  type WatchedKind,
  type WatchedResource,
  type WatchedSource,
  watchedResources,
} from './watched-resources.ts';

export interface SourceWatchOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly random: Random;
  /** Every resource is listed again this often, in milliseconds; 0 for never. */
  readonly relistMs: number;
  readonly onError: (resource: string, error: unknown, retryInMs: number) => void;
}

export interface SourceListener<T> {
  /** The source has been read completely, or it can't be for another reason than before. */
  readonly onReadable: () => void;
  /** The answers to these questions may have changed, each once. Not called before the source has been read. */
  readonly onChange: (dependencies: readonly Dependency[]) => void;
  /** Called for each object that changed, also before the source has been read. */
  readonly onObject?: (old: T | undefined, next: T | undefined) => void;
}

export interface FactItem<T> extends Item {
  readonly facts: T;
}

interface ResourceWatch<T> {
  readonly resource: WatchedResource<T>;
  readonly store: Store<FactItem<T>>;
  readonly reflector: Reflector<FactItem<T>>;
  /** True from the first complete list on, also when the watch fails later: the last known facts hold. */
  isRead: boolean;
  /** The message of the last failure, until a list succeeds. */
  error: string | undefined;
}

/** A SourceWatch of any kind. */
export type AnySourceWatch = Pick<SourceWatch<never>, 'isRead' | 'error' | 'ages' | 'end'> & {
  readonly source: WatchedSource;
};

export class SourceWatch<K extends WatchedKind> {
  readonly source: SourceOf<K>;
  readonly #watches: readonly ResourceWatch<FactsOf[K]>[];
  readonly #listener: SourceListener<FactsOf[K]>;
  readonly #clock: Clock;
  readonly #ended = new AbortController();

  /**
   * Begins to watch.
   *
   * @param signal ends it, as `end` does
   */
  constructor(
    source: SourceOf<K>,
    options: SourceWatchOptions,
    listener: SourceListener<FactsOf[K]>,
    signal: AbortSignal,
  ) {
    this.source = source;
    this.#listener = listener;
    this.#clock = options.clock;
    this.#watches = watchedResources(source).map((resource) => this.#watch(resource, options));
    for (const watch of this.#watches) this.#run(watch, AbortSignal.any([signal, this.#ended.signal]));
  }

  /** True if every resource of the source was read completely at least once. */
  get isRead(): boolean {
    return this.#watches.every(({ isRead }) => isRead);
  }

  /** Why a resource can't be read at the moment; undefined if all can, or if a first read is under way. */
  get error(): string | undefined {
    return this.#watches.find(({ error }) => error !== undefined)?.error;
  }

  /** All objects that were read, by their keys. */
  items(): FactItem<FactsOf[K]>[] {
    return this.#watches.flatMap(({ store }) => [...store.values()]);
  }

  get(key: string): FactsOf[K] | undefined {
    for (const { store } of this.#watches) {
      const item = store.get(key);
      if (item !== undefined) return item.facts;
    }
    return undefined;
  }

  /** Milliseconds since each resource was last heard of. */
  ages(): [resource: string, age: number][] {
    const now = this.#clock.monotonic();
    return this.#watches.map(({ resource, reflector }) => [resource.name, now - reflector.lastContact]);
  }

  end(): void {
    this.#ended.abort();
  }

  #watch(resource: WatchedResource<FactsOf[K]>, options: SourceWatchOptions): ResourceWatch<FactsOf[K]> {
    const { onError, ...reflecting } = options;
    const store = new Store<FactItem<FactsOf[K]>>();
    const reflector = new Reflector<FactItem<FactsOf[K]>>({
      ...reflecting,
      path: resource.path,
      sink: store,
      project: (raw) => ({ ...projectKeyOnly(raw), facts: resource.facts(raw as never) }),
      onError: (error, retryInMs) => {
        const message = errorMessage(error);
        const isNew = watch.error !== message;
        watch.error = message;
        onError(resource.name, error, retryInMs);
        if (isNew && !watch.isRead) this.#listener.onReadable();
      },
      onList: () => (watch.error = undefined),
    });
    const watch: ResourceWatch<FactsOf[K]> = { resource, store, reflector, isRead: false, error: undefined };
    return watch;
  }

  #run(watch: ResourceWatch<FactsOf[K]>, signal: AbortSignal): void {
    watch.store.subscribe((change) => this.#changed(watch, change));
    void watch.reflector.run(signal);
    void watch.reflector.synced.then(() => {
      watch.isRead = true;
      if (this.isRead) this.#listener.onReadable();
    });
  }

  #changed(
    { resource, isRead }: ResourceWatch<FactsOf[K]>,
    { old, new: next }: StoreChange<FactItem<FactsOf[K]>>,
  ): void {
    this.#listener.onObject?.(old?.facts, next?.facts);
    if (!isRead || JSON.stringify(old?.facts) === JSON.stringify(next?.facts)) return;
    const touched = [old, next].flatMap((item) => (item === undefined ? [] : resource.touches(item)));
    this.#listener.onChange([...new Map(touched.map((each) => [encodeDependency(each), each])).values()]);
  }
}
