/** Which resources are watched for each kind of peer source, and which dependencies an object of them touches. Pure. */
import {
  type EndpointFacts,
  type NodeFacts,
  type PeerSource,
  type ServiceFacts,
  type WebhookService,
} from '../../policy/facts.ts';
import type { Dependency } from './dependencies.ts';
import { endpointFacts, nodeFacts, serviceCIDRs, serviceFacts, webhookServices } from './facts.ts';

/** Service accounts, engine and mesh are no objects that are watched: the controller finds out about them. */
export type WatchedSource = Exclude<PeerSource, { readonly kind: 'serviceAccounts' | 'engine' | 'mesh' }>;
export type WatchedKind = WatchedSource['kind'];
export type SourceOf<K extends WatchedKind> = Extract<WatchedSource, { readonly kind: K }>;

/** The facts that are kept of each object, by the kind of source. */
export interface FactsOf {
  readonly services: ServiceFacts;
  readonly nodes: NodeFacts;
  readonly serviceCIDRs: readonly string[];
  readonly webhooks: readonly WebhookService[];
  readonly endpointSlices: EndpointFacts & { readonly service: string };
}

export interface WatchedResource<T> {
  /** The plural name, as logs and metrics have it. */
  readonly name: string;
  readonly path: string;
  /** From an object as it is on the wire. */
  readonly facts: (raw: never) => T;
  /** The dependencies that change with an object; `key` is namespace/name, or the name alone. */
  touches(object: { readonly key: string; readonly facts: T }): readonly Dependency[];
}

type Resources<K extends WatchedKind> = (source: SourceOf<K>) => readonly WatchedResource<FactsOf[K]>[];

const LABELLED_DNS: Dependency = { kind: 'labelledDNS' };

const WEBHOOK_USERS = [
  'admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  'apiregistration.k8s.io/v1/apiservices',
  'apiextensions.k8s.io/v1/customresourcedefinitions',
];

const RESOURCES: { readonly [K in WatchedKind]: Resources<K> } = {
  services: () => [
    {
      name: 'services',
      path: '/api/v1/services',
      facts: serviceFacts,
      touches: ({ key, facts: { isLabelledDNS } }) => {
        const [namespace = '', name = ''] = key.split('/');
        return [{ kind: 'service', namespace, name }, ...(isLabelledDNS ? [LABELLED_DNS] : [])];
      },
    },
  ],
  nodes: () => [
    { name: 'nodes', path: '/api/v1/nodes', facts: nodeFacts, touches: () => [{ kind: 'nodes' }] },
  ],
  serviceCIDRs: () => [
    {
      name: 'servicecidrs',
      path: '/apis/networking.k8s.io/v1/servicecidrs',
      facts: serviceCIDRs,
      touches: () => [{ kind: 'serviceCIDRs' }],
    },
  ],
  webhooks: () =>
    WEBHOOK_USERS.map((path) => ({
      name: path.slice(path.lastIndexOf('/') + 1),
      path: `/apis/${path}`,
      facts: webhookServices,
      touches: ({ facts }) => facts.map(({ namespace }) => ({ kind: 'webhookServices', namespace })),
    })),
  endpointSlices: ({ namespace }) => [
    {
      name: 'endpointslices',
      path: `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/endpointslices`,
      facts: endpointFacts,
      touches: ({ facts: { service } }) => [{ kind: 'endpoints', namespace, service }],
    },
  ],
};

export function watchedResources<K extends WatchedKind>(
  source: SourceOf<K>,
): readonly WatchedResource<FactsOf[K]>[] {
  const resources: Resources<K> = RESOURCES[source.kind];
  return resources(source);
}
