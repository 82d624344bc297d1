/** The facts of a snapshot's cluster that the compiler asks for. */
import type { KubeObject } from '../api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../api/names.ts';
import {
  endpointFacts,
  labelledDNS,
  nodeFacts,
  type RawEndpointSlice,
  type RawNode,
  type RawWebhookUser,
  serviceCIDRs,
  webhookServices,
} from '../cluster-state/peer-sources/facts.ts';
import { configuredFacts } from '../engines/extensions/objects.ts';
import type {
  ClusterFacts,
  EndpointFacts,
  PeerSource,
  ServiceAccountFacts,
  ServiceFacts,
} from '../policy/facts.ts';
import { byName, byObjectName } from '../util/order.ts';
import { MANIFESTS, type SnapshotInput } from './input.ts';
import { meshFacts } from './mesh/facts.ts';
import type { WorkloadPod } from './pods.ts';

const WEBHOOK_KINDS = [
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'APIService',
  'CustomResourceDefinition',
];

/**
 * The cluster facts for the compiler. Among manifests, Nodes and the addresses of the API server count as unknown
 * unless a manifest describes them: a folder of manifests seldom describes the cluster itself.
 */
export function factsOf(
  input: SnapshotInput,
  pods: readonly WorkloadPod[],
  services: ReadonlyMap<string, ServiceFacts>,
): ClusterFacts {
  const { objects, configuration, accountFailure } = input;
  const dns = labelledDNS(services);
  const engine = configuredFacts(input.engine ?? 'None');
  const mesh = meshFacts(input);
  const slices = Map.groupBy(
    objects
      .of<RawEndpointSlice>('EndpointSlice')
      .sort(byObjectName)
      .map((slice) => ({ namespace: slice.metadata.namespace, ...endpointFacts(slice) })),
    ({ namespace, service }) => `${namespace}/${service}`,
  );
  const nodes = objects.of<KubeObject & RawNode>('Node').map(nodeFacts);
  const ranges = objects
    .of<KubeObject & Parameters<typeof serviceCIDRs>[0]>('ServiceCIDR')
    .flatMap(serviceCIDRs);
  const webhooks = WEBHOOK_KINDS.flatMap((kind) =>
    objects.of<KubeObject & RawWebhookUser>(kind).flatMap(webhookServices),
  );
  return {
    configuration,
    isKnown: (source) => isKnown(source, input),
    service: (namespace, name) => services.get(`${namespace}/${name}`),
    labelledDNS: () => dns,
    endpoints: (namespace, service): readonly EndpointFacts[] => slices.get(`${namespace}/${service}`) ?? [],
    nodes: () => nodes,
    serviceCIDRs: () => ranges,
    webhookServices: (namespace) =>
      webhooks.filter((each) => each.namespace === namespace).sort((a, b) => byName(a, b) || a.port - b.port),
    serviceAccount: (namespace, name) => ({
      ...accountCounts(pods, namespace, name),
      ...(accountFailure && { failure: accountFailure }),
    }),
    engine: () => engine,
    mesh: () => mesh,
  };
}

/** True if the objects behind a peer source were read or, among manifests, described. */
function isKnown(source: PeerSource, { objects, unread, origin }: SnapshotInput): boolean {
  const fromCluster = origin !== MANIFESTS;
  const isDescribed = (kind: string) => !unread.has(kind) && (fromCluster || objects.of(kind).length > 0);
  switch (source.kind) {
    case 'services':
      return !unread.has('Service');
    case 'nodes':
      return isDescribed('Node');
    case 'serviceCIDRs':
      return isDescribed('ServiceCIDR');
    case 'webhooks':
      return WEBHOOK_KINDS.every((kind) => !unread.has(kind));
    case 'serviceAccounts':
      return !unread.has('Pod');
    case 'engine':
    case 'mesh':
      return true;
    case 'endpointSlices':
      if (unread.has('EndpointSlice')) return false;
      // The API server's own addresses are known only if a manifest has them.
      return (
        fromCluster ||
        source.namespace !== 'default' ||
        objects
          .of<RawEndpointSlice>('EndpointSlice')
          .some(
            (slice) =>
              slice.metadata.namespace === 'default' && endpointFacts(slice).service === 'kubernetes',
          )
      );
  }
}

/** Pods of a service account whose account label is missing, and pods of another account that carry it. */
function accountCounts(pods: readonly WorkloadPod[], namespace: string, name: string): ServiceAccountFacts {
  const there = pods.filter((pod) => pod.namespace === namespace && !pod.hostNetwork);
  const isOf = ({ serviceAccount }: WorkloadPod) => serviceAccount === name;
  const isLabelled = ({ labels }: WorkloadPod) => labels[LABEL_SERVICE_ACCOUNT] === name;
  return {
    unlabelled: there.filter((pod) => isOf(pod) && !isLabelled(pod)).length,
    mislabelled: there.filter((pod) => isLabelled(pod) && !isOf(pod)).length,
  };
}
