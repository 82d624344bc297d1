/** The operator as a whole: connection, watches, election, controller, and the endpoints that tell of them. */
import { MANAGER } from '../api/names.ts';
import { createObserver, identity, troubleOf } from '../observability/observer.ts';
import { Controller } from '../controller/controller.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { loadKubeConfig } from '../kube/config.ts';
import { ApiError } from '../kube/errors.ts';
import { EVENTS, type KubeEvent } from '../kube/events/event.ts';
import { EventRecorder } from '../kube/events/recorder.ts';
import { fenced } from '../kube/fence.ts';
import { LeaderElector, type Lease, LEASES } from '../kube/lease.ts';
import { Resource } from '../kube/resource.ts';
import { createTransport, type Transport } from '../kube/http/transport.ts';
import type { Options } from '../options/options.ts';
import { followConfiguration } from './follow-configuration.ts';
import { serve } from './endpoints/serve.ts';
import type { Logger } from '../observability/logs/logger.ts';
import { createMetrics, type Metrics } from '../observability/metrics/registry.ts';

/** The Lease's name, and how metrics name the election. */
const LEASE_NAME = 'segmentation-operator';
/** Where the operator runs when nothing says otherwise; also what config/ installs into. */
const DEFAULT_NAMESPACE = 'segmentation-system';

/** How long what has begun may take to come to its end when the operator ends, in milliseconds. */
const COMPLETION = 5_000;

export interface OperatorInput {
  readonly options: Options;
  /** What would be wrong with another text of the configuration file. */
  readonly problemsWith: (text: string) => readonly string[];
  readonly version: string;
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs until `signal` is aborted, and then ends in order: writes under way, watches, the Lease, the endpoints.
 *
 * @returns false if it ended because another replica took over: the process should end and start anew
 * @throws Error with one line for a person, when it can't start
 */
export async function runOperator(input: OperatorInput, signal: AbortSignal): Promise<boolean> {
  const { options, version, logger, env } = input;
  const clock = systemClock;
  const cluster = loadKubeConfig({ kubeconfig: options.kubeconfig, context: options.context, env });
  const ownNamespace =
    env.POD_NAMESPACE ?? (cluster.source.startsWith('in-cluster') ? cluster.namespace : undefined);
  const metrics = createMetrics({ version });
  const transport = createTransport(cluster, {
    userAgent: `segmentation-operator/${version} (${process.platform}/${process.arch})`,
    onRequest: (info) => metrics.request(info),
    env,
  });
  const leadership = options.leaderElection.enabled ? metrics.leader(LEASE_NAME) : undefined;
  const election = createElection(transport, options, ownNamespace, logger, clock, () =>
    leadership?.slowPath(),
  );
  const writer = election === undefined ? transport : fenced(transport, () => election.leading);
  const recorder = createRecorder(writer, metrics, logger, clock);
  const observer = createObserver(
    logger,
    metrics,
    metrics.queue('segmentation', () => controller.queueStats()),
    options.concurrency,
    {
      record: (occurrence) => recorder.record(occurrence),
      withdraw: (of) => recorder.withdraw(of),
      profile: (name) => controller.clusterState.profile(name),
      result: (profile, namespace) => controller.results.of(profile).get(namespace),
    },
    () => clock.now(),
  );
  const controller: Controller = new Controller({
    transport: writer,
    configuration: options.cluster,
    namespace: ownNamespace ?? DEFAULT_NAMESPACE,
    protectedNamespaces: [...options.protectedNamespaces, ownNamespace ?? DEFAULT_NAMESPACE],
    concurrency: options.concurrency,
    resyncMs: options.resyncPeriod,
    clock,
    random: Math.random,
    observer: {
      ...observer,
      onFullSync: () => {
        observer.onFullSync();
        collectGarbage();
      },
    },
  });
  metrics.watches(() => controller.watchAges());

  let closeEndpoints: (() => Promise<void>) | undefined;
  const stopFollowing = watchConfiguration(input, metrics, clock);
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
    await Promise.race([controller.watch(), aborted(signal)]);
    if (signal.aborted) return true;
    collectGarbage();
    logger.info('caches filled', {
      profiles: controller.clusterState.profiles.size,
      namespaces: controller.clusterState.namespaces.size,
      policies: controller.clusterState.policies.size,
    });
    if (election === undefined) {
      controller.lead();
      await aborted(signal);
      await controller.stop(COMPLETION);
      return true;
    }
    await election.run(signal, async (term) => {
      leadership?.held(true);
      logger.info('leading', { identity });
      controller.lead();
      await aborted(term);
      leadership?.held(false);
      await controller.stop(Math.min(COMPLETION, election.leadsForMs));
      await recorder.close();
    });
    return signal.aborted;
  } finally {
    stopFollowing?.();
    await controller.stop();
    await recorder.close();
    await closeEndpoints?.();
    await transport.close();
  }
}

/**
 * What was read to fill the caches, and made to compare all that there is, is garbage larger than what is kept, and the
 * heap would keep room for as much. Now that it is done, collecting it holds nobody up. Only where node was started with
 * --expose-gc, as in the image.
 */
function collectGarbage(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

/** What is in effect does not change while the process runs; that the file says something else must not go unseen. */
function watchConfiguration(
  { options: { configurationFile: file }, problemsWith, logger }: OperatorInput,
  metrics: Metrics,
  clock: Clock,
): (() => void) | undefined {
  if (file === undefined) return undefined;
  return followConfiguration(file, clock, (now) => {
    metrics.configurationStale(now !== undefined);
    const fields = { file: file.path };
    if (now === undefined) {
      logger.info('the configuration file is again what is in effect', fields);
      return;
    }
    const problems = now instanceof Error ? [now.message] : problemsWith(now);
    if (problems.length === 0) logger.warn('the configuration file has changed, restart to use it', fields);
    else logger.warn('the configuration file has changed, and would be refused', { ...fields, problems });
  });
}

/** Events are the last of things: what goes wrong with them is told once, and nothing waits for them. */
function createRecorder(transport: Transport, metrics: Metrics, logger: Logger, clock: Clock): EventRecorder {
  let trouble: string | undefined;
  return new EventRecorder({
    events: new Resource<KubeEvent>(transport, EVENTS),
    controller: MANAGER,
    instance: identity,
    clock,
    random: Math.random,
    onResult: (result) => metrics.event(result),
    onError: (error) => {
      const { subject } = troubleOf(error, EVENTS.plural);
      // That the server is away is told by those who need it.
      const known = subject === trouble || (error instanceof ApiError && error.status === 0);
      logger[known ? 'debug' : 'warn']('an Event could not be written', { error });
      trouble = subject;
    },
  });
}

function createElection(
  transport: Transport,
  { leaderElection }: Options,
  ownNamespace: string | undefined,
  logger: Logger,
  clock: Clock,
  onSlowPath: () => void,
): LeaderElector | undefined {
  if (!leaderElection.enabled) return undefined;
  let trouble: string | undefined;
  return new LeaderElector({
    leases: new Resource<Lease>(transport, LEASES),
    namespace: leaderElection.namespace ?? ownNamespace ?? DEFAULT_NAMESPACE,
    name: LEASE_NAME,
    identity,
    clock,
    random: Math.random,
    leaseDurationMs: leaderElection.leaseDuration,
    renewDeadlineMs: leaderElection.renewDeadline,
    retryPeriodMs: leaderElection.retryPeriod,
    onError: (error) => {
      const { what, subject } = troubleOf(error, LEASES.plural);
      logger[subject === trouble ? 'debug' : 'warn'](what, { resource: LEASES.plural, error });
      trouble = subject;
    },
    onSlowPath,
    onNewLeader: (holder) => {
      trouble = undefined;
      logger.info('another replica leads', { holder });
    },
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
