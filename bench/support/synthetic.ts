/**
 * A transport that answers as an API server, in this process, with namespaces, one profile and the written policies.
 * Its watches deliver every write. It has no history, validates nothing and never fails: it only serves to measure the
 * cost of the operator itself. Policies pass in Protocol Buffers, all else in JSON.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { ReadObject } from '../../src/kube/http/binary-format.ts';
import type { Request, Transport, WatchRequest } from '../../src/kube/http/transport.ts';
import { protobuf } from '../../src/kube/protobuf/protobuf.ts';
import { encodeEvent } from '../../test/support/protobuf.ts';

const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const POLICY = /^\/apis\/networking\.k8s\.io\/v1\/namespaces\/([^/]+)\/networkpolicies(?:\/([^/]+))?$/;
const CREATED = '2026-01-01T00:00:00Z';

interface Stored {
  readonly metadata: Record<string, unknown> & { readonly name: string; readonly namespace?: string };
  readonly [field: string]: unknown;
}

export class SyntheticServer implements Transport {
  readonly #objects = new Map<string, Map<string, Stored>>();
  readonly #watchers = new Map<string, Set<(event: WireEvent) => void>>();
  #revision = 1;
  #uids = 0;
  /** Events that were sent to watches so far. */
  events = 0;

  /** Stores an object in a collection, given by its path without a namespace, and sends the event. */
  put(collection: string, object: object): Stored {
    const { metadata, ...rest } = object as Stored;
    const key = `${metadata.namespace ?? ''}/${metadata.name}`;
    const known = this.#collection(collection).get(key);
    const { name, namespace, ...others } = metadata;
    this.#uids += 1;
    const stored: Stored = {
      // In the order of the Go types, as a real server's.
      kind: collection === POLICIES ? 'NetworkPolicy' : 'Object',
      apiVersion: collection === POLICIES ? 'networking.k8s.io/v1' : 'v1',
      ...rest,
      metadata: {
        name,
        ...(namespace !== undefined && { namespace }),
        ...others,
        uid: known?.metadata['uid'] ?? `00000000-0000-4000-8000-${String(this.#uids).padStart(12, '0')}`,
        resourceVersion: String(++this.#revision),
        generation: 1,
        creationTimestamp: CREATED,
        managedFields: [{ manager: 'segmentation-operator', operation: 'Update', time: CREATED }],
      },
    };
    this.#collection(collection).set(key, ordered(stored));
    this.#send(collection, known === undefined ? 'ADDED' : 'MODIFIED', ordered(stored));
    return ordered(stored);
  }

  /** Deletes an object and sends the event. */
  delete(collection: string, key: string): void {
    const objects = this.#collection(collection);
    const known = objects.get(key);
    if (known === undefined) return;
    objects.delete(key);
    const metadata = { ...known.metadata, resourceVersion: String(++this.#revision) };
    this.#send(collection, 'DELETED', { ...known, metadata });
  }

  get(collection: string, key: string): Stored | undefined {
    return this.#collection(collection).get(key);
  }

  async request<T>({ method, path, body, readObject }: Request): Promise<T> {
    // The answer comes in a later turn of the event loop, as from a socket.
    await nextTurn();
    const [, namespace, name] = POLICY.exec(path) ?? [];
    if (method === 'POST' || method === 'PUT') {
      const collection = namespace === undefined ? path : POLICIES;
      return this.#answer(this.put(collection, body as NetworkPolicy), readObject) as T;
    }
    if (method === 'DELETE') {
      this.delete(POLICIES, `${namespace}/${name}`);
      return { kind: 'Status' } as T;
    }
    if (method === 'PATCH') {
      const at = path.replace(/\/status$/, '');
      const [collection, object] = [at.slice(0, at.lastIndexOf('/')), at.slice(at.lastIndexOf('/') + 1)];
      const found = this.get(collection, `/${object}`);
      if (found === undefined) throw new Error(`no ${path}`);
      const patch = body as Stored;
      const merged = { ...found, ...patch, metadata: { ...found.metadata, ...patch.metadata } };
      return this.#answer(this.put(collection, merged)) as T;
    }
    const parent = path.slice(0, path.lastIndexOf('/'));
    const single = this.get(parent, `/${path.slice(parent.length + 1)}`);
    if (single !== undefined) return this.#answer(single) as T;
    const items =
      namespace === undefined
        ? [...this.#collection(path).values()]
        : [...this.#collection(POLICIES).values()].filter((each) => each.metadata.namespace === namespace);
    return this.#answer({ metadata: { resourceVersion: String(this.#revision) }, items }) as T;
  }

  async *watch({
    path,
    query,
    signal,
    onOpen,
    readObject,
  }: WatchRequest): AsyncGenerator<readonly unknown[], void, undefined> {
    onOpen?.();
    const events: WireEvent[] = [];
    let wake = Promise.withResolvers<void>();
    const send = (each: WireEvent) => {
      events.push(each);
      wake.resolve();
    };
    const watchers = this.#watchers.get(path) ?? new Set();
    this.#watchers.set(path, watchers.add(send));
    signal.addEventListener('abort', () => wake.resolve(), { once: true });
    if (query?.['sendInitialEvents'] === true) {
      for (const object of this.#collection(path).values()) send(event('ADDED', object));
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      send(event('BOOKMARK', { metadata: { resourceVersion: String(this.#revision), annotations } }));
    }
    try {
      while (!signal.aborted) {
        yield events.splice(0).map((each) => received(each, readObject));
        if (events.length > 0) continue;
        wake = Promise.withResolvers<void>();
        await wake.promise;
      }
    } finally {
      watchers.delete(send);
    }
  }

  async close(): Promise<void> {}

  #answer(value: object, readObject?: ReadObject): unknown {
    return isPolicy(value)
      ? protobuf.decode(protobuf.encode(value), readObject)
      : JSON.parse(JSON.stringify(value));
  }

  #collection(path: string): Map<string, Stored> {
    let objects = this.#objects.get(path);
    if (objects === undefined) this.#objects.set(path, (objects = new Map()));
    return objects;
  }

  #send(collection: string, type: string, object: object): void {
    const sent = event(type, object);
    for (const send of this.#watchers.get(collection) ?? []) {
      this.events += 1;
      send(sent);
    }
  }
}

/** An event as it is on the wire: JSON, or the message of a policy. */
type WireEvent = string | Buffer;

function event(type: string, object: object): WireEvent {
  return isPolicy(object) ? encodeEvent({ type, object }) : JSON.stringify({ type, object });
}

function received(each: WireEvent, readObject: ReadObject | undefined): unknown {
  return typeof each === 'string' ? JSON.parse(each) : protobuf.decodeEvent(each, readObject);
}

function isPolicy(object: object): boolean {
  return 'kind' in object && object.kind === 'NetworkPolicy';
}

/** Orders fields and metadata as a real server. */
function ordered({ kind, apiVersion, metadata, ...rest }: Stored): Stored {
  const { name, namespace, uid, resourceVersion, ...others } = metadata;
  return {
    kind,
    apiVersion,
    metadata: { name, ...(namespace !== undefined && { namespace }), uid, resourceVersion, ...others },
    ...rest,
  };
}
