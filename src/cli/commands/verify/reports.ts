/** Reads the reports of the canary's probes from a cluster, until each probe has tried all its flows anew. Never writes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../api/meta.ts';
import { ANNOTATION_REPORT, CANARY_NAMESPACES, LABEL_CANARY } from '../../../canary/model/names.ts';
import { parseReport, type Report } from '../../../canary/model/report.ts';
import { type ObservedReport, REPORT_TTL_MS } from '../../../canary/model/verification.ts';
import { LEASES } from '../../../kube/lease.ts';
import { Resource } from '../../../kube/resource.ts';
import type { Transport } from '../../../kube/http/transport.ts';

export interface FreshReports {
  readonly reports: readonly ObservedReport[];
  /** Probes that did not complete a round in time. */
  readonly silent: number;
}

/** A round that was under way when the first report was read may have begun before. */
const ROUNDS = 2;
const POLL_MS = 1000;

/**
 * Resolves when every probe has completed a round that began after the call, or after `timeoutMs`.
 *
 * @param onProgress called with the number of probes, and of those that are done
 * @throws ApiError
 */
export async function freshReports(
  transport: Transport,
  timeoutMs: number,
  onProgress: (probes: number, done: number) => void,
): Promise<FreshReports> {
  const until = performance.now() + timeoutMs;
  const first = new Map<string, number>();
  for (;;) {
    const found = await readReports(transport);
    for (const [lease, report] of found) if (!first.has(lease)) first.set(lease, report?.round ?? 0);
    const isFresh = ([lease, report]: readonly [string, Report | undefined]) => {
      const [now, then] = [report?.round ?? 0, first.get(lease) ?? 0];
      // A probe that has started again counts from the beginning.
      return now >= (now < then ? 0 : then) + ROUNDS;
    };
    const done = [...found].filter(isFresh);
    onProgress(found.size, done.length);
    if (done.length === found.size || performance.now() > until) {
      return {
        silent: found.size - done.length,
        reports: [...found].map(([lease, report]) => ({
          lease,
          report,
          age: isFresh([lease, report])
            ? { kind: 'known', ms: 0 }
            : { kind: 'unknown', seenForMs: REPORT_TTL_MS + 1 },
        })),
      };
    }
    await sleep(POLL_MS);
  }
}

/** By Lease as NAMESPACE/NAME, in order; undefined for a report that can't be read. */
async function readReports(transport: Transport): Promise<Map<string, Report | undefined>> {
  const leases = new Resource<KubeObject>(transport, LEASES);
  const lists = await Promise.all(
    CANARY_NAMESPACES.map((namespace) => leases.listAll({ namespace, labelSelector: LABEL_CANARY })),
  );
  const found = lists.flatMap(({ items }) => items);
  return new Map(
    found.map(({ metadata: { namespace, name, annotations } }) => [
      `${namespace}/${name}`,
      parseReport(annotations?.[ANNOTATION_REPORT]),
    ]),
  );
}
