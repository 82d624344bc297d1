/**
 * Asks the canary's probes for a round, and reads their reports until each has tried all its flows anew. The request is all
 * that it writes: one key of one ConfigMap.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../api/meta.ts';
import { ANNOTATION_REPORT, CANARY_NAMESPACES, INSIDE, LABEL_CANARY } from '../../../canary/model/names.ts';
import { parseReport, type Report } from '../../../canary/model/report.ts';
import { REQUEST, requestPatch } from '../../../canary/model/request.ts';
import { type ObservedReport, REPORT_TTL_MS } from '../../../canary/model/verification.ts';
import { CONFIG_MAPS } from '../../../cluster-state/items.ts';
import { isForbidden, isNotFound } from '../../../kube/errors.ts';
import { LEASES } from '../../../kube/lease.ts';
import { Resource } from '../../../kube/resource.ts';
import type { Transport } from '../../../kube/http/transport.ts';

export interface FreshReports {
  readonly reports: readonly ObservedReport[];
  /** Probes that did not complete a round in time, each as `NAMESPACE/POD on node NODE`. */
  readonly silent: readonly string[];
}

export interface FreshReportsOptions {
  readonly timeoutMs: number;
  /** Called if the probes can't be asked, with the reason: their own rounds are awaited then. */
  readonly onRefused: (reason: string) => void;
  readonly onProgress: (progress: Progress) => void;
}

export interface Progress {
  readonly probes: number;
  /** Probes that have tried all their flows since the call. */
  readonly answered: number;
  /** Flows that differ from what policies say, and that later rounds have to confirm. */
  readonly unconfirmed: number;
}

/** Without a request: a round that was under way when the first report was read may have begun before. */
const ROUNDS = 2;
/** Pause between two reads of the reports; longer if a read takes long, as that of thousands of reports. */
const POLL_MS = 500;
const PAUSE_PER_READ = 4;

/**
 * Resolves when every probe has completed a round that began after the call, and no flow differs but for a moment; or after
 * `timeoutMs`.
 *
 * @throws ApiError
 */
export async function freshReports(
  transport: Transport,
  { timeoutMs, onRefused, onProgress }: FreshReportsOptions,
): Promise<FreshReports> {
  const until = performance.now() + timeoutMs;
  const first = new Map<string, number>();
  const note = (found: ReadonlyMap<string, Report | undefined>) => {
    for (const [lease, report] of found) if (!first.has(lease)) first.set(lease, report?.round ?? 0);
  };
  note(await readReports(transport));
  const request = await ask(transport, onRefused);
  for (;;) {
    const began = performance.now();
    const found = await readReports(transport);
    const readMs = performance.now() - began;
    note(found);
    const isFresh = (lease: string) => {
      const report = found.get(lease);
      if (report === undefined) return false;
      const before = first.get(lease) ?? 0;
      // Another client's request may have replaced this one; and the rounds of a new Pod count from the beginning.
      const isAnswer = request !== undefined && report.request === request;
      return isAnswer || report.round >= (report.round < before ? 0 : before) + ROUNDS;
    };
    const fresh = [...found.keys()].filter(isFresh);
    const unconfirmed = fresh.reduce((sum, lease) => sum + (found.get(lease)?.counts.settling ?? 0), 0);
    onProgress({ probes: found.size, answered: fresh.length, unconfirmed });
    if ((fresh.length === found.size && unconfirmed === 0) || performance.now() > until)
      return resultOf(found, new Set(fresh));
    await sleep(Math.max(POLL_MS, PAUSE_PER_READ * readMs));
  }
}

function resultOf(found: ReadonlyMap<string, Report | undefined>, fresh: ReadonlySet<string>): FreshReports {
  return {
    silent: [...found]
      .filter(([lease]) => !fresh.has(lease))
      .map(([lease, report]) => (report === undefined ? lease : `${report.pod} on node ${report.node}`)),
    reports: [...found].map(([lease, report]) => ({
      lease,
      report,
      age: fresh.has(lease) ? { kind: 'known', ms: 0 } : { kind: 'unknown', seenForMs: REPORT_TTL_MS + 1 },
    })),
  };
}

/** Asks all probes for a round. @returns the id of the request; undefined if it could not be made */
async function ask(
  transport: Transport,
  onRefused: FreshReportsOptions['onRefused'],
): Promise<string | undefined> {
  const id = crypto.randomUUID();
  try {
    await new Resource<KubeObject>(transport, CONFIG_MAPS).patch(REQUEST, INSIDE, requestPatch(id));
    return id;
  } catch (error) {
    const object = `ConfigMap ${INSIDE}/${REQUEST}`;
    if (isForbidden(error))
      onRefused(`you may not patch ${object}; its Role is segmentation-canary-verifier`);
    else if (isNotFound(error)) onRefused(`${object} is missing; apply config/canary again`);
    else throw error;
    return undefined;
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
