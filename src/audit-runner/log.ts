/** The audits as lines of the log. */
import type { Logger } from '../observability/logs/logger.ts';
import { errorMessage } from '../util/error-message.ts';
import type { AuditRun } from './run.ts';

export interface AuditLog {
  complete(run: AuditRun, durationMs: number): void;
  /** @param retryInMs when the audit is repeated, in milliseconds */
  failed(error: unknown, retryInMs: number): void;
}

/** Each problem is logged once as a warning, and repetitions as debug. */
export function createAuditLog(logger: Logger): AuditLog {
  let lastProblem: string | undefined;
  const warnOnce = (message: string, fields: Readonly<Record<string, unknown>>, problem: string) => {
    logger[problem === lastProblem ? 'debug' : 'warn'](message, fields);
    lastProblem = problem;
  };
  return {
    complete: ({ judgement, reports, unknownChecks }, durationMs) => {
      const { findings, waived, skipped } = judgement;
      logger.info('audit complete', {
        findings,
        waived,
        ms: Math.round(durationMs),
        ...(skipped.length > 0 && { skipped }),
        ...(reports.kind === 'written' && { reports: reports.reports, writes: reports.writes }),
      });
      if (reports.kind !== 'written') {
        const { message, ...why } = reports;
        const fields = { ...('reason' in why && { reason: why.reason }), message };
        warnOnce('the reports of the audit are not written', fields, message);
      } else if (reports.conflicts.length > 0) {
        const fields = { reports: reports.conflicts };
        warnOnce('foreign reports have the names of own ones', fields, reports.conflicts.join());
      } else if (unknownChecks.length > 0) {
        const fields = { skip: unknownChecks };
        warnOnce('audit.skip names checks that do not exist', fields, unknownChecks.join());
      } else lastProblem = undefined;
    },
    failed: (error, retryInMs) => {
      warnOnce('audit failed, will try again', { inMs: Math.round(retryInMs), error }, errorMessage(error));
    },
  };
}
