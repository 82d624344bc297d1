/** Builds the rollouts of profiles, which work only where a profile has one. */
import type { PrometheusQueries } from '../../controller/rollout/query-watch.ts';
import { Rollouts } from '../../controller/rollout/rollouts.ts';
import { version } from '../../util/version.ts';
import type { CapabilityParts } from './parts.ts';

export async function createRollouts(parts: CapabilityParts): Promise<Rollouts> {
  const { options, transport, clusterState, records, namespace, logger, clock } = parts;
  const rollouts = new Rollouts({
    transport,
    clusterState,
    records,
    namespace,
    prometheus: await createPrometheus(parts),
    clock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    onRetry: ({ key: profile, error, failures, delayMs }) => {
      const level = failures > 1 ? 'warn' : 'debug';
      const inMs = Math.round(delayMs);
      logger[level]('revision not recorded, will try again', { profile, failures, inMs, error });
    },
  });
  clusterState.revisions = rollouts;
  return rollouts;
}

/** Its code is not even loaded where the configuration has no Prometheus. Each reason for no value is logged once. */
async function createPrometheus({
  options: { prometheus },
  metrics,
  logger,
}: CapabilityParts): Promise<PrometheusQueries | undefined> {
  if (prometheus === undefined) return undefined;
  const { PrometheusClient } = await import('../../prometheus/client.ts');
  const record = metrics.queries();
  let lastReason: string | undefined;
  return new PrometheusClient({
    ...prometheus,
    userAgent: `segmentation-operator/${version} (${process.platform}/${process.arch})`,
    onQuery: (query, result, durationMs) => {
      record.asked(result.kind, durationMs);
      const reason = result.kind === 'none' ? result.reason : undefined;
      if (reason !== undefined && reason !== lastReason)
        logger.warn('a query of a rollout has no value', { url: prometheus.url, query, reason });
      lastReason = reason;
    },
  });
}
