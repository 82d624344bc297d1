/** A run of the operator: endpoints, caches, the Lease, the controller, and an orderly end. */
import { serve } from './endpoints/serve.ts';
import { type ConfigurationChange, followConfiguration } from './follow-configuration.ts';
import { collectLargeGarbage } from './garbage.ts';
import { createOperator, type Election, type Operator, type OperatorInput } from './wiring.ts';

/** How long writes under way may take to complete when the operator stops, in milliseconds. */
const COMPLETION_MS = 5_000;

/** `lease-lost`: another replica leads; the process should end, and start with fresh state. */
export type OperatorEnd = 'stopped' | 'lease-lost';

/**
 * Runs until `stop` is aborted or the Lease is lost, and then ends writes under way, watches, the Lease and the endpoints,
 * in this order.
 *
 * @throws Error with one line for a person, if the operator can't start
 */
export async function runOperator(input: OperatorInput, stop: AbortSignal): Promise<OperatorEnd> {
  const { options, version, logger } = input;
  const operator = await createOperator(input);
  const { clock, cluster, ownNamespace, metrics, transport, recorder, controller, election } = operator;
  let closeEndpoints: (() => Promise<void>) | undefined;
  const ended = new AbortController();
  const stopFollowing = reportConfigurationChanges(input, operator);
  try {
    closeEndpoints = await serve({
      options,
      metrics,
      readyz: { caches: () => (controller.synced ? undefined : 'the caches are not filled yet') },
      transport,
      logger,
      clock,
    });
    logger.info('starting', {
      version,
      server: cluster.server,
      config: cluster.source,
      namespace: ownNamespace,
    });
    await Promise.race([controller.watch(), aborted(stop)]);
    if (stop.aborted) return 'stopped';
    operator.canary?.start(AbortSignal.any([stop, ended.signal]));
    collectLargeGarbage();
    logger.info('caches filled', {
      profiles: controller.clusterState.profiles.size,
      namespaces: controller.clusterState.namespaces.size,
      policies: controller.clusterState.policies.size,
    });
    if (election === undefined) {
      controller.lead();
      await aborted(stop);
      await controller.stop(COMPLETION_MS);
      return 'stopped';
    }
    await leadUntil(stop, input, operator, election);
    return stop.aborted ? 'stopped' : 'lease-lost';
  } finally {
    ended.abort();
    stopFollowing?.();
    await controller.stop();
    await recorder.close();
    await closeEndpoints?.();
    await transport.close();
  }
}

/** Waits for the Lease, and leads until `stop` is aborted or the Lease is lost. */
async function leadUntil(
  stop: AbortSignal,
  { logger }: OperatorInput,
  { identity, controller, recorder }: Operator,
  { elector, metrics }: Election,
): Promise<void> {
  await elector.run(stop, async (term) => {
    metrics.held(true);
    logger.info('leading', { identity });
    controller.lead();
    await aborted(term);
    metrics.held(false);
    await controller.stop(Math.min(COMPLETION_MS, elector.leadsForMs));
    await recorder.close();
  });
}

/** Options don't change while the process runs: a changed configuration file is logged and measured, and has no effect. */
function reportConfigurationChanges(
  { options: { configurationFile }, configurationProblems, logger }: OperatorInput,
  { metrics, clock }: Operator,
): (() => void) | undefined {
  if (configurationFile === undefined) return undefined;
  const fields = { file: configurationFile.path };
  const problemsOf = (change: Exclude<ConfigurationChange, { kind: 'same' }>) =>
    change.kind === 'unreadable' ? [change.error.message] : configurationProblems(change.text);
  return followConfiguration(configurationFile, clock, (change) => {
    metrics.configurationStale(change.kind !== 'same');
    if (change.kind === 'same') {
      logger.info('the configuration file is again what is in effect', fields);
      return;
    }
    const problems = problemsOf(change);
    if (problems.length === 0) logger.warn('the configuration file has changed, restart to use it', fields);
    else logger.warn('the configuration file has changed, and would be refused', { ...fields, problems });
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
