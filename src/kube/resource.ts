/** Requests for the objects of one kind: paths, options and the parameters that every write of ours carries. */
import type { KubeObject } from '../api/meta.ts';
import { MANAGER } from '../api/names.ts';
import { isGone, isStatus } from './errors.ts';
import type { Parse, Request, Transport } from './http/transport.ts';
import type { Preconditions } from './preconditions.ts';
import { excerpt, isRecord, malformed, type Query } from './http/wire.ts';

export interface ResourceKind {
  /** '' for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Deadline in milliseconds; the transport's default without it. */
  readonly timeoutMs?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Only this namespace; all of them without it. */
  readonly namespace?: string | undefined;
  /** Longest page, in objects. */
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Unset: a consistent read. '0': whatever the server has cached. */
  readonly resourceVersion?: string | undefined;
  /** What a resourceVersion means; with a limit it would be exactly that one. */
  readonly resourceVersionMatch?: 'NotOlderThan' | undefined;
  /** The items have nothing but metadata. */
  readonly metadataOnly?: boolean | undefined;
}

export interface List<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface CreateOptions extends CallOptions {
  /** How the answer is read, instead of JSON.parse. */
  readonly parse?: Parse | undefined;
}

export interface WriteOptions extends CreateOptions {
  readonly subresource?: 'status' | undefined;
}

export interface DeleteOptions extends CallOptions {
  /** The delete fails with a conflict unless the object still is the one that is meant. */
  readonly preconditions?: Preconditions | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
}

/** Pages of a list, in objects. */
export const PAGE_SIZE = 500;
/** How often a list whose continue token expired is started again before it fails. */
export const LIST_RESTARTS = 3;

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#partialobjectmetadata */
const METADATA = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * The server drops a write that hangs there for so long, in its queues, in somebody's webhook or in etcd. A leader that
 * stands still can't give up what it has sent, and about now another replica takes over (by default, 15 s after a Lease
 * that is renewed every 2 s). A webhook that is down and ignored takes 10 s, and must not keep everything from us.
 */
const DROPPED = { timeout: '13s' } as const;

/** Sent with every write: the server names us in managedFields, and refuses fields that it does not know. */
const WRITE: Query = { fieldManager: MANAGER, fieldValidation: 'Strict', ...DROPPED };

/** The client of one kind. Every method rejects with an ApiError. */
export class Resource<T extends KubeObject> {
  readonly kind: ResourceKind;
  readonly #transport: Transport;
  readonly #base: string;

  constructor(transport: Transport, kind: ResourceKind) {
    this.#transport = transport;
    this.kind = kind;
    this.#base = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  }

  /** Path of the collection: in one namespace, or in all without it. Also what a Reflector watches. */
  collection(namespace?: string): string {
    const scope = namespace === undefined ? '' : `/namespaces/${segment(namespace)}`;
    return `${this.#base}${scope}/${this.kind.plural}`;
  }

  /** A live, consistent read. */
  async get(name: string, namespace?: string, options: CallOptions = {}): Promise<T> {
    return this.#object({ ...call(options), method: 'GET', path: this.#path(name, namespace) });
  }

  /** One page. The items have no apiVersion and kind. */
  async list(options: ListOptions = {}): Promise<List<T>> {
    const { namespace, limit, labelSelector, fieldSelector, resourceVersion, resourceVersionMatch } = options;
    const request: Request = {
      ...call(options),
      method: 'GET',
      path: this.collection(namespace),
      ...(options.metadataOnly && { accept: METADATA }),
      query: {
        limit,
        continue: options.continue,
        labelSelector,
        fieldSelector,
        resourceVersion,
        resourceVersionMatch,
      },
    };
    const answer = await this.#transport.request<unknown>(request);
    if (isRecord(answer) && isRecord(answer['metadata'])) {
      if (Array.isArray(answer['items'])) return answer as unknown as List<T>;
      // An empty list of this kind has none (a nil slice in Go is null in JSON).
      if (options.metadataOnly && answer['items'] === null)
        return { ...(answer as unknown as List<T>), items: [] };
    }
    throw malformed(request, `not a list: ${excerpt(answer)}`);
  }

  /** Every object, as of one revision, in pages of 500; started again where a page's token expires. */
  async listAll(options: Omit<ListOptions, 'limit' | 'continue'> = {}): Promise<List<T>> {
    for (let restarts = 0; ; restarts++) {
      try {
        return await this.#listOnce(options);
      } catch (error) {
        if (!isGone(error) || restarts >= LIST_RESTARTS) throw error;
      }
    }
  }

  async #listOnce(options: Omit<ListOptions, 'limit' | 'continue'>): Promise<List<T>> {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      // A continued page must not name a resourceVersion: its token does.
      const resourceVersion = next === undefined ? options.resourceVersion : undefined;
      const page = await this.list({ ...options, resourceVersion, limit: PAGE_SIZE, continue: next });
      for (const item of page.items) items.push(item);
      const following = page.metadata.continue || undefined;
      if (following === undefined)
        return { metadata: { resourceVersion: page.metadata.resourceVersion }, items };
      if (following === next)
        throw malformed(
          { method: 'GET', path: this.collection(options.namespace) },
          'the page leads to itself',
        );
      next = following;
    }
  }

  /** The object as stored, with uid and resourceVersion. */
  async create(object: T, options: CreateOptions = {}): Promise<T> {
    return this.#object({
      ...call(options),
      parse: options.parse,
      method: 'POST',
      path: this.collection(this.#scope(object.metadata.namespace)),
      query: WRITE,
      body: object,
    });
  }

  /**
   * PUT: the object becomes exactly this one, unless somebody else wrote since `metadata.resourceVersion`.
   *
   * @throws TypeError without a resourceVersion: such a PUT would overwrite whatever is there
   */
  async replace(object: T, options: WriteOptions = {}): Promise<T> {
    const { name, namespace, resourceVersion } = object.metadata;
    if (!resourceVersion) throw new TypeError(`replace of ${name} without a resourceVersion`);
    return this.#object({
      ...call(options),
      parse: options.parse,
      method: 'PUT',
      path: this.#path(name, namespace, options.subresource),
      query: WRITE,
      body: object,
    });
  }

  /**
   * JSON merge patch (RFC 7386): null removes a field, an array is replaced as a whole. With
   * `metadata.resourceVersion` (and `uid`) in it, it fails with a conflict where somebody else wrote first.
   */
  async patch(
    name: string,
    namespace: string | undefined,
    patch: object,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#object({
      ...call(options),
      parse: options.parse,
      method: 'PATCH',
      path: this.#path(name, namespace, options.subresource),
      query: WRITE,
      contentType: 'application/merge-patch+json',
      body: patch,
    });
  }

  /** The object where it stays for its finalizers (it has a deletionTimestamp then); undefined once it is gone. */
  async delete(name: string, namespace?: string, options: DeleteOptions = {}): Promise<T | undefined> {
    const { preconditions, propagationPolicy } = options;
    const request: Request = {
      ...call(options),
      method: 'DELETE',
      path: this.#path(name, namespace),
      query: DROPPED,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy },
    };
    const answer = await this.#transport.request<unknown>(request);
    // A Status, or the object as it was last, says that it is gone.
    if (isStatus(answer) && answer.status === 'Success') return undefined;
    const object = checked(request, answer) as T;
    return object.metadata.deletionTimestamp === undefined ? undefined : object;
  }

  async #object(request: Request): Promise<T> {
    return checked(request, await this.#transport.request<unknown>(request)) as T;
  }

  #path(name: string, namespace: string | undefined, subresource?: string): string {
    const path = `${this.collection(this.#scope(namespace))}/${segment(name)}`;
    return subresource === undefined ? path : `${path}/${subresource}`;
  }

  #scope(namespace: string | undefined): string | undefined {
    if (!this.kind.namespaced) return undefined;
    if (!namespace) throw new TypeError(`${this.kind.plural} are namespaced: a namespace is needed`);
    return namespace;
  }
}

/** A successful answer as the object that it is to be: what stands between us and the server may answer with anything. */
function checked(request: Request, answer: unknown): KubeObject {
  const metadata = isRecord(answer) ? answer['metadata'] : undefined;
  if (isRecord(metadata) && typeof metadata['name'] === 'string') return answer as KubeObject;
  throw malformed(request, `not an object: ${excerpt(answer)}`);
}

function call({ signal, timeoutMs }: CallOptions): CallOptions {
  return { signal, timeoutMs };
}

/** One segment of a path. A name that would leave its place in the path is refused rather than sent. */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..')
    throw new TypeError(`"${name}" is not the name of an object`);
  return encodeURIComponent(name);
}
