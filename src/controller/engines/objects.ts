/**
 * The operator's objects of one kind of a network engine: all objects of the kind are watched from the start, and each write
 * names the observed object as its precondition. An object that the API server stores in another form than it was sent is taken
 * back: its schema is too old, and a field that it drops could make a rule mean something else.
 */
import type { KubeObject, ObjectMeta } from '../../api/meta.ts';
import { changedBy } from '../../api/managed-fields.ts';
import { projectKeyOnly } from '../../cluster-state/items.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import { isAsWritten } from '../../engines/digests.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { ApiError, isCollectionMissing, isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';
import { type ListInfo, Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store } from '../../kube/watch/store.ts';
import type { MissingReason } from '../../policy/extensions.ts';
import { isMarked } from '../../policy/ownership.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import type { Clock, Random } from '../../util/clock.ts';
import { errorMessage } from '../../util/error-message.ts';
import { WriteConflicts } from '../write-conflicts.ts';
import { differenceOf, differenceText, type FormDifference, unknownFields } from './stored-form.ts';

/** A kind of an engine's own, as far as it is written. */
export interface EngineKind {
  readonly kind: ResourceKind;
  /** The folder of config/ with the permission to write the kind. */
  readonly component: string;
  /** The first version of the engine whose kind has all fields that are written. */
  readonly since: string;
  /** True if the kind is read, and never written. */
  readonly isOnlyRead?: true;
  /** The part of a foreign object that is kept beside its name and namespace; absent: none. */
  readonly foreignPart?: (object: KubeObject) => object & { readonly metadata?: Partial<ObjectMeta> };
}

/** `unknown`: the objects have not been listed yet. */
export type ObjectsState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'available' }
  | { readonly kind: 'missing'; readonly reason: MissingReason; readonly message: string };

const UNKNOWN: ObjectsState = { kind: 'unknown' };
const AVAILABLE: ObjectsState = { kind: 'available' };

/** @param changedBy the field managers of the change by others that the write takes back; undefined if it takes back none */
export type OnObjectWrite = (
  verb: ObjectStep['verb'],
  object: KubeObject,
  changedBy: readonly string[] | undefined,
) => void;

export interface EngineObjectsOptions {
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
  /** All objects are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Called after each write. */
  readonly onWrite: OnObjectWrite;
  /** Called for each failure of the watch. */
  readonly onWatchError: (resource: string, error: unknown, retryInMs: number) => void;
}

export interface EngineObjectsListener {
  /** The state, or the failure, has changed. */
  readonly onState: () => void;
  /** An object of the namespace, '' for a kind of the cluster, was changed by somebody else. */
  readonly onDrift: (namespace: string) => void;
  /** The status of an object of the namespace has changed, and nothing else of it. */
  readonly onStatus?: (namespace: string) => void;
}

interface ObjectItem extends Item {
  readonly object: KubeObject;
  /** The field managers of the latest change of an own object, other than the operator. */
  readonly changedBy?: readonly string[];
}

/** Milliseconds until writes are tried again that the definition of the kind does not allow, if no list comes before. */
const DEFINITION_INTERVAL_MS = 10 * 60_000;
/** Writes that the API server does not serve, after which the definition is to blame, and not its deletion a moment ago. */
const UNSERVED_WRITES = 2;

/** The API server stored an object in another form than it was sent. */
export class SchemaTooOldError extends Error {
  override name = 'SchemaTooOld';
}

/** Watches from its creation until `stop`. */
export class EngineObjects {
  readonly #kind: EngineKind;
  readonly #options: EngineObjectsOptions;
  readonly #listener: EngineObjectsListener;
  readonly #objects: Resource<KubeObject>;
  readonly #store = new Store<ObjectItem>(isSameForm);
  /** The profiles of own objects by uid: somebody may remove their labels and owners. */
  readonly #owners = new Map<string, string>();
  readonly #conflicts = new WriteConflicts();
  /** Own objects that others have changed since the operator's last write, with the field managers of the change. */
  readonly #drifted = new Map<string, readonly string[]>();
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #isSynced = false;
  /** How often the objects have been listed. */
  #lists = 0;
  /** Why the kind can't be read. */
  #missing: ObjectsState | undefined;
  /** True if the last list was allowed. */
  #mayList = false;
  /** False if the last watch was refused: a list alone is outdated soon, so it makes no kind available. */
  #mayWatch = true;
  /** Why the definition of the kind does not allow the operator's writes, and until when that is taken for true. */
  #unwritable: ObjectsState = UNKNOWN;
  #unwritableUntil = 0;
  /** Writes since the last list that the API server does not serve. */
  #unservedWrites = 0;
  /** Why the first list has failed, for another reason than `missing`. */
  failure: string | undefined;

  constructor(kind: EngineKind, options: EngineObjectsOptions, listener: EngineObjectsListener) {
    const { transport, clock, random, resyncMs, onWatchError } = options;
    this.#kind = kind;
    this.#options = options;
    this.#listener = listener;
    this.#objects = new Resource(transport, kind.kind);
    this.#store.subscribe(({ old, new: next, origin }) => {
      if (next === undefined && old !== undefined) {
        this.#owners.delete(old.uid);
        this.#drifted.delete(keyOf(old.object));
      }
      const { namespace = '' } = (next ?? old)?.object.metadata ?? {};
      if (origin === 'own' || !this.#isSynced || !this.#isInScope(namespace)) return;
      if (isSameButStatus(old, next)) {
        listener.onStatus?.(namespace);
        return;
      }
      if (old !== undefined && next?.changedBy !== undefined)
        this.#drifted.set(keyOf(next.object), next.changedBy);
      listener.onDrift(namespace);
    });
    const reflector = new Reflector<ObjectItem>({
      transport,
      path: this.#objects.collection(),
      project: (raw) => this.#project(raw),
      sink: this.#store,
      clock,
      random,
      relistMs: resyncMs,
      schemaMayChange: true,
      onError: (error, retryInMs) => {
        onWatchError(kind.kind.plural, error, retryInMs);
        this.#failed(error);
      },
      onList: ({ how }) => this.#listed(how),
      onOpen: () => this.#opened(),
    });
    this.#running = reflector.run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** `missing` also for some minutes after a write that the schema did not take. The same object as long as nothing changes. */
  get state(): ObjectsState {
    if (this.#missing !== undefined) return this.#missing;
    if (this.#options.clock.monotonic() < this.#unwritableUntil) return this.#unwritable;
    return this.#isSynced ? AVAILABLE : UNKNOWN;
  }

  /** All objects of the namespace, '' for a kind of the cluster; of a foreign one only the part that is kept. */
  in(namespace: string): KubeObject[] {
    return [...this.#store.byNamespace(namespace)].map(({ object }) => object);
  }

  /** All objects; of a foreign one only the part that is kept. */
  *all(): Generator<KubeObject, void, undefined> {
    for (const { object } of this.#store.values())
      if (this.#isInScope(object.metadata.namespace)) yield object;
  }

  /** The profile that owns an observed object; undefined for a foreign one, and for one whose profile is gone. */
  ownerOf({ metadata }: KubeObject): string | undefined {
    const { clusterState } = this.#options;
    const { uid } = metadata;
    const owner = clusterState.ownerOfPolicy({ metadata });
    // An object that is not written yet has no uid, and a foreign one is kept without.
    if (uid === undefined) return owner;
    if (owner !== undefined) this.#owners.set(uid, owner);
    const remembered = this.#owners.get(uid);
    return remembered !== undefined && clusterState.profile(remembered) !== undefined
      ? remembered
      : undefined;
  }

  /**
   * Carries out one step. A step may follow another one of the same object. One that is being deleted is not deleted again.
   *
   * @throws ApiError, SchemaTooOldError
   */
  async write(step: ObjectStep, signal: AbortSignal): Promise<void> {
    const lists = this.#lists;
    const object = step.verb === 'delete' ? step.before : step.object;
    const reverted = this.#drifted.get(keyOf(object));
    const cached = step.verb === 'create' ? object : this.#current(step.before);
    if (step.verb === 'delete' && isBeingDeleted(cached)) return;
    try {
      await this.#conflicts.following(
        cached,
        () => this.#write(step, signal),
        () => this.#readLive(cached, signal),
      );
    } catch (error) {
      if (isCollectionMissing(error) && this.#lists === lists) this.#noteUnserved();
      if (!(error instanceof SchemaTooOldError)) throw error;
      // A list that came meanwhile may have another schema than the one that the write has met.
      if (this.#lists !== lists) throw this.#outdated(step.verb === 'delete' ? step.before : step.object);
      this.#recordUnwritable('SchemaTooOld', error.message);
      throw error;
    }
    // The event of the write may have come before its answer.
    this.#drifted.delete(keyOf(object));
    this.#unservedWrites = 0;
    this.#options.onWrite(step.verb, object, reverted);
  }

  async #write(step: ObjectStep, signal: AbortSignal): Promise<void> {
    if (step.verb === 'delete') return this.#delete(this.#current(step.before), signal);
    const before = step.verb === 'update' ? this.#current(step.before) : undefined;
    if (step.verb === 'update') this.#assertForm(step.before, before);
    const stored = await this.#put(step.object, before, signal);
    const difference = differenceOf(stored, step.object);
    if (difference === undefined) return undefined;
    await this.#takeBack(stored, before, signal);
    throw this.#schemaTooOld(difference);
  }

  /** By a list: the operator has no other permission to read the kind. */
  async #readLive(
    { metadata: { namespace, name, uid = '' } }: KubeObject,
    signal: AbortSignal,
  ): Promise<void> {
    const fieldSelector = `metadata.name=${name}`;
    const { items } = await this.#objects.list({ namespace, fieldSelector, signal });
    const live = items.find(({ metadata }) => metadata.name === name);
    if (live === undefined) this.#store.forget(keyOf({ metadata: { namespace, name } }), uid);
    else this.#store.upsertLive(this.#project(live));
  }

  #project(raw: object): ObjectItem {
    const { metadata, ...rest } = raw as KubeObject;
    const { managedFields: _, ...kept } = metadata;
    const { name, namespace, uid = '' } = metadata;
    // Somebody may remove the marks of an object whose owner nobody has asked for.
    const known = this.#store.get(keyOf({ metadata }))?.object;
    if (known?.metadata.uid === uid) this.ownerOf(known);
    if (isMarked({ metadata }) || this.#owners.has(uid))
      return {
        ...projectKeyOnly(raw),
        object: { ...rest, metadata: kept },
        changedBy: changedBy({ metadata }),
      };
    const part = this.#kind.foreignPart?.(raw as KubeObject);
    const named = { ...part?.metadata, name, ...(namespace !== undefined && { namespace }) };
    return { ...projectKeyOnly(raw), object: { ...part, metadata: named } };
  }

  #failed(error: unknown): void {
    const { kind } = this.#kind;
    const before = JSON.stringify([this.#missing, this.failure]);
    if (isForbidden(error)) {
      if (error.method === 'WATCH') this.#mayWatch = false;
      else this.#mayList = false;
      this.#missing = this.#withoutPermission();
    } else if (isCollectionMissing(error)) {
      const message = `the API server does not serve ${kind.plural}.${kind.group}/${kind.version}`;
      this.#missing = { kind: 'missing', reason: 'Unsupported', message };
    } else if (!this.#isSynced) this.failure = errorMessage(error);
    if (JSON.stringify([this.#missing, this.failure]) !== before) this.#listener.onState();
  }

  #withoutPermission(): ObjectsState {
    const { component, kind, isOnlyRead } = this.#kind;
    const needed = isOnlyRead === true ? 'read' : 'write';
    const verb = this.#mayList ? 'watch' : needed;
    const message = `the operator may not ${verb} ${kind.plural}: kubectl apply -k ${component}`;
    return { kind: 'missing', reason: 'NotInstalled', message };
  }

  /** The API server ends the watches of a kind whose CRD changes: after a list, its schema may be another. */
  #listed(how: ListInfo['how']): void {
    const before = JSON.stringify(this.state);
    this.#lists += 1;
    this.#isSynced = true;
    this.#mayList = true;
    if (how === 'streamed') this.#mayWatch = true;
    this.#missing = this.#mayWatch ? undefined : this.#withoutPermission();
    this.#unwritableUntil = 0;
    this.#unservedWrites = 0;
    this.failure = undefined;
    if (JSON.stringify(this.state) !== before) this.#listener.onState();
  }

  #opened(): void {
    if (this.#mayWatch) return;
    this.#mayWatch = true;
    if (!this.#mayList) return;
    this.#missing = undefined;
    this.#listener.onState();
  }

  /** The object that a plan has observed, as an earlier step of the same plan left it. */
  #current(observed: KubeObject): KubeObject {
    const object = this.#store.get(keyOf(observed))?.object;
    const { uid } = observed.metadata;
    // An object that an earlier step has created had no uid when the plan was made.
    return object !== undefined && (uid === undefined || object.metadata.uid === uid) ? object : observed;
  }

  /**
   * A definition that hides or adds fields changes objects, and not their resourceVersion: what was planned from the earlier
   * form could write a rule without its peers.
   */
  #assertForm(observed: KubeObject, current: KubeObject | undefined): void {
    if (current === undefined || current === observed) return;
    if (current.metadata.resourceVersion !== observed.metadata.resourceVersion) return;
    if (canonicalJSON(current) === canonicalJSON(observed)) return;
    throw this.#outdated(observed);
  }

  #outdated({ metadata: { name, namespace } }: KubeObject): ApiError {
    return new ApiError({
      status: 409,
      reason: 'Conflict',
      method: 'PUT',
      path: `${this.#objects.collection(namespace)}/${name}`,
      message: 'the definition of the kind has changed since the write was planned',
    });
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
        throw this.#schemaTooOld({ lost: unknownFields(error.message), changed: [] });
      throw error;
    }
  }

  async #takeBack(stored: KubeObject, before: KubeObject | undefined, signal: AbortSignal): Promise<void> {
    if (before === undefined) return this.#delete(stored, signal);
    // An earlier definition may have hidden fields of it, so that it would be wider than what is stored now.
    if (!isAsWritten(before)) return undefined;
    const metadata = { ...before.metadata, ...preconditionsOf(stored) };
    this.#store.observe(this.#project(await this.#objects.replace({ ...before, metadata }, { signal })));
  }

  /** An object that stays for somebody's finalizer is in force as before. */
  async #delete(object: KubeObject, signal: AbortSignal): Promise<void> {
    const { name, namespace, uid = '' } = object.metadata;
    let left: KubeObject | undefined;
    try {
      left = await this.#objects.delete(name, namespace, { preconditions: preconditionsOf(object), signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    if (left === undefined) this.#store.forget(keyOf(object), uid);
    else this.#store.observe(this.#project(left));
  }

  #schemaTooOld(difference: FormDifference): SchemaTooOldError {
    const { kind, since } = this.#kind;
    return new SchemaTooOldError(differenceText(difference, { plural: kind.plural, since }));
  }

  /** A kind whose CRD has another scope is listed at the same path, and written at others. */
  #noteUnserved(): void {
    const { plural, group, version, namespaced } = this.#kind.kind;
    this.#unservedWrites += 1;
    if (this.#unservedWrites < UNSERVED_WRITES) return;
    const [where, other, own] = namespaced
      ? ['in a namespace', 'Cluster', 'Namespaced']
      : ['in the cluster', 'Namespaced', 'Cluster'];
    this.#recordUnwritable(
      'Unsupported',
      `the API server lists ${plural}.${group}/${version}, and serves no writes of it ${where}: ` +
        `its CRD is being deleted, or has the scope ${other} instead of ${own}`,
    );
  }

  #recordUnwritable(reason: MissingReason, message: string): void {
    const { clock } = this.#options;
    this.#unwritable = { kind: 'missing', reason, message };
    this.#unwritableUntil = clock.monotonic() + DEFINITION_INTERVAL_MS;
    clock.schedule(DEFINITION_INTERVAL_MS, this.#listener.onState);
    this.#listener.onState();
  }

  /** False for an object of a definition with another scope, which the operator can't have written. */
  #isInScope(namespace = ''): boolean {
    return (namespace !== '') === this.#kind.kind.namespaced;
  }
}

function isSameForm({ object: a }: ObjectItem, { object: b }: ObjectItem): boolean {
  return canonicalJSON(a) === canonicalJSON(b);
}

function isSameButStatus(old: ObjectItem | undefined, next: ObjectItem | undefined): boolean {
  const rest = (item: ObjectItem) => {
    const { status: _, metadata, ...kept } = item.object as KubeObject & { readonly status?: unknown };
    return canonicalJSON([kept, { ...metadata, resourceVersion: '' }]);
  };
  return old !== undefined && next !== undefined && old.uid === next.uid && rest(old) === rest(next);
}

function isBeingDeleted({ metadata }: KubeObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

function keyOf({ metadata: { namespace, name } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
