/** The composition root: builds the operator's parts from its options, and connects them. Nothing is started here. */
import { hostname } from 'node:os';
import { MANAGER } from '../api/names.ts';
import { OUTSIDE } from '../canary/model/names.ts';
import type { CanaryReader } from '../canary/reader.ts';
import { ClusterState } from '../cluster-state/state.ts';
import { type Controller, createController } from '../controller/controller.ts';
import { Records } from '../controller/records.ts';
import type { ClusterConfig } from '../kube/config/cluster-config.ts';
import { loadKubeConfig } from '../kube/config/load.ts';
import { ApiError, isStalled } from '../kube/errors.ts';
import { EVENTS, type KubeEvent } from '../kube/events/event.ts';
import { EventRecorder } from '../kube/events/recorder.ts';
import { fenced } from '../kube/fence.ts';
import { createTransport, type Transport } from '../kube/http/transport.ts';
import { protobuf } from '../kube/protobuf/protobuf.ts';
import { LeaderElector, type Lease, LEASES } from '../kube/lease.ts';
import { Resource } from '../kube/resource.ts';
import type { Logger } from '../observability/logs/logger.ts';
import { logEnforcement } from '../observability/enforcement-log.ts';
import { createMetrics, type LeaderMetrics, type Metrics } from '../observability/metrics/registry.ts';
import { combine, createObserver } from '../observability/observer.ts';
import { ProfileEvents } from '../observability/profile-events.ts';
import { describeRequestFailure } from '../observability/request-failure.ts';
import type { Options } from '../options/options.ts';
import { type Clock, systemClock } from '../util/clock.ts';
import { createCapabilities } from './capabilities/capabilities.ts';
import { collectGarbage } from './garbage.ts';

/** The name of the Lease, and of the election in metrics. */
const LEASE_NAME = 'segmentation-operator';
/** The operator's namespace if neither environment nor service account tells it; config/ installs into the same. */
const DEFAULT_NAMESPACE = 'segmentation-system';

export interface OperatorInput {
  readonly options: Options;
  /** The problems of another text for the configuration file. */
  readonly configurationProblems: (text: string) => readonly string[];
  readonly version: string;
  readonly logger: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Operator {
  readonly clock: Clock;
  readonly cluster: ClusterConfig;
  /** The operator's own namespace; undefined out of a cluster. */
  readonly ownNamespace: string | undefined;
  /** Unique to this process among all replicas that contend for the Lease. */
  readonly identity: string;
  readonly metrics: Metrics;
  readonly transport: Transport;
  readonly recorder: EventRecorder;
  readonly controller: Controller;
  /** Undefined where leader election is off. */
  readonly election: Election | undefined;
  /** Undefined if the configuration has no canary. */
  readonly canary: CanaryReader | undefined;
}

export interface Election {
  readonly elector: LeaderElector;
  readonly metrics: LeaderMetrics;
}

/** @throws Error with one line for a person, if the kubeconfig can't be used */
export async function createOperator({ options, version, logger, env }: OperatorInput): Promise<Operator> {
  const clock = systemClock;
  const identity = `${hostname()}_${crypto.randomUUID()}`;
  const metrics = createMetrics({ version });
  const { kubeconfig, context, concurrency, resyncPeriod: resyncMs } = options;
  const cluster = await loadKubeConfig({ kubeconfig, context, env });
  const ownNamespace = env.POD_NAMESPACE ?? namespaceOfPod(cluster);
  const namespace = ownNamespace ?? DEFAULT_NAMESPACE;
  const transport = connect(cluster, metrics, { options, version, env });

  const shared = { options, logger, metrics, clock, identity, namespace };
  const election = options.leaderElection.enabled ? createElection(transport, shared) : undefined;
  const writer = election === undefined ? transport : fenced(transport, () => election.elector.leading);
  const recorder = createRecorder(writer, shared);
  const canary = options.canary ? await createCanaryReader(transport, shared) : undefined;
  const clusterState = new ClusterState(protectedNamespaces(options, namespace));
  const records = new Records();
  const events = new ProfileEvents(recorder, {
    profile: (name) => clusterState.profile(name),
    result: (profile, inNamespace) => records.resultsOf(profile).get(inNamespace),
  });
  const queue = metrics.queue('segmentation');
  const now = () => clock.now();
  const observer = createObserver({ logger, metrics, queue, events, concurrency, now });
  const isBusy = () => Object.values(controller.queueStats().ready).some((keys) => keys > 0);
  const parts = { ...shared, transport: writer, clusterState, records, recorder, isBusy };
  const capabilities = await createCapabilities(parts);
  const observers = capabilities.flatMap((each) => each.observer ?? []);
  const controller: Controller = createController({
    transport: writer,
    configuration: options.cluster,
    namespace,
    clusterState,
    records,
    capabilities,
    concurrency,
    resyncMs,
    clock,
    random: Math.random,
    observer: combine([observer, { onFullSync: collectGarbage }, ...observers]),
    enforcement: canary,
  });
  queue.sample(() => controller.queueStats());
  metrics.watches(() => controller.watchAges());
  return {
    clock,
    cluster,
    ownNamespace,
    identity,
    metrics,
    transport,
    recorder,
    controller,
    election,
    canary,
  };
}

function connect(
  cluster: ClusterConfig,
  metrics: Metrics,
  { options, version, env }: Pick<OperatorInput, 'options' | 'version' | 'env'>,
): Transport {
  return createTransport(cluster, {
    userAgent: `segmentation-operator/${version} (${process.platform}/${process.arch})`,
    ...(options.kubeApiContentType === protobuf.mediaType && { binaryFormat: protobuf }),
    onRequest: (info) => metrics.request(info),
    env,
  });
}

function namespaceOfPod({ source, namespace }: ClusterConfig): string | undefined {
  return source.startsWith('in-cluster') ? namespace : undefined;
}

/** The flows of the canary need ends without policies. */
function protectedNamespaces({ protectedNamespaces: names, canary }: Options, own: string): string[] {
  return [...names, own, ...(canary ? [OUTSIDE] : [])];
}

interface Shared {
  readonly options: Options;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly identity: string;
  /** The operator's own, or the default. */
  readonly namespace: string;
}

/** Each cause of failing Events is logged once as a warning; nothing waits for Events. */
function createRecorder(transport: Transport, { logger, metrics, clock, identity }: Shared): EventRecorder {
  let lastCause: string | undefined;
  return new EventRecorder({
    events: new Resource<KubeEvent>(transport, EVENTS),
    controller: MANAGER,
    instance: identity,
    clock,
    random: Math.random,
    onResult: (result) => metrics.event(result),
    onError: (error) => {
      const { cause } = describeRequestFailure(error, EVENTS.plural);
      // Watches and the election report that the API server does not answer.
      const isKnown = cause === lastCause || (error instanceof ApiError && error.status === 0);
      logger[isKnown ? 'debug' : 'warn']('an Event could not be written', { error });
      lastCause = cause;
    },
  });
}

/** Each cause of failing reads is logged once as a warning; without the canary, its code is not loaded. */
async function createCanaryReader(
  transport: Transport,
  { options, logger, metrics }: Shared,
): Promise<CanaryReader> {
  const { CanaryReader: Reader } = await import('../canary/reader.ts');
  let lastCause: string | undefined;
  const reader = new Reader({
    transport,
    clock: systemClock,
    random: Math.random,
    resyncMs: options.resyncPeriod,
    onError: (resource, error) => {
      const { message, cause } = describeRequestFailure(error, resource);
      if (isStalled(error)) return logger.debug(message, { resource, error });
      logger[cause === lastCause ? 'debug' : 'warn'](message, { resource, error });
      lastCause = cause;
    },
  });
  metrics.enforcement(() => reader.sample());
  logEnforcement(reader, logger);
  return reader;
}

/** Each cause of failing elections is logged once as a warning. */
function createElection(
  transport: Transport,
  { options: { leaderElection }, logger, metrics, clock, identity, namespace }: Shared,
): Election {
  const leaderMetrics = metrics.leader(LEASE_NAME);
  let lastCause: string | undefined;
  const elector = new LeaderElector({
    leases: new Resource<Lease>(transport, LEASES),
    namespace: leaderElection.namespace ?? namespace,
    name: LEASE_NAME,
    identity,
    clock,
    random: Math.random,
    leaseDurationMs: leaderElection.leaseDuration,
    renewDeadlineMs: leaderElection.renewDeadline,
    retryPeriodMs: leaderElection.retryPeriod,
    onError: (error) => {
      const { message, cause } = describeRequestFailure(error, LEASES.plural);
      logger[cause === lastCause ? 'debug' : 'warn'](message, { resource: LEASES.plural, error });
      lastCause = cause;
    },
    onSlowPath: () => leaderMetrics.slowPath(),
    onNewLeader: (holder) => {
      lastCause = undefined;
      logger.info('another replica leads', { holder });
    },
  });
  return { elector, metrics: leaderMetrics };
}
