/** Two ways to read a whole collection: the initial events of a watch, and pages. Objects are projected one by one. */
import { ApiError, isGone } from '../errors.ts';
import { LIST_RESTARTS, PAGE_SIZE } from '../resource.ts';
import type { Item } from './store.ts';
import type { ReadObject } from '../http/binary-format.ts';
import type { Transport } from '../http/transport.ts';
import { parseWatchEvent } from './watch-event.ts';
import { excerpt, malformed, type Query } from '../http/wire.ts';

export interface Listing<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** A streamed list, and the events that came together with its end. */
export interface StreamedListing<T> extends Listing<T> {
  readonly laterEvents: readonly unknown[];
}

/**
 * Reads the initial events of a watch with sendInitialEvents (KEP-3157), up to the bookmark that ends them. Later
 * events stay in `events`, or are returned.
 *
 * @param path path of the collection, for the error
 * @returns undefined if the server ignored the parameter
 * @throws errors of `events`, and an ApiError of reason Transport if the events end before the bookmark
 */
export async function readInitialEvents<T extends Item>(
  events: AsyncGenerator<readonly unknown[], void, undefined>,
  project: (raw: object) => T,
  path: string,
): Promise<StreamedListing<T> | undefined> {
  const request = { method: 'WATCH', path };
  const items = new Map<string, T>();
  for (;;) {
    const next = await events.next();
    if (next.done === true) {
      const message = 'the streamed list ended before it was complete';
      throw new ApiError({ ...request, status: 0, reason: 'Transport', message });
    }
    for (const [index, value] of next.value.entries()) {
      const event = parseWatchEvent(request, value);
      if (event.type === 'BOOKMARK') {
        // The first bookmark ends the initial events, or the server sent none.
        if (!event.initialEventsEnd) return undefined;
        const { resourceVersion } = event;
        return { items: [...items.values()], resourceVersion, laterEvents: next.value.slice(index + 1) };
      }
      const item = project(event.object);
      if (event.type === 'DELETED') items.delete(item.key);
      else items.set(item.key, item);
    }
  }
}

export interface PageSource<T> {
  readonly transport: Transport;
  readonly path: string;
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  readonly project: (raw: object) => T;
  /** Reads the objects of a page in the binary format. */
  readonly readObject?: ReadObject | undefined;
  /** Called as each page arrives. */
  readonly onPage: () => void;
}

/** Deadline of one page, milliseconds, as client-go's for lists. */
const PAGE_TIMEOUT_MS = 60_000;

interface Page {
  readonly metadata?: { readonly resourceVersion?: unknown; readonly continue?: string };
  readonly items?: unknown;
}

/** The selectors as parameters of a request. */
export function selectorsOf({
  fieldSelector,
  labelSelector,
}: Pick<PageSource<unknown>, 'fieldSelector' | 'labelSelector'>): Query {
  return {
    ...(fieldSelector !== undefined && { fieldSelector }),
    ...(labelSelector !== undefined && { labelSelector }),
  };
}

/** Reads the collection as of one revision, consistently; starts again if a page's token expires (410). */
export async function listPages<T>(source: PageSource<T>, signal: AbortSignal): Promise<Listing<T>> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await listOnce(source, signal);
    } catch (error) {
      if (!isGone(error) || restarts >= LIST_RESTARTS) throw error;
    }
  }
}

async function listOnce<T>(source: PageSource<T>, signal: AbortSignal): Promise<Listing<T>> {
  const { transport, path, project, readObject, onPage } = source;
  const items: T[] = [];
  let next: string | undefined;
  for (;;) {
    // No resourceVersion: the first page is a consistent read, and the others follow its token.
    const query = { ...selectorsOf(source), limit: PAGE_SIZE, continue: next };
    const page = await transport.request<Page>({
      method: 'GET',
      path,
      query,
      signal,
      readObject,
      timeoutMs: PAGE_TIMEOUT_MS,
    });
    onPage();
    const resourceVersion = page?.metadata?.resourceVersion;
    // Some aggregated API servers answer null for an empty list: a nil slice in Go is null in JSON.
    const raw = page?.items === null ? [] : page?.items;
    if (typeof resourceVersion !== 'string' || resourceVersion === '' || !Array.isArray(raw)) {
      throw malformed({ method: 'GET', path }, `not a list: ${excerpt(page)}`);
    }
    for (const object of raw as object[]) items.push(project(object));
    const following = page.metadata?.continue || undefined;
    if (following === undefined) return { items, resourceVersion };
    if (following === next) throw malformed({ method: 'GET', path }, 'the page leads to itself');
    next = following;
  }
}
