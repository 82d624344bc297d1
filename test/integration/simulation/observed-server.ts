/** A server under comparison: its answers and events, in a form that is equal for equal behaviour. */
import type { KubeObject } from '../../../src/api/meta.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';

/** A version of an object in an answer. */
export interface Version {
  readonly uid: string;
  readonly resourceVersion: string;
}

type Raw = KubeObject & Readonly<Record<string, unknown>>;

interface Event {
  readonly type: string;
  readonly object: Raw;
}

export class ObservedServer {
  /** Number of refused requests. */
  refused = 0;
  readonly #id: string;
  readonly #transport: Transport;
  readonly #ended = new AbortController();
  /** The versions of each object, by its path, oldest first. */
  readonly #versions = new Map<string, Version[]>();
  /** Stand-ins for uids and for the resourceVersions of each object: numbers in order of appearance. */
  readonly #numbers = new Map<string, Map<string, number>>();
  readonly #events = new Map<string, unknown[]>();
  /** The continue token of the latest list. */
  token: string | undefined;

  /** @param id the namespace of the compared objects, and the prefix of the names of cluster-scoped ones */
  constructor(id: string, transport: Transport) {
    this.#id = id;
    this.#transport = transport;
  }

  /** The versions of an object in earlier answers, oldest first. */
  versions(path: string): readonly Version[] {
    return this.#versions.get(path) ?? [];
  }

  /** Sends a request, and returns the answer in comparable form. */
  async send(request: Request): Promise<unknown> {
    try {
      const answer = await this.#transport.request<Raw>(request);
      if ('items' in answer) return this.#list(answer);
      if (answer.kind === 'Status') return { status: answer['status'] };
      return this.#object(answer, `${request.method} ${request.path}`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
      this.refused += 1;
      const { status, reason, details } = error;
      const causes = details?.causes
        ?.map((cause) => cause.reason)
        .filter((each) => each === 'NamespaceTerminating');
      return { status, reason, name: details?.name, ...(causes?.length && { causes }) };
    }
  }

  /** Watches a collection from now on. */
  async watch(path: string): Promise<void> {
    const list = await this.#transport.request<{ metadata: { resourceVersion: string } }>({
      method: 'GET',
      path,
    });
    const events: unknown[] = [];
    this.#events.set(path, events);
    const query = { watch: true, resourceVersion: list.metadata.resourceVersion };
    void this.#follow(path, query, events);
  }

  /** The events of the watch of a collection, in comparable form. */
  events(path: string): readonly unknown[] {
    return this.#events.get(path) ?? [];
  }

  /** The first `count` events of a new watch, or fewer if the watch ends or is refused. */
  async first(path: string, query: Request['query'], count: number): Promise<unknown[]> {
    const events: unknown[] = [];
    const ended = new AbortController();
    try {
      const full = { path, query: { watch: true, ...query }, signal: ended.signal, stallMs: 5000 };
      for await (const together of this.#transport.watch(full)) {
        for (const event of together) events.push(this.#event(event as Event));
        if (events.length >= count) break;
      }
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 0) throw error;
      events.push({ status: error.status, reason: error.reason });
    }
    ended.abort();
    return events.slice(0, count);
  }

  close(): void {
    this.#ended.abort();
  }

  async #follow(path: string, query: Request['query'], events: unknown[]): Promise<void> {
    try {
      const watched = this.#transport.watch({ path, query, signal: this.#ended.signal, stallMs: 60_000 });
      for await (const together of watched) {
        for (const event of together as readonly Event[]) {
          const { name, namespace = name } = event.object.metadata;
          if (namespace.startsWith(this.#id)) events.push(this.#event(event));
        }
      }
    } catch (error) {
      if (!this.#ended.signal.aborted) events.push(error);
    }
  }

  #event({ type, object }: Event): unknown {
    if (type === 'BOOKMARK') return { type, annotations: object.metadata.annotations };
    if (type === 'ERROR') return { type, code: object['code'], reason: object['reason'] };
    return { type, object: this.#object(object) };
  }

  #list(answer: Raw): unknown {
    const { metadata, items } = answer as unknown as {
      metadata: { continue?: string; remainingItemCount?: number };
      items: readonly Raw[];
    };
    this.token = metadata.continue || undefined;
    return {
      more: this.token !== undefined,
      left: metadata.remainingItemCount,
      items: items.map((each) => this.#object(each)),
    };
  }

  /**
   * An object in comparable form.
   *
   * @param request the request that it answers: later requests may refer to its version. Absent for a list or watch
   */
  #object(object: Raw, request?: string): unknown {
    const { metadata, kind, spec, status } = object;
    const { namespace = '', name, uid = '', resourceVersion = '' } = metadata;
    const { managedFields: _, creationTimestamp, deletionTimestamp, ...rest } = metadata;
    const path = request
      ?.replace(/^(POST) (.*)$/, `$1 $2/${name}`)
      .replace(/^\S+ /, '')
      .replace(/\/status$/, '');
    if (path !== undefined) {
      const versions = this.versions(path);
      if (versions.at(-1)?.resourceVersion !== resourceVersion)
        this.#versions.set(path, [...versions, { uid, resourceVersion }]);
    }
    // In other kinds, the real server sets many fields that the operator never reads.
    const isWhole =
      kind === 'SegmentationProfile' ||
      kind === 'SegmentationException' ||
      isPolicy(spec) ||
      object.apiVersion?.startsWith('projectcalico.org/');
    return {
      kind,
      metadata: {
        ...rest,
        uid: this.#number('uid', uid),
        resourceVersion: this.#number(`${uid} ${namespace}/${name}`, resourceVersion),
        created: creationTimestamp !== undefined,
        deleted: deletionTimestamp !== undefined,
      },
      ...(isWhole && { spec, status }),
    };
  }

  #number(of: string, value: string): number {
    const numbers = this.#numbers.get(of) ?? new Map<string, number>();
    this.#numbers.set(of, numbers);
    if (!numbers.has(value)) numbers.set(value, numbers.size);
    return numbers.get(value) ?? -1;
  }
}

function isPolicy(spec: unknown): boolean {
  return typeof spec === 'object' && spec !== null && 'podSelector' in spec;
}
