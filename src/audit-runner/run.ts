/** Runs an audit of the cluster: reads, judges and reports, and leaves nothing in memory. */
import type { Clock } from '../util/clock.ts';
import { type ReadOptions, readCluster } from './read-cluster.ts';
import { type ReportsState, writeReports } from './reports/write.ts';
import type { FreshFinding, Judgement, SessionSettings } from './session.ts';
import { type AuditThread, startThread } from './worker/thread.ts';

export interface AuditRun {
  readonly judgement: Judgement;
  readonly reports: ReportsState;
  readonly fresh: readonly FreshFinding[];
  /** Names in `skip` that are no check. */
  readonly unknownChecks: readonly string[];
}

export interface RunOptions extends ReadOptions {
  readonly settings: SessionSettings;
  /** Largest heap of the thread that judges. */
  readonly maxMemoryMiB: number;
  readonly clock: Clock;
}

/** @throws ApiError or Error if the cluster can't be read or judged */
export async function runAudit(options: RunOptions): Promise<AuditRun> {
  const { settings, maxMemoryMiB, clock, signal } = options;
  const thread = await startThread(settings, maxMemoryMiB);
  const end = endOnAbort(thread, signal);
  try {
    const { session } = thread;
    const unknownChecks = await session.unknownChecks();
    await readCluster(session, options);
    const now = new Date(clock.now());
    const judgement = await session.judge(now.toISOString().slice(0, 10));
    const written = await writeReports(session, options, Math.floor(now.getTime() / 1000));
    return { judgement, reports: written.state, fresh: written.fresh, unknownChecks };
  } finally {
    await end();
  }
}

/** Ends the thread as soon as the signal is aborted. @returns ends it now */
function endOnAbort(thread: AuditThread, signal: AbortSignal): () => Promise<void> {
  const end = () => thread.end();
  const onAbort = () => void end();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return async () => {
    signal.removeEventListener('abort', onAbort);
    await end();
  };
}
