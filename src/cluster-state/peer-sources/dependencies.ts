/** The cluster facts that compiling the policies of a namespace depended on. Pure. */
import type { EngineFacts } from '../../policy/extensions.ts';
import type { MeshFacts } from '../../policy/mesh.ts';
import {
  type ClusterConfiguration,
  type ClusterFacts,
  type EndpointFacts,
  encodePeerSource,
  type NodeFacts,
  type PeerSource,
  type ServiceAccountFacts,
  type ServiceFacts,
  type ServiceName,
  type WebhookService,
} from '../../policy/facts.ts';
import { byKey } from '../../util/order.ts';

/** A question to the cluster facts: when its answer changes, the policies have to be compiled again. */
export type Dependency =
  /** Can the source be read? For service accounts, engine and mesh, also: what is known of it? */
  | { readonly kind: 'source'; readonly source: PeerSource }
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'endpoints'; readonly namespace: string; readonly service: string }
  | { readonly kind: 'labelledDNS' }
  | { readonly kind: 'nodes' }
  | { readonly kind: 'serviceCIDRs' }
  | { readonly kind: 'webhookServices'; readonly namespace: string };

/** The identity of a dependency: equal ones have equal strings. Names of objects have neither slashes nor blanks. */
export function encodeDependency(dependency: Dependency): string {
  switch (dependency.kind) {
    case 'source':
      return `source ${encodePeerSource(dependency.source)}`;
    case 'service':
      return `service ${dependency.namespace}/${dependency.name}`;
    case 'endpoints':
      return `endpoints ${dependency.namespace}/${dependency.service}`;
    case 'webhookServices':
      return `webhookServices ${dependency.namespace}`;
    case 'labelledDNS':
    case 'nodes':
    case 'serviceCIDRs':
      return dependency.kind;
  }
}

/** Cluster facts that record what they are asked. */
export class RecordedFacts implements ClusterFacts {
  readonly #facts: ClusterFacts;
  readonly #dependencies = new Map<string, Dependency>();
  readonly #missing = new Map<string, PeerSource>();

  constructor(facts: ClusterFacts) {
    this.#facts = facts;
  }

  /** All that was asked so far, by its encoding. */
  get dependencies(): ReadonlyMap<string, Dependency> {
    return this.#dependencies;
  }

  /** The sources that were asked for and not known, sorted. */
  get missing(): readonly PeerSource[] {
    return [...this.#missing].sort(byKey).map(([, source]) => source);
  }

  get configuration(): ClusterConfiguration {
    return this.#facts.configuration;
  }

  isKnown(source: PeerSource): boolean {
    this.#record({ kind: 'source', source });
    const isKnown = this.#facts.isKnown(source);
    if (!isKnown) this.#missing.set(encodePeerSource(source), source);
    return isKnown;
  }

  service(namespace: string, name: string): ServiceFacts | undefined {
    this.#record({ kind: 'service', namespace, name });
    return this.#facts.service(namespace, name);
  }

  labelledDNS(): ServiceName | undefined {
    this.#record({ kind: 'labelledDNS' });
    return this.#facts.labelledDNS();
  }

  endpoints(namespace: string, service: string): readonly EndpointFacts[] {
    this.#record({ kind: 'endpoints', namespace, service });
    return this.#facts.endpoints(namespace, service);
  }

  nodes(): readonly NodeFacts[] {
    this.#record({ kind: 'nodes' });
    return this.#facts.nodes();
  }

  serviceCIDRs(): readonly string[] {
    this.#record({ kind: 'serviceCIDRs' });
    return this.#facts.serviceCIDRs();
  }

  webhookServices(namespace: string): readonly WebhookService[] {
    this.#record({ kind: 'webhookServices', namespace });
    return this.#facts.webhookServices(namespace);
  }

  serviceAccount(namespace: string, name: string): ServiceAccountFacts | undefined {
    this.#record({ kind: 'source', source: { kind: 'serviceAccounts', namespace, name } });
    return this.#facts.serviceAccount(namespace, name);
  }

  engine(): EngineFacts | undefined {
    return this.#optional({ kind: 'engine' }, this.#facts.engine());
  }

  mesh(): MeshFacts | undefined {
    return this.#optional({ kind: 'mesh' }, this.#facts.mesh());
  }

  #optional<T>(source: PeerSource, facts: T | undefined): T | undefined {
    this.#record({ kind: 'source', source });
    if (facts === undefined) this.#missing.set(encodePeerSource(source), source);
    return facts;
  }

  #record(dependency: Dependency): void {
    this.#dependencies.set(encodeDependency(dependency), dependency);
  }
}
