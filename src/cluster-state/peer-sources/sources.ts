/**
 * The objects that peers are resolved from: Services, EndpointSlices, Nodes, ServiceCIDRs, the objects that name
 * webhooks, and what the controller finds out of service accounts.
 *
 * Reading the facts never starts a watch. A source is watched from the first time that a namespace subscribes to it, or
 * that it is prefetched, until no namespace needs it. A change is told to exactly the namespaces that depend on it.
 */
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { byName, compareText } from '../../util/order.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Account } from '../../policy/admission/accounts.ts';
import type { EngineFacts } from '../../policy/extensions.ts';
import type { MeshFacts } from '../../policy/mesh.ts';
import {
  type ClusterConfiguration,
  type ClusterFacts,
  type EndpointFacts,
  encodePeerSource,
  type PeerSource,
  type ServiceAccountFacts,
  type ServiceName,
  type WebhookService,
} from '../../policy/facts.ts';
import { type Dependency, encodeDependency } from './dependencies.ts';
import { Dependents } from './dependents.ts';
import { labelledDNS } from './facts.ts';
import { RetainedEndpoints } from './retained-endpoints.ts';
import { type AnySourceWatch, type SourceListener, SourceWatch } from './source-watch.ts';
import type { FactsOf, SourceOf, WatchedKind } from './watched-resources.ts';

export interface PeerSourcesOptions {
  readonly transport: Transport;
  readonly configuration: ClusterConfiguration;
  readonly clock: Clock;
  readonly random: Random;
  /** Every resource is listed again this often, in milliseconds; 0 for never. */
  readonly relistMs: number;
  /** The facts of service accounts; `accountChanged` tells when they have changed. */
  readonly accounts: {
    /** Undefined as long as nothing is known. */
    facts(account: Account): ServiceAccountFacts | undefined;
    /** Why nothing is known, if finding out has failed. */
    readonly failure: string | undefined;
    /** A namespace depends on the facts of the account. */
    need(account: Account): void;
    /** No namespace depends on them any more. */
    release(account: Account): void;
  };
  /** The knowledge of the network engine; `engineChanged` tells when it has changed. */
  readonly engine: Knowledge<EngineFacts>;
  /** The knowledge of the service mesh; `meshChanged` tells when it has changed. */
  readonly mesh: Knowledge<MeshFacts>;
  /** Something that the namespace depends on has changed, can be read now, or can't be read for a new reason. */
  readonly onChange: (namespace: string) => void;
  /** A source can be read now, or can't be read for a new reason. Called before `onChange`. */
  readonly onReadable?: () => void;
  readonly onError: (resource: string, error: unknown, retryInMs: number) => void;
}

interface Knowledge<T> {
  /** Undefined as long as nothing is known. */
  facts(): T | undefined;
  /** Why nothing is known, if finding out has failed. */
  readonly failure: string | undefined;
}

/** A dependency, and the namespaces that have it. */
interface Subscribed {
  readonly dependency: Dependency;
  readonly dependents: Dependents;
}

/** How long a watch goes on that no namespace needs any more, in milliseconds. */
const UNUSED_MS = 60_000;

const SERVICES = { kind: 'services' } as const;
const NODES = { kind: 'nodes' } as const;
const SERVICE_CIDRS = { kind: 'serviceCIDRs' } as const;
const WEBHOOKS = { kind: 'webhooks' } as const;

/** The Service that stands for the API server, in every cluster. */
const API_SERVER = { kind: 'endpoints', namespace: 'default', service: 'kubernetes' } as const;

export class PeerSources {
  readonly #options: PeerSourcesOptions;
  readonly #signal: AbortSignal;
  /** By the encoding of the source. */
  readonly #watches = new Map<string, AnySourceWatch>();
  /** By the encoding of the dependency. */
  readonly #subscribed = new Map<string, Subscribed>();
  /** By namespace. */
  readonly #dependencies = new Map<string, readonly Subscribed[]>();
  /** The encodings of sources that are watched though no namespace has subscribed to them. */
  readonly #prefetched = new Set<string>();
  readonly #apiServer: RetainedEndpoints;
  /** Cached until a Service changes that is, or was, labelled as DNS. */
  #labelledDNS: { readonly found: ServiceName | undefined } | undefined;
  #sweep: Timer | undefined;
  /** The facts that have been read so far. */
  readonly facts: ClusterFacts;

  /** @param signal ends all watches */
  constructor(options: PeerSourcesOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#apiServer = new RetainedEndpoints(options.clock, () => this.#notifyDependents(API_SERVER));
    this.facts = {
      configuration: options.configuration,
      isKnown: (source) => this.#isKnown(source),
      service: (namespace, name) => this.#watch(SERVICES)?.get(`${namespace}/${name}`),
      labelledDNS: () => (this.#labelledDNS ??= { found: this.#findLabelledDNS() }).found,
      endpoints: (namespace, service) => this.#endpoints(namespace, service),
      nodes: () =>
        this.#watch(NODES)
          ?.items()
          .map(({ facts }) => facts) ?? [],
      serviceCIDRs: () =>
        this.#watch(SERVICE_CIDRS)
          ?.items()
          .flatMap(({ facts }) => facts) ?? [],
      webhookServices: (namespace) => this.#webhookServices(namespace),
      serviceAccount: (namespace, name) => options.accounts.facts({ namespace, name }),
      engine: () => options.engine.facts(),
      mesh: () => options.mesh.facts(),
    };
  }

  /**
   * From now on the namespace depends on exactly these: `onChange` is called when one of them changes. Watches the
   * sources among them.
   *
   * @param dependencies by their encodings
   */
  subscribe(namespace: string, dependencies: ReadonlyMap<string, Dependency>): void {
    const before = this.#dependencies.get(namespace);
    const now = new Set<Subscribed>();
    for (const [id, dependency] of dependencies) {
      let subscribed = this.#subscribed.get(id);
      if (subscribed === undefined) {
        this.#subscribed.set(id, (subscribed = { dependency, dependents: new Dependents() }));
        const account = accountOf(dependency);
        if (account !== undefined) this.#options.accounts.need(account);
      }
      subscribed.dependents.add(namespace);
      now.add(subscribed);
      if (dependency.kind === 'source') this.#start(dependency.source);
    }
    this.#dependencies.set(namespace, [...now]);
    for (const each of before ?? []) if (!now.has(each)) this.#removeDependent(each, namespace);
  }

  /** Watches the sources, also if no namespace subscribes to them, until `releasePrefetched` is called. */
  prefetch(sources: Iterable<PeerSource>): void {
    for (const source of sources) {
      this.#prefetched.add(encodePeerSource(source));
      this.#start(source);
    }
  }

  /** Ends the watches of prefetched sources that no namespace subscribes to within UNUSED_MS. */
  releasePrefetched(): void {
    if (this.#prefetched.size === 0) return;
    this.#prefetched.clear();
    this.#sweepLater();
  }

  /** The namespace depends on nothing any more. */
  unsubscribe(namespace: string): void {
    const before = this.#dependencies.get(namespace);
    this.#dependencies.delete(namespace);
    for (const each of before ?? []) this.#removeDependent(each, namespace);
  }

  /** The facts of an account have changed. */
  accountChanged({ namespace, name }: Account): void {
    this.#notifyDependents({ kind: 'source', source: { kind: 'serviceAccounts', namespace, name } });
  }

  /** The facts of the network engine have changed. */
  engineChanged(): void {
    this.#notifyDependents({ kind: 'source', source: { kind: 'engine' } });
  }

  /** The facts of the service mesh have changed. */
  meshChanged(): void {
    this.#notifyDependents({ kind: 'source', source: { kind: 'mesh' } });
  }

  /** Why a source can't be read; undefined if it can, if its first read is under way, or if nobody subscribed to it. */
  readError(source: PeerSource): string | undefined {
    if (source.kind === 'serviceAccounts') return this.#options.accounts.failure;
    if (source.kind === 'engine' || source.kind === 'mesh') return this.#options[source.kind].failure;
    return this.#watches.get(encodePeerSource(source))?.error;
  }

  /** Milliseconds since each watched resource was last heard of; of several watches of one, the longest. */
  ages(): Map<string, number> {
    const ages = new Map<string, number>();
    for (const watch of this.#watches.values()) {
      for (const [resource, age] of watch.ages()) ages.set(resource, Math.max(ages.get(resource) ?? 0, age));
    }
    return ages;
  }

  #isKnown(source: PeerSource): boolean {
    if (source.kind === 'engine' || source.kind === 'mesh')
      return this.#options[source.kind].facts() !== undefined;
    return source.kind === 'serviceAccounts'
      ? this.#options.accounts.facts(source) !== undefined
      : (this.#watches.get(encodePeerSource(source))?.isRead ?? false);
  }

  #findLabelledDNS(): ServiceName | undefined {
    const items = this.#watch(SERVICES)?.items() ?? [];
    return labelledDNS(items.map(({ key, facts }) => [key, facts]));
  }

  /** The EndpointSlices of a Service, sorted. An address of the API server that vanished stays for a while. */
  #endpoints(namespace: string, service: string): readonly EndpointFacts[] {
    const slices = (this.#watch({ kind: 'endpointSlices', namespace })?.items() ?? [])
      .filter(({ facts }) => facts.service === service)
      .sort((a, b) => compareText(a.key, b.key))
      .map(({ facts }) => facts);
    return isAPIServer(namespace, service) ? this.#apiServer.with(slices) : slices;
  }

  #webhookServices(namespace: string): readonly WebhookService[] {
    return (this.#watch(WEBHOOKS)?.items() ?? [])
      .flatMap(({ facts }) => facts)
      .filter((service) => service.namespace === namespace)
      .sort((a, b) => byName(a, b) || a.port - b.port);
  }

  /** The watch of a source, if there is one. */
  #watch<K extends WatchedKind>(source: SourceOf<K>): SourceWatch<K> | undefined {
    // Only `#start` puts watches there, each under its own source.
    return this.#watches.get(encodePeerSource(source)) as SourceWatch<K> | undefined;
  }

  /** Watches a source, unless it is watched already. */
  #start(source: PeerSource): void {
    const id = encodePeerSource(source);
    if (source.kind === 'serviceAccounts' || source.kind === 'engine' || source.kind === 'mesh') return;
    if (this.#watches.has(id)) return;
    const { transport, clock, random, relistMs, onError } = this.#options;
    const options = { transport, clock, random, relistMs, onError };
    const listener = {
      onReadable: () => {
        this.#options.onReadable?.();
        this.#notifyDependents({ kind: 'source', source });
      },
      onChange: (dependencies: readonly Dependency[]) =>
        dependencies.forEach((each) => this.#notifyDependents(each)),
    };
    const watch =
      source.kind === 'endpointSlices'
        ? new SourceWatch(source, options, { ...listener, onObject: this.#retainer(source) }, this.#signal)
        : new SourceWatch(source, options, listener, this.#signal);
    this.#watches.set(id, watch);
  }

  /** Retains addresses of the API server that vanish from the EndpointSlices of its namespace. */
  #retainer({
    namespace,
  }: SourceOf<'endpointSlices'>): SourceListener<FactsOf['endpointSlices']>['onObject'] {
    return (old, next) => {
      if (isAPIServer(namespace, (next ?? old)?.service)) this.#apiServer.note(old, next);
    };
  }

  #notifyDependents(dependency: Dependency): void {
    if (dependency.kind === 'labelledDNS' || dependency.kind === 'source') this.#labelledDNS = undefined;
    for (const namespace of this.#subscribed.get(encodeDependency(dependency))?.dependents ?? [])
      this.#options.onChange(namespace);
  }

  #removeDependent({ dependency, dependents }: Subscribed, namespace: string): void {
    dependents.delete(namespace);
    if (!dependents.isEmpty) return;
    this.#subscribed.delete(encodeDependency(dependency));
    const account = accountOf(dependency);
    if (account !== undefined) this.#options.accounts.release(account);
    if (dependency.kind === 'source') this.#sweepLater();
  }

  /** Ends the watches that no namespace needs by then. A profile that is edited may need them again at once. */
  #sweepLater(): void {
    if (this.#sweep !== undefined) return;
    this.#sweep = this.#options.clock.schedule(UNUSED_MS, () => {
      this.#sweep = undefined;
      for (const [id, watch] of this.#watches) {
        const isNeeded = this.#subscribed.has(encodeDependency({ kind: 'source', source: watch.source }));
        if (isNeeded || this.#prefetched.has(id)) continue;
        this.#watches.delete(id);
        watch.end();
      }
    });
  }
}

function accountOf(dependency: Dependency): Account | undefined {
  return dependency.kind === 'source' && dependency.source.kind === 'serviceAccounts'
    ? { namespace: dependency.source.namespace, name: dependency.source.name }
    : undefined;
}

function isAPIServer(namespace: string, service: string | undefined): boolean {
  return namespace === API_SERVER.namespace && service === API_SERVER.service;
}
