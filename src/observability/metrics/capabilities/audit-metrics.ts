/** Metrics of the audit in the cluster. They exist only where the audit is switched on. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { sampledGauge } from '../sampled-gauge.ts';

const RESULTS = ['complete', 'failed'] as const;
export type AuditRunResult = (typeof RESULTS)[number];

export interface AuditFindings {
  readonly counts: readonly { readonly check: string; readonly severity: string; readonly count: number }[];
  readonly waived: number;
  /** Number of checks that could not run. */
  readonly skipped: number;
}

export interface AuditReports {
  readonly isAvailable: boolean;
  /** Reports that are there. */
  readonly reports: number;
  /** Reports that an audit wrote. */
  readonly writes: number;
  readonly conflicts: number;
}

export interface AuditMetrics {
  /** Counts one audit, which took `durationMs` milliseconds. */
  ran(result: AuditRunResult, durationMs: number): void;
  /** Replaces the findings of the audit before. */
  found(findings: AuditFindings): void;
  reported(reports: AuditReports): void;
  /** Gives the source of the age, in milliseconds; undefined while this replica does not audit. */
  age(sample: () => number | undefined): void;
}

/** @param intervalMs the longest time between two audits, in milliseconds */
export function createAuditMetrics(registry: Registry, intervalMs: number): AuditMetrics {
  const registers = [registry];
  new Gauge({
    name: 'segmentation_audit_interval_seconds',
    help: 'Time after which an audit follows the one before, from the configuration.',
    registers,
  }).set(intervalMs / 1000);
  let age: () => number | undefined = () => undefined;
  sampledGauge(registry, {
    name: 'segmentation_audit_age_seconds',
    help: 'Time since the last complete audit, or since this replica began to lead.',
    labelNames: [],
    sample: (set) => {
      const ms = age();
      if (ms !== undefined) set({}, ms / 1000);
    },
  });
  return {
    ...createRunMetrics(registry),
    ...createFindingMetrics(registry),
    ...createReportMetrics(registry),
    age: (sample) => {
      age = sample;
    },
  };
}

function createRunMetrics(registry: Registry): Pick<AuditMetrics, 'ran'> {
  const registers = [registry];
  const runs = new Counter({
    name: 'segmentation_audit_runs_total',
    help: 'Audits of the cluster, by result: complete or failed.',
    labelNames: ['result'],
    registers,
  });
  for (const result of RESULTS) runs.inc({ result }, 0);
  const durations = new Histogram({
    name: 'segmentation_audit_duration_seconds',
    help: 'Duration of an audit of the cluster, from the first list to the last report.',
    buckets: [0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800],
    registers,
  });
  return {
    ran: (result, durationMs) => {
      runs.inc({ result });
      durations.observe(durationMs / 1000);
    },
  };
}

function createFindingMetrics(registry: Registry): Pick<AuditMetrics, 'found'> {
  const registers = [registry];
  const findings = new Gauge({
    name: 'segmentation_audit_findings',
    help: 'Findings of the last audit that no waiver covers, by check and severity.',
    labelNames: ['check', 'severity'],
    registers,
  });
  const waived = new Gauge({
    name: 'segmentation_audit_waived_findings',
    help: 'Findings of the last audit that a waiver covers.',
    registers,
  });
  const skipped = new Gauge({
    name: 'segmentation_audit_skipped_checks',
    help: 'Checks that the last audit could not run, as it may not read an object.',
    registers,
  });
  return {
    found: (found) => {
      findings.reset();
      for (const { check, severity, count } of found.counts) findings.set({ check, severity }, count);
      waived.set(found.waived);
      skipped.set(found.skipped);
    },
  };
}

function createReportMetrics(registry: Registry): Pick<AuditMetrics, 'reported'> {
  const registers = [registry];
  const reports = new Gauge({
    name: 'segmentation_audit_reports',
    help: 'Reports of the audit in the cluster.',
    registers,
  });
  const unavailable = new Gauge({
    name: 'segmentation_audit_reports_unavailable',
    help: '1 if the CRDs of OpenReports are missing or too old, else 0; findings are counted all the same.',
    registers,
  });
  const conflicts = new Gauge({
    name: 'segmentation_audit_report_conflicts',
    help: 'Reports whose name a foreign object has, so that they are not written.',
    registers,
  });
  const writes = new Counter({
    name: 'segmentation_audit_report_writes_total',
    help: 'Reports created, updated and deleted.',
    registers,
  });
  return {
    reported: (written) => {
      reports.set(written.reports);
      unavailable.set(written.isAvailable ? 0 : 1);
      conflicts.set(written.conflicts);
      writes.inc(written.writes);
    },
  };
}
