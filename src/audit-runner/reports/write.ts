/** Writes the reports of an audit, one after the other, and tells why if they can't be written. */
import {
  ApiError,
  isAborted,
  isAlreadyExists,
  isCollectionMissing,
  isPermissionMissing,
  isConflict,
  isNamespaceTerminating,
  isNotFound,
} from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import { Resource } from '../../kube/resource.ts';
import { errorMessage } from '../../util/error-message.ts';
import { eachPage, type ReadOptions } from '../read-cluster.ts';
import type { SessionChanges } from '../session.ts';
import type { RemoteSession } from '../worker/protocol.ts';
import { digestOf, type ObservedIdentity, type ReportWrite } from './changes.ts';
import { CLUSTER_REPORTS, OWN_REPORTS, type Report, REPORT_API, REPORTS } from './open-reports.ts';

/** How the reports stand after an audit. */
export type ReportsState =
  | {
      readonly kind: 'written';
      readonly reports: number;
      readonly writes: number;
      /** Reports that somebody else has under our name. */
      readonly conflicts: readonly string[];
    }
  /** A person must install or upgrade the CRDs. */
  | { readonly kind: 'unavailable'; readonly reason: 'CRDMissing' | 'SchemaTooOld'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

export interface WrittenReports {
  readonly state: ReportsState;
  readonly fresh: SessionChanges['fresh'];
}

/** Writes that are taken from the other thread at a time. */
const BATCH = 20;

/** @throws ApiError if the audit was given up */
export async function writeReports(
  session: RemoteSession,
  options: ReadOptions,
  nowSeconds: number,
): Promise<WrittenReports> {
  const writer = new ReportWriter(options);
  let fresh: SessionChanges['fresh'] = [];
  try {
    for (const kind of [REPORTS, CLUSTER_REPORTS]) {
      const sink = { take: (text: string) => session.reports(text), restart: () => Promise.resolve() };
      await eachPage(kind, options, sink, { labelSelector: OWN_REPORTS });
    }
    const changes = await session.changes(nowSeconds);
    ({ fresh } = changes);
    await writer.writeAll(session);
    const { writes, conflicts } = writer;
    return { fresh, state: { kind: 'written', reports: changes.reports, writes, conflicts } };
  } catch (error) {
    if (isAborted(error) || options.signal.aborted) throw error;
    return { fresh, state: stateOf(error) };
  }
}

/** The CRD took a report in another form than it was sent. */
class SchemaTooOldError extends Error {}

function stateOf(error: unknown): ReportsState {
  if (isCollectionMissing(error)) {
    const message = `no reports are written, as the cluster does not serve ${REPORT_API}: install the CRDs of OpenReports`;
    return { kind: 'unavailable', reason: 'CRDMissing', message };
  }
  // With fieldValidation=Strict, an unknown field is a bad request.
  const isRefused = error instanceof ApiError && (error.status === 400 || error.status === 422);
  if (error instanceof SchemaTooOldError || isRefused) {
    const message = `no reports are written, as the CRDs of ${REPORT_API} do not take them: upgrade the CRDs of OpenReports: ${errorMessage(error)}`;
    return { kind: 'unavailable', reason: 'SchemaTooOld', message };
  }
  const advice = isPermissionMissing(error)
    ? ': install config/audit, or set audit.enabled in the chart'
    : '';
  return { kind: 'failed', message: `the reports could not be written${advice}: ${errorMessage(error)}` };
}

class ReportWriter {
  readonly conflicts: string[] = [];
  writes = 0;
  readonly #options: ReadOptions;
  readonly #namespaced: Resource<Report>;
  readonly #cluster: Resource<Report>;

  constructor(options: ReadOptions) {
    this.#options = options;
    this.#namespaced = new Resource(options.transport, REPORTS);
    this.#cluster = new Resource(options.transport, CLUSTER_REPORTS);
  }

  async writeAll(session: RemoteSession): Promise<void> {
    for (;;) {
      const batch = await session.nextWrites(BATCH);
      if (batch.length === 0) return;
      await this.#options.turn();
      for (const write of batch) await this.#write(write);
    }
  }

  async #write(write: ReportWrite): Promise<void> {
    try {
      if (write.verb === 'delete') await this.#delete(write.report);
      else await this.#put(write.verb, write.report);
      this.writes += 1;
    } catch (error) {
      const { namespace, name } = write.verb === 'delete' ? write.report : write.report.metadata;
      if (isAlreadyExists(error))
        this.conflicts.push(namespace === undefined ? name : `${namespace}/${name}`);
      else if (!isPassing(error)) throw error;
    }
  }

  async #put(verb: 'create' | 'update', report: Report): Promise<void> {
    const resource = this.#of(report.metadata.namespace);
    const { signal } = this.#options;
    const answer =
      verb === 'create'
        ? await resource.create(report, { signal })
        : await resource.replace(report, { signal });
    if (digestOf(answer) === digestOf(report)) return;
    await this.#delete({ ...report.metadata, ...preconditionsOf(answer) } as ObservedIdentity);
    throw new SchemaTooOldError('the stored report differs from the one that was sent');
  }

  async #delete(report: ObservedIdentity): Promise<void> {
    const { namespace, name } = report;
    const preconditions = preconditionsOf({ metadata: report });
    await this.#of(namespace).delete(name, namespace, { preconditions, signal: this.#options.signal });
  }

  #of(namespace: string | undefined): Resource<Report> {
    return namespace === undefined ? this.#cluster : this.#namespaced;
  }
}

/** True if the namespace is going, or somebody else wrote first: the next audit sees what is so then. */
function isPassing(error: unknown): boolean {
  return (
    isConflict(error) || isNamespaceTerminating(error) || (isNotFound(error) && !isCollectionMissing(error))
  );
}
