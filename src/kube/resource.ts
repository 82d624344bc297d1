/** Requests for objects of one kind: their paths, options, and the parameters of every write. */
import type { KubeObject } from '../api/meta.ts';
import { MANAGER } from '../api/names.ts';
import { isGone, isStatus } from './errors.ts';
import type { ReadObject } from './http/binary-format.ts';
import type { Request, Transport } from './http/transport.ts';
import type { Preconditions } from './preconditions.ts';
import { isRecord } from '../util/is-record.ts';
import { excerpt, malformed, type Query } from './http/wire.ts';

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
  /** The namespace; all namespaces by default. */
  readonly namespace?: string | undefined;
  /** Objects in a page, at most. */
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Absent: a consistent read. '0': any state that the server has cached. */
  readonly resourceVersion?: string | undefined;
  /** Meaning of `resourceVersion`: without it, a limited list would be of exactly that version. */
  readonly resourceVersionMatch?: 'NotOlderThan' | undefined;
  /** Requests items that have only metadata. */
  readonly metadataOnly?: boolean | undefined;
}

export interface List<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly T[];
}

export interface CreateOptions extends CallOptions {
  /** Reads the answer, if it is in the binary format. */
  readonly readObject?: ReadObject | undefined;
}

export interface WriteOptions extends CreateOptions {
  readonly subresource?: 'status' | undefined;
}

export interface PatchOptions extends WriteOptions {
  /** True: the API server judges the request as any other, and stores nothing. */
  readonly isDryRun?: boolean | undefined;
  readonly onWarnings?: Request['onWarnings'];
}

export interface ApplyOptions extends CallOptions {
  /** Owner of the applied fields: a field that it owned and that is applied no longer is removed. */
  readonly fieldManager: string;
}

export interface DeleteOptions extends CallOptions {
  /** Identity of the object: the delete fails with a write conflict if the object is another or has changed. */
  readonly preconditions?: Preconditions | undefined;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined;
}

/** Objects in a page of a list. */
export const PAGE_SIZE = 500;
/** Restarts of a list whose continue token expired, before the list fails. */
export const LIST_RESTARTS = 3;

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#partialobjectmetadata */
const METADATA = ';as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * The API server drops a write that waits longer in its queues, a webhook or etcd. A leader whose process is paused
 * can't abort a request that it has sent, and after this time another replica may lead (by default, 15 s after the last
 * of the renewals, which come every 2 s). It is longer than the 10 s of a webhook that is down and whose failure is
 * ignored, or such a webhook would block every write.
 */
const WRITE_TIMEOUT = { timeout: '13s' } as const;

/** Parameters of every write: the server records our field manager, and refuses unknown fields. */
const WRITE: Query = { fieldManager: MANAGER, fieldValidation: 'Strict', ...WRITE_TIMEOUT };

/** Parameters of a write that the server only judges. */
const DRY_RUN: Query = { ...WRITE, dryRun: 'All' };

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

  /** Path of the collection, in a namespace or in all of them. A Reflector watches such a path. */
  collection(namespace?: string): string {
    const scope = namespace === undefined ? '' : `/namespaces/${segment(namespace)}`;
    return `${this.#base}${scope}/${this.kind.plural}`;
  }

  /** A live, consistent read. */
  async get(name: string, namespace?: string, options: CallOptions = {}): Promise<T> {
    return this.#object({ ...call(options), method: 'GET', path: this.#path(name, namespace) });
  }

  /** Lists one page. The items have no apiVersion and kind. */
  async list(options: ListOptions = {}): Promise<List<T>> {
    const { namespace, limit, labelSelector, fieldSelector, resourceVersion, resourceVersionMatch } = options;
    const request: Request = {
      ...call(options),
      method: 'GET',
      path: this.collection(namespace),
      ...(options.metadataOnly && { acceptParameters: METADATA }),
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
      // An empty metadata-only list has null for items: a nil slice in Go is null in JSON.
      if (options.metadataOnly && answer['items'] === null)
        return { ...(answer as unknown as List<T>), items: [] };
    }
    throw malformed(request, `not a list: ${excerpt(answer)}`);
  }

  /** All objects as of one revision, read in pages; starts again if a page's token expires. */
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
      // A continued page must not have a resourceVersion: its token contains one.
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
      readObject: options.readObject,
      method: 'POST',
      path: this.collection(this.#scope(object.metadata.namespace)),
      query: WRITE,
      body: object,
    });
  }

  /**
   * PUT: replaces the whole object, unless another client wrote since `metadata.resourceVersion`.
   *
   * @throws TypeError without a resourceVersion: such a PUT would overwrite any state
   */
  async replace(object: T, options: WriteOptions = {}): Promise<T> {
    const { name, namespace, resourceVersion } = object.metadata;
    if (!resourceVersion) throw new TypeError(`replace of ${name} without a resourceVersion`);
    return this.#object({
      ...call(options),
      readObject: options.readObject,
      method: 'PUT',
      path: this.#path(name, namespace, options.subresource),
      query: WRITE,
      body: object,
    });
  }

  /**
   * JSON merge patch (RFC 7386): null removes a field, an array is replaced as a whole. A patch with
   * `metadata.resourceVersion` (and `uid`) fails with a write conflict if another client wrote first.
   */
  async patch(
    name: string,
    namespace: string | undefined,
    patch: object,
    options: PatchOptions = {},
  ): Promise<T> {
    return this.#object({
      ...call(options),
      readObject: options.readObject,
      method: 'PATCH',
      path: this.#path(name, namespace, options.subresource),
      query: options.isDryRun ? DRY_RUN : WRITE,
      contentType: 'application/merge-patch+json',
      body: patch,
      onWarnings: options.onWarnings,
    });
  }

  /**
   * Server-side apply, never by force: fails with a write conflict if another manager owns a field and gave it another
   * value. With `metadata.resourceVersion` it fails as well if the object has changed or is gone.
   *
   * @throws TypeError without a resourceVersion: such a request would create an object that is missing
   */
  async apply(object: T, { fieldManager, ...options }: ApplyOptions): Promise<T> {
    const { name, namespace, resourceVersion } = object.metadata;
    if (!resourceVersion) throw new TypeError(`apply of ${name} without a resourceVersion`);
    return this.#object({
      ...call(options),
      method: 'PATCH',
      path: this.#path(name, namespace),
      query: { ...WRITE, fieldManager },
      contentType: 'application/apply-patch+yaml',
      body: object,
    });
  }

  /** The object, with a deletionTimestamp, if finalizers keep it; undefined if it is gone. */
  async delete(name: string, namespace?: string, options: DeleteOptions = {}): Promise<T | undefined> {
    const { preconditions, propagationPolicy } = options;
    const request: Request = {
      ...call(options),
      method: 'DELETE',
      path: this.#path(name, namespace),
      query: WRITE_TIMEOUT,
      contentType: 'application/json',
      body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions, propagationPolicy },
    };
    const answer = await this.#transport.request<unknown>(request);
    // The answer for an object that is gone is a Status or the object's last state.
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

/** Checks that a successful answer is an object: a proxy or load balancer may answer with anything. */
function checked(request: Request, answer: unknown): KubeObject {
  const metadata = isRecord(answer) ? answer['metadata'] : undefined;
  if (isRecord(metadata) && typeof metadata['name'] === 'string') return answer as KubeObject;
  throw malformed(request, `not an object: ${excerpt(answer)}`);
}

function call({ signal, timeoutMs }: CallOptions): CallOptions {
  return { signal, timeoutMs };
}

/** Encodes a name as one segment of a path. Refuses names that would change the path. */
function segment(name: string): string {
  if (name === '' || name === '.' || name === '..')
    throw new TypeError(`"${name}" is not the name of an object`);
  return encodeURIComponent(name);
}
