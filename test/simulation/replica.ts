/** A replica of the operator: the real Controller, as src/operator/wiring.ts runs it, in a process that can die any time. */
import { ClusterState } from '../../src/cluster-state/state.ts';
import { type Controller, createController } from '../../src/controller/controller.ts';
import type { ControllerObserver } from '../../src/controller/observer.ts';
import { Exceptions } from '../../src/controller/exceptions/exceptions.ts';
import { Guards } from '../../src/controller/guards/index.ts';
import { MeshDetection } from '../../src/controller/mesh/index.ts';
import { Rollouts } from '../../src/controller/rollout/rollouts.ts';
import { Records } from '../../src/controller/records.ts';
import {
  EngineDetection,
  EngineExtensions,
  EXTENSION_ENGINES,
  SIGNATURES,
  STAGING_ENGINES,
} from '../../src/controller/engines/index.ts';
import type { EngineSetting, GuardKind } from '../../src/engines/engine.ts';
import type { Transport } from '../../src/kube/http/transport.ts';
import type { Random } from '../../src/util/clock.ts';
import { encodeKey } from '../../src/controller/queue/key.ts';
import { fenced } from '../../src/kube/fence.ts';
import { combine } from '../../src/observability/observer.ts';
import { CLUSTER_DEFAULTS } from '../../src/options/cluster-defaults.ts';
import { carrierOf, PRIORITIES, PROTECTED } from './engines/guards.ts';
import { Link } from './faults/link.ts';
import type { Network } from './faults/network.ts';
import { ProcessClock } from './schedule/scheduler.ts';
import type { Prometheus } from './server/prometheus.ts';

export interface ReplicaOptions {
  readonly name: string;
  readonly concurrency: number;
  readonly resyncMs: number;
  /** How far the wall clock is ahead, in milliseconds. */
  readonly skew?: number;
  /** True if the operator knows exceptions. */
  readonly hasExceptions?: boolean;
  /** The network engine of the operator's configuration. */
  readonly engine?: EngineSetting;
  /** The kind of policies that carries guards, in the operator's configuration; absent: none. */
  readonly guard?: GuardKind | undefined;
  /** True if the operator's configuration names a mesh. */
  readonly hasMesh?: boolean | undefined;
  readonly network: Network;
  /** The Prometheus of the operator's configuration; absent: none. */
  readonly prometheus?: Pick<Prometheus, 'ask'>;
  /** The controller threw an error that nothing catches. */
  readonly onUncaught: (error: unknown) => void;
}

/** Parts that capabilities share. */
interface Parts {
  readonly transport: Transport;
  readonly random: Random;
  readonly resyncMs: number;
  readonly records: Records;
}

export class Replica {
  readonly name: string;
  readonly controller: Controller;
  readonly clock: ProcessClock;
  readonly link: Link;
  readonly clusterState = new ClusterState(PROTECTED);
  /** Absent if the configuration names no engine. */
  readonly detection?: EngineDetection;
  /** Absent if the configuration names no mesh. */
  readonly mesh?: MeshDetection;
  readonly #network: Network;
  /** Its caches are filled. */
  isReady = false;
  isLeading = false;
  isAlive = true;

  constructor({
    name,
    concurrency,
    resyncMs,
    skew = 0,
    hasExceptions = false,
    engine = 'None',
    guard,
    hasMesh = false,
    network,
    prometheus,
    onUncaught,
  }: ReplicaOptions) {
    this.name = name;
    this.#network = network;
    this.clock = new ProcessClock(network.scheduler, skew);
    this.link = new Link(name, network);
    const { roll } = network;
    const random = () => roll(2 ** 30) / 2 ** 30;
    const transport = fenced(this.link, () => this.isLeading);
    const records = new Records();
    const rollouts = new Rollouts({
      transport,
      clusterState: this.clusterState,
      records,
      namespace: 'segmentation-system',
      prometheus: prometheus && {
        ask: () => prometheus.ask(name, this.clock),
        close: () => Promise.resolve(),
      },
      clock: this.clock,
      random,
      resyncMs,
      onRetry: ({ key, error }) =>
        network.observer.onNote(`${name} revision of ${key} not recorded: ${String(error)}`),
    });
    this.clusterState.revisions = rollouts;
    const exceptions = new Exceptions({
      transport,
      clusterState: this.clusterState,
      records,
      clock: this.clock,
      random,
      resyncMs,
      onStatus: () => {},
      onError: (error) => network.observer.onNote(`${name} exceptions not read: ${String(error)}`),
      onRetry: ({ key, error }) =>
        network.observer.onNote(`${name} exception ${key} failed: ${String(error)}`),
    });
    if (hasExceptions) this.clusterState.exceptions = exceptions;
    const parts = { transport, random, resyncMs, records };
    if (engine !== 'None') this.detection = this.#detection(engine, parts);
    const guards = guard === undefined ? [] : [this.#guards(guard, parts)];
    if (hasMesh) this.mesh = this.#mesh(parts);
    this.controller = createController({
      capabilities: [
        rollouts,
        ...(hasExceptions ? [exceptions] : []),
        ...(this.detection === undefined ? [] : [this.detection]),
        ...guards,
        ...(this.mesh === undefined ? [] : [this.mesh]),
      ],
      transport,
      configuration: CLUSTER_DEFAULTS,
      namespace: 'segmentation-system',
      clusterState: this.clusterState,
      records,
      concurrency,
      resyncMs,
      clock: this.clock,
      random,
      observer: combine([observerOf(network, name), rollouts.observer]),
    });
    this.controller.watch().then(() => {
      this.isReady = this.isAlive;
    }, onUncaught);
  }

  /** Builds the mesh as src/operator/capabilities/mesh.ts does. */
  #mesh({ transport, random, resyncMs }: Parts): MeshDetection {
    const { observer } = this.#network;
    const { name, clusterState, clock } = this;
    return new MeshDetection({
      transport,
      clusterState,
      clock,
      random,
      resyncMs,
      onWrite: () => {},
      onWatchError: (resource, error) =>
        observer.onNote(`${name} watch of ${resource} failed: ${String(error)}`),
      onVerdict: ({ reason, message }) => observer.onNote(`${name} mesh ${reason}: ${message}`),
    });
  }

  /** Builds the guards as src/operator/capabilities/guards.ts does. */
  #guards(kind: GuardKind, { transport, random, resyncMs, records }: Parts): Guards {
    const { observer } = this.#network;
    const { name, clusterState, clock } = this;
    return new Guards({
      carrier: carrierOf(kind),
      priorities: PRIORITIES,
      transport,
      clusterState,
      records,
      clock,
      random,
      resyncMs,
      isBusy: () => Object.values(this.controller.queueStats().ready).some((keys) => keys > 0),
      onWrite: () => {},
      onWatchError: (resource, error) =>
        observer.onNote(`${name} watch of ${resource} failed: ${String(error)}`),
      onRetry: ({ key, error }) => observer.onNote(`${name} guard of ${key} failed: ${String(error)}`),
    });
  }

  /** Builds the detection as src/operator/capabilities/engines.ts does. */
  #detection(setting: EngineSetting, { transport, random, resyncMs }: Parts): EngineDetection {
    const { observer } = this.#network;
    const { name, clusterState, clock } = this;
    const extensions = new EngineExtensions({
      engines: EXTENSION_ENGINES,
      staging: STAGING_ENGINES,
      transport,
      clusterState,
      clock,
      random,
      resyncMs,
      onWrite: () => {},
      onWatchError: (resource, error) =>
        observer.onNote(`${name} watch of ${resource} failed: ${String(error)}`),
      onStagingRetry: ({ key, error }) =>
        observer.onNote(`${name} staged policies of ${key} not written: ${String(error)}`),
    });
    return new EngineDetection({
      setting,
      signatures: SIGNATURES,
      extensions,
      transport,
      clusterState,
      clock,
      onVerdict: ({ engine, reason }) => observer.onNote(`${name} engine ${engine}: ${reason}`),
    });
  }

  /** The replica acquires the Lease. */
  lead(): void {
    this.isLeading = true;
    this.controller.lead();
  }

  /** The process does not run until then, as between SIGSTOP and SIGCONT. */
  freeze(until: number): void {
    this.clock.frozenUntil = until;
    this.#network.freeze(this.name, until);
  }

  get isFrozen(): boolean {
    return this.#network.isFrozen(this.name);
  }

  /** The replica lost the Lease: it stops writing and shuts down. */
  retire(): void {
    this.isLeading = false;
    this.isAlive = false;
    void this.controller.stop();
  }

  /** The process ends, as by SIGKILL. */
  crash(): void {
    this.isLeading = false;
    this.isAlive = false;
    this.clock.dead = true;
    this.link.kill();
  }

  /** Releases the controller. Node keeps listeners of `AbortSignal.any` until one of its signals is aborted. */
  dispose(): void {
    this.crash();
    void this.controller.stop();
  }
}

function observerOf({ observer }: Network, name: string): ControllerObserver {
  return {
    onWatchError: (resource, error) =>
      observer.onNote(`${name} watch of ${resource} failed: ${String(error)}`),
    onRetry: ({ key, error }) => observer.onNote(`${name} ${encodeKey(key)} failed: ${String(error)}`),
    onSynced: () => {},
    onWrite: () => {},
    onReconciling: () => {},
    onReconciled: () => {},
    onEnforced: () => {},
    onStatus: () => {},
    onGone: () => {},
    onFullSync: () => {},
  };
}
