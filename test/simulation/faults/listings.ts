/**
 * Which lists may be forged as empty: only a list that a reflector would not believe at once. So a forged list never
 * follows another one, and a reflector's list is forged only after the reflector has seen objects.
 */
import type { Request, WatchRequest } from '../../../src/kube/http/transport.ts';
import { PAGE_SIZE } from '../../../src/kube/resource.ts';
import type { Answer } from '../server/server.ts';

/** The latest list of a collection by one client. */
export interface Listing {
  hasItems: boolean;
  isForged: boolean;
}

interface List {
  readonly metadata: object;
  readonly items?: readonly object[];
}

/** A reconcile lists these; no reflector does. */
const POLICIES_OF_ONE_NAMESPACE = /\/namespaces\/[^/]+\/networkpolicies$/;

/** The listings of one replica, by the abort signal of the client and by path. */
export class Listings {
  readonly #bySignal = new WeakMap<AbortSignal, Map<string, Listing>>();

  /** Undefined for a client without a signal. */
  of({ path, signal }: Request | WatchRequest): Listing | undefined {
    if (signal === undefined) return undefined;
    let listings = this.#bySignal.get(signal);
    if (listings === undefined) this.#bySignal.set(signal, (listings = new Map()));
    let listing = listings.get(path);
    if (listing === undefined) listings.set(path, (listing = { hasItems: false, isForged: false }));
    return listing;
  }
}

/** True if the request lists a whole collection. */
export function isListing({ method, path, query }: Request): boolean {
  if (method !== 'GET' || query?.['limit'] !== PAGE_SIZE || query['labelSelector'] !== undefined)
    return false;
  return !POLICIES_OF_ONE_NAMESPACE.test(path);
}

/** True for a reflector's list after one with items, and for a list that confirms a decision. */
export function mayForge({ timeoutMs }: Request, { hasItems, isForged }: Listing): boolean {
  // Only reflectors limit the time for a page.
  return !isForged && (hasItems || timeoutMs === undefined);
}

export function recordList(listing: Listing, body: object, isForged: boolean): void {
  const { items } = body as List;
  listing.isForged = isForged;
  if (!isForged && items !== undefined) listing.hasItems = items.length > 0;
}

/** The answer without its items. */
export function forged(answer: Answer): Answer {
  const { metadata } = answer.body as List;
  return { status: 200, body: { ...answer.body, items: [], metadata: { ...metadata, continue: '' } } };
}
