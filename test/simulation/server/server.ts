/**
 * A model of the API server's storage semantics, for simulations only. All other tests use a real API server, and one of
 * them compares this model with it. docs/decisions/0010-simulation.md says what the model leaves out.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Method } from '../../../src/kube/http/transport.ts';
import type { Query } from '../../../src/kube/http/wire.ts';
import { EPOCH } from '../schedule/scheduler.ts';
import { definitionName, inForm, refuseUnknown, type Schema, schemaOf } from './definitions.ts';
import {
  apiVersionOf,
  DEFINITION,
  EXCEPTION,
  type Kind,
  KINDS,
  NAMESPACE,
  PROFILE,
  type Stored,
  withoutEmpty,
} from './kinds.ts';
import { list, type Send, type View, watch } from './read.ts';
import { keyOf, type Route, routeOf } from './route.ts';
import {
  alreadyExists,
  badRequest,
  conflict,
  type FailureStatus,
  forbidden,
  invalid,
  noSuchPath,
  notFound,
  Refusal,
  terminating,
} from './status.ts';
import { type Author, Storage } from './storage.ts';

export interface Call {
  readonly method: Method;
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly body: object;
  /** The header Retry-After, seconds. */
  readonly retryAfter?: string;
}

/** The names of most kinds (RFC 1123). */
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

export class Server {
  readonly storage = new Storage();
  /** Kinds that the operator has no permission for, as PLURAL.GROUP. */
  readonly forbidden = new Set<string>();
  readonly #now: () => number;
  #uids = 0;

  /** @param now milliseconds since the simulation began */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Carries out a request synchronously. */
  handle(call: Call, author: Author): Answer {
    if (call.path === `/apis/${apiVersionOf(EXCEPTION)}`)
      return ok({ resources: [{ name: EXCEPTION.plural }] });
    if (call.path === '/apis') return ok(this.#groups());
    try {
      const route = routeOf(call.path);
      const { kind } = route;
      if (isOperator(author)) this.#authorize(kind);
      const schema = this.#schemaOf(kind);
      const body = call.body as Stored | undefined;
      if (schema !== undefined && body !== undefined && call.query?.['fieldValidation'] === 'Strict')
        refuseUnknown(kind, body, schema);
      switch (call.method) {
        case 'GET':
          return ok(
            route.name === undefined
              ? list(this.storage, route, call.query ?? {}, this.#viewOf(kind))
              : this.#read(route),
          );
        case 'POST':
          return { status: 201, body: this.#create(route, body, author) };
        case 'PUT':
          return ok(this.#update(route, 'PUT', () => body, author));
        case 'PATCH':
          return ok(this.#update(route, 'PATCH', (stored) => merge(stored, body) as Stored, author));
        case 'DELETE':
          return ok(this.#delete(route, (body ?? {}) as DeleteOptions, author));
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.status.code, body: error.status };
    }
  }

  /**
   * Starts a watch. Returns a function that ends it, or the refusal.
   *
   * @param onEnd called when the server ends the watch, as the definition of the kind has changed
   */
  watch(path: string, query: Query, send: Send, onEnd: () => void = () => {}): (() => void) | FailureStatus {
    try {
      const route = routeOf(path);
      this.#authorize(route.kind);
      this.#schemaOf(route.kind);
      const end = watch(this.storage, route, query, send, this.#viewOf(route.kind));
      if (!route.kind.isDefined) return end;
      const name = definitionName(route.kind);
      const stop = this.storage.subscribe(({ kind, key }) => {
        if (kind === DEFINITION && key === name) onEnd();
      });
      return () => {
        end();
        stop();
      };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return error.status;
    }
  }

  /** True if the operator may watch the path now. */
  serves(path: string): boolean {
    try {
      const { kind } = routeOf(path);
      this.#authorize(kind);
      this.#schemaOf(kind);
      return true;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return false;
    }
  }

  #read(route: Route): Stored {
    const stored = this.storage.get(route.kind, keyOf(route.namespace, route.name ?? ''));
    if (stored === undefined) throw notFound(route.kind, route.name ?? '');
    return this.#viewOf(route.kind)(stored);
  }

  #authorize(kind: Kind): void {
    if (this.forbidden.has(definitionName(kind))) throw forbidden(kind);
  }

  /** Undefined for a kind that is always served. @throws Refusal 404 while the kind is not served */
  #schemaOf(kind: Kind): Schema | undefined {
    if (!kind.isDefined) return undefined;
    const schema = schemaOf(kind, this.storage.get(DEFINITION, definitionName(kind)));
    if (schema === undefined) throw noSuchPath();
    return schema;
  }

  /** The form in which objects of the kind are served. */
  #viewOf(kind: Kind): View {
    return (object) => {
      const schema = schemaOf(kind, this.storage.get(DEFINITION, definitionName(kind)));
      return kind.isDefined && schema !== undefined ? inForm(object, schema) : object;
    };
  }

  /** The object as it is stored. */
  #stored(kind: Kind, object: Stored): Stored {
    const schema = this.#schemaOf(kind);
    return kind.complete(schema === undefined ? object : inForm(object, schema));
  }

  /** The groups that are served, as /apis has them. */
  #groups(): object {
    const served = KINDS.filter(
      (kind) =>
        kind.group !== '' &&
        (!kind.isDefined || schemaOf(kind, this.storage.get(DEFINITION, definitionName(kind)))),
    );
    const groups = [...Map.groupBy(served, ({ group }) => group)].map(([name, kinds]) => ({
      name,
      versions: [...new Set(kinds.map(apiVersionOf))].map((groupVersion) => ({ groupVersion })),
    }));
    return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  }

  #create({ kind, namespace }: Route, body: Stored | undefined, author: Author): Stored {
    const name = body?.metadata?.name;
    if (body === undefined || !name) throw invalid(kind, '', 'name or generateName is required');
    if (!SUBDOMAIN.test(name)) throw invalid(kind, name, `metadata.name: Invalid value: "${name}"`);
    if (body.metadata.namespace !== undefined && body.metadata.namespace !== namespace)
      throw badRequest(
        'the namespace of the provided object does not match the namespace sent on the request',
      );
    if (namespace !== undefined) {
      const home = this.storage.get(NAMESPACE, namespace);
      if (home === undefined) throw notFound(NAMESPACE, namespace);
      if (home.metadata.deletionTimestamp !== undefined) throw terminating(kind, name, namespace);
    }
    const key = keyOf(namespace, name);
    if (this.storage.get(kind, key) !== undefined) throw alreadyExists(kind, name);
    const { labels, annotations, ownerReferences, finalizers } = body.metadata;
    const metadata = withoutEmpty({
      name,
      ...(namespace !== undefined && { namespace }),
      uid: `uid-${++this.#uids}`,
      ...(kind.generation && { generation: 1 }),
      creationTimestamp: this.#timestamp(),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences && { ownerReferences }),
      ...(finalizers && { finalizers }),
    });
    const { status: _, ...rest } = body;
    const type = { apiVersion: apiVersionOf(kind), kind: kind.kind };
    return this.storage.put(
      kind,
      key,
      this.#stored(kind, { ...(kind.status ? rest : body), ...type, metadata }),
      author,
    );
  }

  #update(
    route: Route,
    method: 'PUT' | 'PATCH',
    change: (stored: Stored) => Stored | undefined,
    author: Author,
  ): Stored {
    const { kind, namespace, name = '', subresource } = route;
    const old = this.#read(route);
    const wanted = change(old);
    if (wanted?.metadata === undefined) throw badRequest('no object');
    if (wanted.metadata.name !== undefined && wanted.metadata.name !== name)
      throw badRequest('the name of the object does not match the name on the URL');
    const { uid, resourceVersion } = wanted.metadata;
    const isOther = uid !== undefined && uid !== old.metadata.uid;
    const stale = () =>
      conflict(kind, name, 'the object has been modified; apply your changes to the latest version');
    if (isOther && method === 'PUT') throw stale();
    if (!resourceVersion && !kind.unconditional)
      throw invalid(kind, name, 'metadata.resourceVersion: Invalid value: must be specified for an update');
    if (resourceVersion && resourceVersion !== old.metadata.resourceVersion) throw stale();
    // A write of a custom resource's status takes the stored metadata before the uid is validated.
    if (isOther && !((kind === PROFILE || kind === EXCEPTION) && subresource === 'status'))
      throw invalid(kind, name, `metadata.uid: Invalid value: "${uid}": field is immutable`);
    const key = keyOf(namespace, name);
    const next = this.#stored(kind, this.#changed(kind, old, wanted, subresource));
    const { deletionTimestamp, finalizers } = next.metadata;
    const isDone = kind === NAMESPACE ? !namespaceFinalizers(next).length : !finalizers?.length;
    if (deletionTimestamp !== undefined && isDone) {
      // Watchers receive the stored object. The response has the sent object, without the revision of the deletion.
      this.storage.delete(kind, key, old, author);
      return { ...next, metadata: { ...next.metadata, resourceVersion: old.metadata.resourceVersion ?? '' } };
    }
    return this.storage.put(kind, key, next, author);
  }

  /** `old` with the fields of `wanted` that a write to this subresource may change. */
  #changed(kind: Kind, old: Stored, wanted: Stored, subresource: string | undefined): Stored {
    const { status, ...rest } = wanted;
    if (subresource === 'status') return status === undefined ? without(old, 'status') : { ...old, status };
    if (subresource === 'finalize') return { ...old, spec: wanted['spec'] };
    const { labels, annotations, ownerReferences, finalizers = [] } = wanted.metadata;
    const kept = old.metadata;
    if (kept.deletionTimestamp !== undefined && finalizers.some((each) => !kept.finalizers?.includes(each)))
      throw invalid(
        kind,
        kept.name,
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted',
      );
    const { name, namespace, uid, creationTimestamp, deletionTimestamp, generation } = kept;
    const grace = {
      deletionGracePeriodSeconds:
        'deletionGracePeriodSeconds' in kept ? kept.deletionGracePeriodSeconds : undefined,
    };
    const fixed = { name, namespace, uid, generation, creationTimestamp, deletionTimestamp, ...grace };
    const metadata = withoutEmpty({ ...fixed, labels, annotations, ownerReferences, finalizers });
    const reported = kind.status && old['status'] !== undefined ? { status: old['status'] } : {};
    const next = this.#stored(kind, { ...(kind.status ? rest : wanted), ...reported, metadata });
    if (kind === NAMESPACE) return { ...next, spec: old['spec'] };
    const isSame =
      isDeepStrictEqual(contentOf(old), contentOf(next)) &&
      (!kind.labelsCount || isDeepStrictEqual(kept.labels, metadata.labels));
    if (!kind.generation || isSame) return next;
    return { ...next, metadata: { ...metadata, generation: (generation ?? 0) + 1 } };
  }

  #delete(route: Route, { preconditions = {} }: DeleteOptions, author: Author): object {
    const { kind, namespace, name = '' } = route;
    const old = this.#read(route);
    const { uid, resourceVersion, generation, finalizers = [] } = old.metadata;
    if (preconditions.uid !== undefined && preconditions.uid !== uid)
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${preconditions.uid}, UID in object meta: ${uid}`,
      );
    if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion)
      throw conflict(kind, name, 'Precondition failed: ResourceVersion in precondition differs');
    const key = keyOf(namespace, name);
    if (finalizers.length === 0 && kind !== NAMESPACE) {
      if (kind === DEFINITION) this.#deleteInstances(name);
      const last = this.storage.delete(kind, key, old, author);
      if (kind.returnsDeleted) return last;
      const details = { name, ...(kind.group && { group: kind.group }), kind: kind.plural, uid };
      return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
    }
    if (old.metadata.deletionTimestamp !== undefined) return old;
    const metadata = {
      ...old.metadata,
      ...(generation !== undefined && { generation: generation + 1 }),
      deletionTimestamp: this.#timestamp(),
      ...(kind !== NAMESPACE && { deletionGracePeriodSeconds: 0 }),
    };
    const phase = kind === NAMESPACE ? { status: { phase: 'Terminating' } } : {};
    return this.storage.put(kind, key, { ...old, ...phase, metadata }, author);
  }

  /** The objects of a kind go before its definition does. */
  #deleteInstances(definition: string): void {
    for (const kind of KINDS.filter((each) => each.isDefined && definitionName(each) === definition))
      for (const [key, object] of this.storage.snapshot(kind) ?? [])
        this.storage.delete(kind, key, object, 'definition-finalizer');
  }

  /** The current time as RFC 3339, in whole seconds. */
  #timestamp(): string {
    return `${new Date(EPOCH + this.#now()).toISOString().slice(0, 19)}Z`;
  }
}

interface DeleteOptions {
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export const isOperator = (author: Author): boolean => author.startsWith('operator');

function ok(body: object): Answer {
  return { status: 200, body };
}

function namespaceFinalizers(namespace: Stored): readonly string[] {
  const { finalizers = [] } = (namespace['spec'] ?? {}) as { finalizers?: readonly string[] };
  return [...finalizers, ...(namespace.metadata.finalizers ?? [])];
}

/** The fields whose changes `metadata.generation` counts. */
function contentOf(object: Stored): object {
  return without(without(object, 'metadata'), 'status');
}

function without(object: Stored, field: string): Stored {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== field)) as unknown as Stored;
}

/** JSON merge patch (RFC 7386). */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}
