/**
 * Writes the extensions of one engine: its objects are watched from the moment that the engine is in force, and each write is
 * planned from the cache, with preconditions. An object that the API server stores in another form than it was sent is taken
 * back: its schema is too old, and a field that it drops could make a rule mean something else.
 */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_MANAGED_BY, MANAGER } from '../../api/names.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { ExtensionEngine } from '../../engines/extensions/engine.ts';
import { type ExtensionStep, planExtensions } from '../../engines/extensions/plan.ts';
import { ApiError, isCollectionMissing, isForbidden, isNotFound } from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import { Resource } from '../../kube/resource.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store } from '../../kube/watch/store.ts';
import { projectKeyOnly } from '../../cluster-state/items.ts';
import type { EngineFacts } from '../../policy/extensions.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import {
  type DesiredExtensions,
  type ExtensionWriteContext,
  type ExtensionWrites,
  NOTHING_TO_WRITE,
} from '../engine-support.ts';

export interface ExtensionsOptions {
  readonly engine: ExtensionEngine;
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
  /** Called when the kinds that can be written, or the reason why they can't, have changed. */
  readonly onFacts: () => void;
  readonly onDrift: (namespace: string) => void;
  /** Called after each write. */
  readonly onWrite: (verb: ExtensionStep['verb'], object: KubeObject) => void;
  /** Called for each failure of the watch. */
  readonly onWatchError: (resource: string, error: unknown, retryInMs: number) => void;
}

interface ExtensionItem extends Item {
  readonly object: KubeObject;
}

/** Milliseconds until an object is written again whose schema was too old. */
const SCHEMA_INTERVAL_MS = 10 * 60_000;

/** The API server stored an object in another form than it was sent. */
export class SchemaTooOldError extends Error {
  override name = 'SchemaTooOld';
}

/** Created when the engine comes into force, and stopped when another one does. */
export class Extensions {
  readonly #options: ExtensionsOptions;
  readonly #objects: Resource<KubeObject>;
  readonly #store = new Store<ExtensionItem>();
  /** The profiles of own objects by uid: somebody may remove their labels and owners. */
  readonly #owners = new Map<string, string>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  /** Each the same object every time: resolutions of peers are cached by it. */
  readonly #available: EngineFacts;
  readonly #tooOld: EngineFacts;
  #isSynced = false;
  /** Why the kind can't be read. */
  #missing: Extract<EngineFacts, { kind: 'missing' }> | undefined;
  #schemaTooOldUntil = 0;
  /** Why the first list has failed, for another reason than `missing`. */
  failure: string | undefined;

  constructor(options: ExtensionsOptions) {
    const { engine, transport, clock, random, onWatchError } = options;
    this.#options = options;
    this.#objects = new Resource(transport, engine.kind);
    const { carries, kind, since } = engine;
    const message = `the CRD of ${kind.plural} lacks fields that are written: upgrade it (${since} or later)`;
    this.#available = { kind: 'available', carries };
    this.#tooOld = { kind: 'missing', carries, reason: 'SchemaTooOld', message };
    this.#store.subscribe(({ old, new: next, origin }) => {
      if (next === undefined && old !== undefined) this.#owners.delete(old.uid);
      const namespace = (next ?? old)?.object.metadata.namespace;
      if (origin !== 'own' && this.#isSynced && namespace !== undefined) options.onDrift(namespace);
    });
    const reflector = new Reflector<ExtensionItem>({
      transport,
      path: this.#objects.collection(),
      project: (raw) => this.#project(raw),
      sink: this.#store,
      clock,
      random,
      onError: (error, retryInMs) => {
        onWatchError(engine.kind.plural, error, retryInMs);
        this.#failed(error);
      },
      onList: () => this.#listed(),
    });
    this.#running = reflector.run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Undefined until the objects were listed once, or can't be. */
  facts(): EngineFacts | undefined {
    if (this.#missing !== undefined) return this.#missing;
    if (this.#options.clock.monotonic() < this.#schemaTooOldUntil) return this.#tooOld;
    return this.#isSynced ? this.#available : undefined;
  }

  plan(namespace: string, { policies, kept }: DesiredExtensions): ExtensionWrites {
    // Without permission or a schema nothing is written, and what is there stays.
    if (this.facts()?.kind !== 'available') return NOTHING_TO_WRITE;
    const { engine } = this.#options;
    const observed = [...this.#store.byNamespace(namespace)].map(({ object }) => object);
    const ownerOf = (object: KubeObject) => this.#ownerOf(object);
    const { widen, narrow } = planExtensions(observed, policies, { engine, ownerOf, kept });
    if (widen.length + narrow.length === 0) return NOTHING_TO_WRITE;
    return {
      isEmpty: false,
      widen: (context) => this.#apply(widen, context),
      narrow: (context) => this.#apply(narrow, context),
    };
  }

  #ownerOf({ metadata }: KubeObject): string | undefined {
    const { clusterState } = this.#options;
    const { uid = '' } = metadata;
    const owner = clusterState.ownerOfPolicy({ metadata, spec: {} });
    if (owner !== undefined) this.#owners.set(uid, owner);
    const remembered = this.#owners.get(uid);
    return remembered !== undefined && clusterState.profile(remembered) !== undefined
      ? remembered
      : undefined;
  }

  /** Only the name matters of a foreign object. */
  #project(raw: object): ExtensionItem {
    const { metadata, ...rest } = raw as KubeObject;
    const { managedFields: _, ...kept } = metadata;
    const { name, namespace = '', uid = '', labels = {}, ownerReferences = [] } = metadata;
    const isOwn =
      labels[LABEL_MANAGED_BY] === MANAGER ||
      ownerReferences.some(isProfileReference) ||
      this.#owners.has(uid);
    const object = isOwn ? { ...rest, metadata: kept } : { metadata: { name, namespace } };
    return { ...projectKeyOnly(raw), object };
  }

  #failed(error: unknown): void {
    const { engine } = this.#options;
    const { carries, component, kind } = engine;
    const before = JSON.stringify([this.#missing, this.failure]);
    if (isForbidden(error)) {
      const message = `the operator may not write ${kind.plural}: kubectl apply -k ${component}`;
      this.#missing = { kind: 'missing', carries, reason: 'NotInstalled', message };
    } else if (isCollectionMissing(error)) {
      const message = `the API server does not serve ${kind.plural}.${kind.group}/${kind.version}`;
      this.#missing = { kind: 'missing', carries, reason: 'Unsupported', message };
    } else if (!this.#isSynced) this.failure = errorMessage(error);
    if (JSON.stringify([this.#missing, this.failure]) !== before) this.#options.onFacts();
  }

  #listed(): void {
    const isNew = !this.#isSynced || this.#missing !== undefined;
    this.#isSynced = true;
    this.#missing = undefined;
    this.failure = undefined;
    if (isNew) this.#options.onFacts();
  }

  async #apply(steps: readonly ExtensionStep[], { send, signal }: ExtensionWriteContext): Promise<void> {
    for (const step of steps) {
      signal.throwIfAborted();
      await send(() => this.#write(step, signal));
    }
  }

  async #write(step: ExtensionStep, signal: AbortSignal): Promise<void> {
    const { onWrite } = this.#options;
    if (step.verb === 'delete') await this.#delete(this.#current(step.before), signal);
    else {
      const before = step.verb === 'update' ? this.#current(step.before) : undefined;
      const stored = await this.#put(step.object, before, signal);
      if (!hasSpec(stored, step.object)) {
        await this.#takeBack(stored, before, signal);
        throw this.#schemaTooOld();
      }
    }
    onWrite(step.verb, step.verb === 'delete' ? step.before : step.object);
  }

  /** The object that a plan has observed, as an earlier step of the same plan left it. */
  #current(observed: KubeObject): KubeObject {
    const { namespace = '', name, uid } = observed.metadata;
    const object = this.#store.get(`${namespace}/${name}`)?.object;
    return object?.metadata.uid === uid && object !== undefined ? object : observed;
  }

  async #put(object: KubeObject, before: KubeObject | undefined, signal: AbortSignal): Promise<KubeObject> {
    try {
      const stored =
        before === undefined
          ? await this.#objects.create(object, { signal })
          : await this.#objects.replace(
              { ...object, metadata: { ...object.metadata, ...preconditionsOf(before) } },
              { signal },
            );
      this.#store.observe(this.#project(stored));
      return stored;
    } catch (error) {
      // Strict field validation: the schema does not know a field.
      if (error instanceof ApiError && error.status === 400 && error.message.includes('strict decoding'))
        throw this.#schemaTooOld();
      throw error;
    }
  }

  async #takeBack(stored: KubeObject, before: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    if (before === undefined) return this.#delete(stored, signal);
    const metadata = { ...before.metadata, ...preconditionsOf(stored) };
    this.#store.observe(this.#project(await this.#objects.replace({ ...before, metadata }, { signal })));
  }

  async #delete(object: KubeObject, signal: AbortSignal): Promise<void> {
    const { name, namespace = '', uid = '' } = object.metadata;
    try {
      await this.#objects.delete(name, namespace, { preconditions: preconditionsOf(object), signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    this.#store.forget(`${namespace}/${name}`, uid);
  }

  #schemaTooOld(): SchemaTooOldError {
    const { clock, engine, onFacts } = this.#options;
    this.#schemaTooOldUntil = clock.monotonic() + SCHEMA_INTERVAL_MS;
    clock.schedule(SCHEMA_INTERVAL_MS, onFacts);
    onFacts();
    return new SchemaTooOldError(`the schema of ${engine.kind.plural} is too old`);
  }
}

function hasSpec(stored: KubeObject & { spec?: unknown }, sent: KubeObject & { spec?: unknown }): boolean {
  return canonicalJSON(stored.spec) === canonicalJSON(sent.spec);
}
