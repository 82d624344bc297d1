/** Lists and watches of the model. */
import type { Query } from '../../../src/kube/http/wire.ts';
import { apiVersionOf, type Kind, type Stored } from './kinds.ts';
import type { Route } from './route.ts';
import { selectorOf } from './selector.ts';
import { badRequest, expired, invalid, tooLarge } from './status.ts';
import type { Revision, Storage } from './storage.ts';

/**
 * A page of a list. It is consistent unless `resourceVersion` allows an older state.
 *
 * @throws Refusal 410 for an expired continue token, 504 for a revision that does not exist yet
 */
export function list(
  storage: Storage,
  { kind, namespace }: Route,
  query: Query,
  view: View = asStored,
): object {
  const limit = Number(query['limit'] ?? 0);
  const token = typeof query['continue'] === 'string' ? tokenOf(query['continue']) : undefined;
  const revision = token?.revision ?? revisionOf(storage, query);
  const contents = storage.snapshot(kind, revision);
  if (contents === undefined) throw expired('The provided continue parameter is too old');
  const selects = selectorOf(query['labelSelector'] as string | undefined);
  const inScope = contents.filter(
    ([key, { metadata }]) =>
      (namespace === undefined || metadata.namespace === namespace) &&
      (token === undefined || key > token.after),
  );
  const matching = inScope.filter(([, object]) => selects(object));
  const page = limit > 0 ? matching.slice(0, limit) : matching;
  const last = page.at(-1)?.[0] ?? '';
  // After a full page, the API server does not check if the selector matches any of the rest.
  const more = limit > 0 && page.length === limit ? inScope.filter(([key]) => key > last).length : 0;
  return {
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata: {
      resourceVersion: String(revision),
      ...(more > 0 && { continue: JSON.stringify([revision, last]) }),
      // The API server omits the count if a selector would have to be applied to the rest.
      ...(more > 0 && query['labelSelector'] === undefined && { remainingItemCount: more }),
    },
    items: page.map(([, object]) => itemOf(kind, view(object))),
  };
}

/** An object in the form in which it is served. */
export type View = (object: Stored) => Stored;
const asStored: View = (object) => object;

/** Items of a list have no apiVersion and kind, except custom resources. */
function itemOf({ group, isDefined }: Kind, object: Stored): object {
  if (isDefined || group === 'segmentation.dev') return object;
  const { apiVersion: _, kind: __, ...rest } = object;
  return rest;
}

function tokenOf(text: string): { revision: number; after: string } {
  try {
    const [revision, after] = JSON.parse(text) as [number, string];
    return { revision, after };
  } catch {
    throw badRequest('continue key is not valid');
  }
}

function revisionOf(storage: Storage, { resourceVersion, resourceVersionMatch }: Query): number {
  const asked = Number(resourceVersion ?? 0);
  if (asked > storage.revision) throw tooLarge(asked, storage.revision);
  return resourceVersionMatch === 'Exact' ? asked : storage.revision;
}

export type Send = (event: object) => void;

/**
 * Starts a watch. Sends initial events at once, and later events as they happen.
 *
 * @returns a function that ends the watch
 * @throws Refusal for an invalid query. A compacted revision is not thrown, but sent as an ERROR event
 */
export function watch(
  storage: Storage,
  { kind, namespace }: Route,
  query: Query,
  send: Send,
  view: View = asStored,
): () => void {
  const { sendInitialEvents = false, resourceVersionMatch, allowWatchBookmarks = false } = query;
  if (
    sendInitialEvents !== false &&
    (resourceVersionMatch !== 'NotOlderThan' || allowWatchBookmarks !== true)
  ) {
    throw invalid(
      kind,
      '',
      'sendInitialEvents needs resourceVersionMatch=NotOlderThan and allowWatchBookmarks',
    );
  }
  const selects = selectorOf(query['labelSelector'] as string | undefined);
  const matches = (object: Stored | undefined): object is Stored =>
    object !== undefined &&
    (namespace === undefined || object.metadata.namespace === namespace) &&
    selects(object);
  const deliver = (revision: Revision) => {
    if (revision.kind !== kind) return;
    const event = eventOf(revision, matches);
    if (event !== undefined) send({ ...event, object: view(event.object) });
  };
  const asked = Number(query['resourceVersion'] ?? 0);
  if (asked === 0 || sendInitialEvents === true) {
    for (const [, object] of storage.snapshot(kind) ?? [])
      if (matches(object)) send({ type: 'ADDED', object: view(object) });
    if (sendInitialEvents === true) send(bookmark(storage, kind, { 'k8s.io/initial-events-end': 'true' }));
  } else {
    const missed = storage.since(asked);
    if (missed === undefined) {
      const { status } = expired(`too old resource version: ${asked} (${storage.compacted})`);
      send({ type: 'ERROR', object: status });
      return () => {};
    }
    missed.forEach(deliver);
  }
  // A watch from a future revision sends nothing until the storage reaches it.
  return storage.subscribe((revision) => revision.at > asked && deliver(revision));
}

/** The event for a watcher with a selector: an object that begins to match is ADDED, one that ceases to match DELETED. */
function eventOf(
  { type, object, previous }: Revision,
  matches: (object: Stored | undefined) => boolean,
): { readonly type: string; readonly object: Stored } | undefined {
  const was = matches(previous);
  const is = type !== 'DELETED' && matches(object);
  if (was && is) return { type: 'MODIFIED', object };
  if (is) return { type: 'ADDED', object };
  if (!was || previous === undefined) return undefined;
  const { resourceVersion } = object.metadata;
  const last =
    type === 'DELETED' ? object : { ...previous, metadata: { ...previous.metadata, resourceVersion } };
  return { type: 'DELETED', object: last };
}

export function bookmark(
  storage: Storage,
  kind: Route['kind'],
  annotations?: Record<string, string>,
): object {
  const metadata = { resourceVersion: String(storage.revision), ...(annotations && { annotations }) };
  return { type: 'BOOKMARK', object: { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata } };
}
