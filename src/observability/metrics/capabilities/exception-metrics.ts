/** Metrics of SegmentationExceptions. Until they are read, there are no series. */
import type { Registry } from 'prom-client';
import { sampledGauge } from '../sampled-gauge.ts';

export interface ExceptionSample {
  /** Number of exceptions by state. */
  readonly byState: Readonly<Record<string, number>>;
  readonly expiring: number;
  readonly overdue: number;
}

/** @param sample called at each scrape; undefined until exceptions were read */
export type ExceptionMetrics = (sample: () => ExceptionSample | undefined) => void;

export function createExceptionMetrics(registry: Registry): ExceptionMetrics {
  let source: (() => ExceptionSample | undefined) | undefined;
  sampledGauge(registry, {
    name: 'segmentation_exceptions',
    help: 'SegmentationExceptions by state: in-force, awaiting-approval, refused or expired.',
    labelNames: ['state'],
    sample: (set) => {
      for (const [state, count] of Object.entries(source?.()?.byState ?? {})) set({ state }, count);
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_exceptions_expiring',
    help: 'SegmentationExceptions that are in force and end within a day.',
    labelNames: [],
    sample: (set) => {
      const sampled = source?.();
      if (sampled !== undefined) set({}, sampled.expiring);
    },
  });
  sampledGauge(registry, {
    name: 'segmentation_exceptions_overdue',
    help: 'SegmentationExceptions that are not in force any more, and whose policies still exist.',
    labelNames: [],
    sample: (set) => {
      const sampled = source?.();
      if (sampled !== undefined) set({}, sampled.overdue);
    },
  });
  return (sample) => {
    source = sample;
  };
}
