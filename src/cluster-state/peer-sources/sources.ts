/**
 * The objects that peers are resolved from: Services, EndpointSlices, Nodes, ServiceCIDRs and what names webhooks.
 * Each kind is watched from the first time that a compilation asks for it until none does, and a change is told to
 * exactly the namespaces whose compilation looked at it.
 */
import type { Clock, Random, Timer } from '../../util/clock.ts';
import { Reflector } from '../../kube/watch/reflector.ts';
import { type Item, Store } from '../../kube/watch/store.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type {
  ClusterConfiguration,
  ClusterFacts,
  EndpointFacts,
  NodeFacts,
  ServiceAccountFacts,
  ServiceFacts,
  Source,
  WebhookService,
} from '../../policy/facts.ts';
import { identity } from '../items.ts';
import { RetainedEndpoints } from './retained-endpoints.ts';
import { endpointFacts, nodeFacts, serviceCIDRs, serviceFacts, webhookServices } from './facts.ts';
import { errorMessage } from '../../util/error-message.ts';
import { byName, compareText } from '../../util/order.ts';

interface FactItem<T> extends Item {
  readonly facts: T;
}

export interface SourcesOptions {
  readonly transport: Transport;
  readonly configuration: ClusterConfiguration;
  readonly clock: Clock;
  readonly random: Random;
  /** As of a reflector. */
  readonly relistMs?: number;
  /** What is known of the pods that run as a ServiceAccount, by NAMESPACE/NAME; told of by `accountChanged`. */
  readonly accounts: {
    facts(account: string): ServiceAccountFacts | undefined;
    /** Why nothing is known. */
    readonly failure: string | undefined;
  };
  /** Something that the namespace's compilation looked at has changed, or can be read now. */
  readonly onChange: (namespace: string) => void;
  readonly onError: (resource: string, error: unknown, retryInMs: number) => void;
}

/** What one compilation was shown, and what it looked at. */
export interface Viewing {
  readonly facts: ClusterFacts;
  /** PeerSources that were asked for and are not read yet. */
  readonly missing: ReadonlySet<Source>;
}

/** For how long a watch goes on that no compilation needs any more, in milliseconds. */
const UNUSED_MS = 60_000;

export class PeerSources {
  readonly #options: SourcesOptions;
  readonly #signal: AbortSignal;
  readonly #watches = new Map<string, AnyWatch>();
  /** What was looked at -> by the compilations of which namespaces. */
  readonly #lookers = new Map<string, Set<string>>();
  readonly #looked = new Map<string, Set<string>>();
  readonly #errors = new Map<string, string>();
  readonly #apiServer: RetainedEndpoints;
  #sweep: Timer | undefined;

  /** @param signal ends all watches */
  constructor(options: SourcesOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#apiServer = new RetainedEndpoints(options.clock, () =>
      this.#tell('endpointSlices/default kubernetes'),
    );
  }

  /** Facts for compiling the policies of `namespace`. A later call for the same namespace replaces what it looked at. */
  view(namespace: string): Viewing {
    this.forget(namespace);
    const missing = new Set<Source>();
    const look = (what: string) => this.#look(namespace, what);
    const facts: ClusterFacts = {
      configuration: this.#options.configuration,
      known: (source) => {
        const account = accountOf(source);
        const known =
          account === undefined
            ? this.#watchesOf(source).every((watch) => watch.synced)
            : this.#options.accounts.facts(account) !== undefined;
        look(`source ${source}`);
        if (!known) missing.add(source);
        return known;
      },
      service: (ns, name) => {
        look(`services ${ns}/${name}`);
        return this.#services().store.get(`${ns}/${name}`)?.facts;
      },
      endpoints: (ns, service) => {
        look(`endpointSlices/${ns} ${service}`);
        const slices = [...this.#endpointSlices(ns).store.values()]
          .filter(({ facts }) => facts.service === service)
          .sort((a, b) => compareText(a.key, b.key))
          .map((item) => item.facts);
        return isAPIServer(ns, service) ? this.#apiServer.with(slices) : slices;
      },
      nodes: () => {
        look('nodes');
        return [...this.#nodes().store.values()].map((item) => item.facts);
      },
      serviceCIDRs: () => {
        look('serviceCIDRs');
        return [...this.#serviceCIDRs().store.values()].flatMap((item) => item.facts);
      },
      webhookServices: (ns) => {
        look(`webhooks ${ns}`);
        return this.#webhooks()
          .flatMap(({ store }) => [...store.values()].flatMap((item) => item.facts))
          .filter((service) => service.namespace === ns)
          .sort((a, b) => byName(a, b) || a.port - b.port);
      },
      serviceAccount: (ns, name) => this.#options.accounts.facts(`${ns}/${name}`),
    };
    return { facts, missing };
  }

  /** What is known of an account, NAMESPACE/NAME, has changed. */
  accountChanged(account: string): void {
    this.#tell(`source serviceAccounts/${account}`);
  }

  /** The namespace is not compiled any more. */
  forget(namespace: string): void {
    for (const what of this.#looked.get(namespace) ?? []) {
      const lookers = this.#lookers.get(what);
      lookers?.delete(namespace);
      if (lookers?.size !== 0) continue;
      this.#lookers.delete(what);
      if (what.startsWith('source ')) this.#sweepLater();
    }
    this.#looked.delete(namespace);
  }

  /** Ends the watches that no compilation has asked for since. Compilations come and go: not at once. */
  #sweepLater(): void {
    if (this.#sweep !== undefined) return;
    this.#sweep = this.#options.clock.schedule(UNUSED_MS, () => {
      this.#sweep = undefined;
      for (const [path, watch] of this.#watches) {
        if (this.#lookers.has(`source ${watch.source}`)) continue;
        this.#watches.delete(path);
        this.#errors.delete(path);
        watch.end();
      }
    });
  }

  /** Why a source can't be read, if that is known. */
  whyMissing(source: Source): string | undefined {
    if (accountOf(source) !== undefined) return this.#options.accounts.failure;
    for (const watch of this.#watchesOf(source)) {
      const error = this.#errors.get(watch.path);
      if (error !== undefined) return error;
    }
    return undefined;
  }

  /** Milliseconds since each watched resource was last heard of; of several watches of one, the longest. */
  ages(): Map<string, number> {
    const now = this.#options.clock.monotonic();
    const ages = new Map<string, number>();
    for (const { resource, reflector } of this.#watches.values()) {
      ages.set(resource, Math.max(ages.get(resource) ?? 0, now - reflector.lastContact));
    }
    return ages;
  }

  #look(namespace: string, what: string): void {
    let lookers = this.#lookers.get(what);
    if (lookers === undefined) this.#lookers.set(what, (lookers = new Set()));
    lookers.add(namespace);
    let looked = this.#looked.get(namespace);
    if (looked === undefined) this.#looked.set(namespace, (looked = new Set()));
    looked.add(what);
  }

  #tell(what: string): void {
    for (const namespace of this.#lookers.get(what) ?? []) this.#options.onChange(namespace);
  }

  #watchesOf(source: Source): readonly AnyWatch[] {
    switch (source) {
      case 'services':
        return [this.#services()];
      case 'nodes':
        return [this.#nodes()];
      case 'serviceCIDRs':
        return [this.#serviceCIDRs()];
      case 'webhooks':
        return this.#webhooks();
      default:
        return [this.#endpointSlices(source.slice('endpointSlices/'.length))];
    }
  }

  #services(): Watch<ServiceFacts> {
    return this.#watch('services', 'services', '/api/v1/services', serviceFacts, ({ key }) => [
      `services ${key}`,
    ]);
  }

  #endpointSlices(namespace: string): Watch<EndpointFacts & { service: string }> {
    const source: Source = `endpointSlices/${namespace}`;
    const path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`;
    const begun = this.#watches.has(path);
    const watch = this.#watch('endpointslices', source, path, endpointFacts, ({ facts }) => [
      `${source} ${facts.service}`,
    ]);
    if (!begun) {
      watch.store.subscribe(({ old, new: next }) => {
        if (isAPIServer(namespace, (next ?? old)?.facts.service))
          this.#apiServer.note(old?.facts, next?.facts);
      });
    }
    return watch;
  }

  #nodes(): Watch<NodeFacts> {
    return this.#watch('nodes', 'nodes', '/api/v1/nodes', nodeFacts, () => ['nodes']);
  }

  #serviceCIDRs(): Watch<readonly string[]> {
    const path = '/apis/networking.k8s.io/v1/servicecidrs';
    return this.#watch('servicecidrs', 'serviceCIDRs', path, serviceCIDRs, () => ['serviceCIDRs']);
  }

  /** Everything that names a Service for the API server to call. */
  #webhooks(): readonly Watch<readonly WebhookService[]>[] {
    const named = ({ facts }: FactItem<readonly WebhookService[]>) =>
      facts.map(({ namespace }) => `webhooks ${namespace}`);
    const admission = '/apis/admissionregistration.k8s.io/v1';
    return [
      ['validatingwebhookconfigurations', `${admission}/validatingwebhookconfigurations`] as const,
      ['mutatingwebhookconfigurations', `${admission}/mutatingwebhookconfigurations`] as const,
      ['apiservices', '/apis/apiregistration.k8s.io/v1/apiservices'] as const,
      ['customresourcedefinitions', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'] as const,
    ].map(([resource, path]) => this.#watch(resource, 'webhooks', path, webhookServices, named));
  }

  /** The one watch of a path, begun at the first call. */
  #watch<T>(
    resource: string,
    source: Source,
    path: string,
    facts: (raw: never) => T,
    touches: (item: FactItem<T>) => readonly string[],
  ): Watch<T> {
    const running = this.#watches.get(path);
    // A path is only ever asked for by the one method above that names its type.
    if (running !== undefined) return running as Watch<T>;
    const { transport, clock, random, relistMs, onError } = this.#options;
    const store = new Store<FactItem<T>>();
    const reflector = new Reflector<FactItem<T>>({
      transport,
      path,
      clock,
      random,
      ...(relistMs !== undefined && { relistMs }),
      sink: store,
      project: (raw) => ({ ...identity(raw), facts: facts(raw as never) }),
      onError: (error, retryInMs) => {
        const message = errorMessage(error);
        const news = this.#errors.get(path) !== message;
        this.#errors.set(path, message);
        onError(resource, error, retryInMs);
        // Whoever waits for it reports why.
        if (news && !watch.synced) this.#tell(`source ${source}`);
      },
      onList: () => this.#errors.delete(path),
    });
    const ended = new AbortController();
    const end = () => ended.abort();
    const watch: Watch<T> = { resource, source, path, store, reflector, end, synced: false };
    this.#watches.set(path, watch);
    store.subscribe((change) => {
      if (!watch.synced || JSON.stringify(change.old?.facts) === JSON.stringify(change.new?.facts)) return;
      const touched = [change.old, change.new].flatMap((item) => (item === undefined ? [] : touches(item)));
      for (const what of new Set(touched)) this.#tell(what);
    });
    void reflector.run(AbortSignal.any([this.#signal, ended.signal]));
    void reflector.synced.then(() => {
      watch.synced = true;
      if (this.#watchesOf(source).every((each) => each.synced)) this.#tell(`source ${source}`);
    });
    return watch;
  }
}

/** NAMESPACE/NAME where the source is about a ServiceAccount. */
function accountOf(source: Source): string | undefined {
  const prefix = 'serviceAccounts/';
  return source.startsWith(prefix) ? source.slice(prefix.length) : undefined;
}

/** The Service that stands for the API server, in every cluster. */
function isAPIServer(namespace: string, service: string | undefined): boolean {
  return namespace === 'default' && service === 'kubernetes';
}

interface AnyWatch {
  readonly resource: string;
  readonly source: Source;
  readonly path: string;
  readonly end: () => void;
  readonly reflector: { readonly lastContact: number };
  /** Read completely at least once. It stays so when the watch fails later: the last known facts hold. */
  synced: boolean;
}

interface Watch<T> extends AnyWatch {
  readonly store: Store<FactItem<T>>;
}
