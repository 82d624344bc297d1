/** Removes the reports that earlier audits wrote, once the audit is switched off. */
import type { KubeObject } from '../api/meta.ts';
import type { Capability } from '../controller/capability.ts';
import { isAborted, isNotFound } from '../kube/errors.ts';
import type { Transport } from '../kube/http/transport.ts';
import { Resource } from '../kube/resource.ts';
import type { Logger } from '../observability/logs/logger.ts';
import { backoffMs } from '../util/backoff.ts';
import { type Clock, type Random, sleep } from '../util/clock.ts';
import { errorMessage } from '../util/error-message.ts';
import { CLUSTER_REPORTS, OWN_REPORTS, REPORT_NAME, REPORTS } from './reports/open-reports.ts';

const RETRY = { initialMs: 60_000, maxMs: 3_600_000 };

export interface RemovalOptions {
  readonly transport: Transport;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}

export class ReportRemoval implements Capability {
  readonly #options: RemovalOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** Begins to remove, and ends when no own report is left. */
  lead(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  isJudged(): boolean {
    return true;
  }

  /** No profile has a condition of an audit that is off. */
  report(): undefined {
    return undefined;
  }

  isReleased(): boolean {
    return true;
  }

  async #run(): Promise<void> {
    const { clock, random, logger } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        const removed = await this.#removeAll(signal);
        if (removed > 0) logger.info('reports of the audit removed', { reports: removed });
        return;
      } catch (error) {
        if (isAborted(error)) return;
        const inMs = Math.round(backoffMs(failures, RETRY, random));
        logger.warn('the reports of the audit can not be removed, will try again', {
          inMs,
          message: errorMessage(error),
        });
        await sleep(clock, inMs, signal);
      }
    }
  }

  async #removeAll(signal: AbortSignal): Promise<number> {
    let removed = 0;
    for (const kind of [REPORTS, CLUSTER_REPORTS]) {
      const reports = new Resource<KubeObject>(this.#options.transport, kind);
      for (const report of await this.#own(reports, signal)) {
        const { name, namespace, uid = '' } = report.metadata;
        try {
          await reports.delete(name, namespace, { preconditions: { uid }, signal });
          removed += 1;
        } catch (error) {
          if (!isNotFound(error)) throw error;
        }
      }
    }
    return removed;
  }

  /** Own reports; none if the cluster does not serve the kind. */
  async #own(reports: Resource<KubeObject>, signal: AbortSignal): Promise<readonly KubeObject[]> {
    try {
      const options = { labelSelector: OWN_REPORTS, metadataOnly: true, signal };
      const { items } = await reports.listAll(options);
      return items.filter(({ metadata }) => metadata.name === REPORT_NAME);
    } catch (error) {
      if (isNotFound(error)) return [];
      throw error;
    }
  }
}
