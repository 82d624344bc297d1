/** Reads for an audit: one page at a time, as text, which another thread parses. Never writes. */
import { servedVersions, serverVersion } from '../kube/discovery.ts';
import { isForbidden, isGone, isNotFound } from '../kube/errors.ts';
import type { Transport } from '../kube/http/transport.ts';
import { LIST_RESTARTS, PAGE_SIZE, Resource, type ResourceKind } from '../kube/resource.ts';
import { newestFirst } from '../snapshot/objects.ts';
import { errorMessage } from '../util/error-message.ts';
import type { AuditedKind } from './kinds.ts';
import type { PageEnd } from './session.ts';
import type { RemoteSession } from './worker/protocol.ts';

/** Deadline of one page, milliseconds, as client-go's for lists. */
const PAGE_TIMEOUT_MS = 60_000;
/** Objects in a page of kinds whose objects are large. */
const SMALL_PAGE: Readonly<Record<string, number>> = { reports: 50 };

export interface ReadOptions {
  readonly transport: Transport;
  readonly signal: AbortSignal;
  /** Resolves when the next page may be read. */
  readonly turn: () => Promise<void>;
}

/** Reads all kinds that the session asks for. @throws ApiError if a required kind can't be read, or the server fails */
export async function readCluster(session: RemoteSession, options: ReadOptions): Promise<void> {
  const { transport, signal } = options;
  const isServed = await servedVersions(transport, signal);
  for (const versions of newestFirst(await session.kinds())) {
    for (const kind of versions) if (isServed(kind) && (await readKind(kind, session, options))) break;
  }
  for (const kind of await session.furtherKinds()) await readKind(kind, session, options);
  await session.serverVersion(await serverVersion(transport, signal));
}

/** Resolves with false if the cluster does not serve the kind by this version. */
async function readKind(kind: AuditedKind, session: RemoteSession, options: ReadOptions): Promise<boolean> {
  try {
    const sink = {
      take: (text: string) => session.page(kind, text),
      restart: () => session.restart(kind),
    };
    await eachPage(kind, options, sink, { fieldSelector: kind.fieldSelector });
  } catch (error) {
    if (kind.isRequired) throw error;
    if (isNotFound(error)) return false;
    if (!isForbidden(error)) throw error;
    await session.unread(kind, errorMessage(error));
  }
  return true;
}

interface PageSink {
  readonly take: (text: string) => Promise<PageEnd>;
  /** The list begins again: a token of it has expired. */
  readonly restart: () => Promise<void>;
}

interface Selection {
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

/** Reads a collection as of one revision; starts again if a page's token expires (410). @throws ApiError */
export async function eachPage(
  kind: ResourceKind,
  options: ReadOptions,
  sink: PageSink,
  selection: Selection = {},
): Promise<void> {
  for (let restarts = 0; ; restarts++) {
    try {
      return await eachPageOnce(kind, options, sink, selection);
    } catch (error) {
      if (!isGone(error) || restarts >= LIST_RESTARTS) throw error;
      await sink.restart();
    }
  }
}

async function eachPageOnce(
  kind: ResourceKind,
  { transport, signal, turn }: ReadOptions,
  { take }: PageSink,
  { labelSelector, fieldSelector }: Selection,
): Promise<void> {
  const path = new Resource(transport, kind).collection();
  const limit = SMALL_PAGE[kind.plural] ?? PAGE_SIZE;
  let next: string | undefined;
  do {
    await turn();
    const text = await transport.request<string>({
      method: 'GET',
      path,
      query: { limit, continue: next, labelSelector, fieldSelector },
      asText: true,
      timeoutMs: PAGE_TIMEOUT_MS,
      signal,
    });
    ({ next } = await take(text));
  } while (next !== undefined);
}
