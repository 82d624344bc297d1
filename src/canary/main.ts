/**
 * `operator.mjs canary probe` and `operator.mjs canary target`: the processes of the canary. The operator's process never
 * loads this file.
 */
import { NETWORK_POLICIES } from '../cluster-state/items.ts';
import { loadKubeConfig } from '../kube/config/load.ts';
import { isStalled } from '../kube/errors.ts';
import { createTransport, type Transport } from '../kube/http/transport.ts';
import { type Lease, LEASES } from '../kube/lease.ts';
import { Resource } from '../kube/resource.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import { createLogger, type Logger } from '../observability/logs/logger.ts';
import { describeRequestFailure } from '../observability/request-failure.ts';
import { createCanaryMetrics } from '../observability/metrics/canary-metrics.ts';
import { serve } from '../operator/endpoints/serve.ts';
import { exitOnDefect, stopSignal } from '../operator/signals.ts';
import { OptionsError } from '../options/options.ts';
import { systemClock } from '../util/clock.ts';
import { errorMessage } from '../util/error-message.ts';
import { version } from '../util/version.ts';
import { type CanaryOptions, readCanaryOptions } from './command-line.ts';
import { LISTENED_PORTS } from './model/names.ts';
import { attempt } from './probe/attempt.ts';
import { Probe } from './probe/probe.ts';
import { Requests } from './probe/requests.ts';
import { SurroundingsWatcher } from './probe/surroundings.ts';
import { startTarget } from './probe/target.ts';

/** Runs until a signal ends the process; sets its exit code. @param argv what follows `canary` */
export async function runCanary(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  let options: CanaryOptions;
  try {
    const read = readCanaryOptions(argv, version);
    if (read.kind === 'text') {
      process.stdout.write(`${read.text}\n`);
      return;
    }
    options = read.options;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(
      `${error.problems.map((each) => `segmentation-operator canary: ${each}`).join('\n')}\n`,
    );
    process.exitCode = 2;
    return;
  }
  const logger = createLogger({ level: options.common.logLevel, format: options.common.logFormat });
  const stop = stopSignal(logger);
  exitOnDefect(logger);
  try {
    await (options.role === 'target' ? runTarget(logger, stop) : runProbe(options, env, { logger, stop }));
  } catch (error) {
    logger.error(errorMessage(error));
    process.exitCode = 1;
  }
}

/** A target outside of the cluster: it has no identity of a Pod. */
async function runTarget(logger: Logger, stop: AbortSignal): Promise<void> {
  const target = await listen('', logger);
  await aborted(stop);
  await target.close();
}

async function listen(identity: string, logger: Logger) {
  const onError = (error: Error) => logger.warn('a question could not be answered', { error });
  const target = await startTarget({ identity, ports: LISTENED_PORTS, onError });
  logger.info('answering probes', { ports: LISTENED_PORTS });
  return target;
}

interface ProcessParts {
  readonly logger: Logger;
  readonly stop: AbortSignal;
}

/** A probe is a target of the other probes too. */
async function runProbe(
  { common, addresses }: CanaryOptions,
  env: Readonly<Record<string, string | undefined>>,
  { logger, stop }: ProcessParts,
): Promise<void> {
  const { POD_UID: uid = '' } = env;
  if (uid === '') throw new Error('POD_UID is not set: give the uid of the Pod as an environment variable');
  const cluster = await loadKubeConfig({ kubeconfig: common.kubeconfig, context: common.context, env });
  const transport = createTransport(cluster, { userAgent: `segmentation-canary/${version}`, env });
  const metrics = createCanaryMetrics();
  const clock = systemClock;
  const target = await listen(uid, logger);
  try {
    // A probe is Ready as soon as it answers: the API server may be away, and the target is one all the same.
    const close = await serve({ options: common, metrics, readyz: {}, transport, logger, clock });
    try {
      await probe({ transport, uid, addresses, metrics, resyncMs: common.resyncPeriod }, { logger, stop });
    } finally {
      await close();
    }
  } finally {
    await target.close();
    await transport.close();
  }
}

interface ProbeParts {
  readonly transport: Transport;
  readonly uid: string;
  readonly addresses: CanaryOptions['addresses'];
  readonly resyncMs: number;
  readonly metrics: ReturnType<typeof createCanaryMetrics>;
}

async function probe(
  { transport, uid, addresses, metrics, resyncMs }: ProbeParts,
  { logger, stop }: ProcessParts,
): Promise<void> {
  const shared = { clock: systemClock, random: Math.random, resyncMs };
  const onError = (resource: string, error: unknown) =>
    logger[isStalled(error) ? 'debug' : 'warn'](describeRequestFailure(error, resource).message, {
      resource,
      error,
    });
  const watcher = new SurroundingsWatcher({ ...shared, transport, uid, addresses, onError });
  const requests = new Requests({ ...shared, transport, onError });
  // Timers do not keep the process alive, and nothing else does while the first connection fails.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  try {
    requests.watch(stop);
    await watcher.watch(stop);
    await new Probe({
      ...shared,
      watcher,
      requests,
      attempt,
      metrics,
      logger,
      leases: new Resource<Lease>(transport, LEASES),
      policies: new Resource<NetworkPolicy>(transport, NETWORK_POLICIES),
    }).run(stop);
  } finally {
    clearInterval(keepAlive);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
