/** The kinds that the model serves, and how the API server stores each. Pure. */
import type { KubeObject, ObjectMeta } from '../../../src/api/meta.ts';
import type { NetworkPolicySpec } from '../../../src/api/network-policy.ts';

/** An object of any kind. The model reads only the fields that the API server itself acts on. */
export type Stored = KubeObject & Readonly<Record<string, unknown>>;

export interface Kind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  /** True if `status` is a subresource. */
  readonly status: boolean;
  /** True if `metadata.generation` counts changes outside of metadata and status. */
  readonly generation: boolean;
  /** True if `metadata.generation` also counts changes of labels. */
  readonly labelsCount: boolean;
  /** True if a DELETE answers with the deleted object, not with a Status. */
  readonly returnsDeleted: boolean;
  /** True if a PUT without a resourceVersion overwrites any version. */
  readonly unconditional: boolean;
  /** True for a kind that is served only while its CustomResourceDefinition exists, in the form that it has. */
  readonly isDefined: boolean;
  /** Applies the server's defaults, and drops fields that the server does not store. */
  readonly complete: (object: Stored) => Stored;
}

const asItIs = (object: Stored): Stored => object;

/** A kind by its API path, `group/version/plural`; without a group for the core API. */
function kind(apiPath: string, name: string, rest: Partial<Kind> = {}): Kind {
  const [plural = '', version = '', group = ''] = apiPath.split('/').toReversed();
  return {
    group,
    version,
    plural,
    kind: name,
    namespaced: true,
    status: false,
    generation: false,
    labelsCount: false,
    returnsDeleted: false,
    unconditional: true,
    isDefined: false,
    complete: asItIs,
    ...rest,
  };
}

const CLUSTER = { namespaced: false } as const;
const ADMISSION = 'admissionregistration.k8s.io';

export const NAMESPACE = kind('v1/namespaces', 'Namespace', {
  ...CLUSTER,
  status: true,
  returnsDeleted: true,
  complete: completeNamespace,
});
export const NETWORK_POLICY = kind('networking.k8s.io/v1/networkpolicies', 'NetworkPolicy', {
  generation: true,
  complete: completePolicy,
});
export const PROFILE = kind('segmentation.dev/v1alpha1/segmentationprofiles', 'SegmentationProfile', {
  ...CLUSTER,
  status: true,
  generation: true,
  unconditional: false,
  complete: completeProfile,
});
export const EXCEPTION = kind('segmentation.dev/v1alpha1/segmentationexceptions', 'SegmentationException', {
  status: true,
  generation: true,
  unconditional: false,
  complete: completeException,
});
export const SERVICE = kind('v1/services', 'Service', { status: true, returnsDeleted: true });
export const NODE = kind('v1/nodes', 'Node', { ...CLUSTER, status: true });
export const POD = kind('v1/pods', 'Pod', { status: true, generation: true, returnsDeleted: true });
export const ENDPOINT_SLICE = kind('discovery.k8s.io/v1/endpointslices', 'EndpointSlice', {
  generation: true,
  labelsCount: true,
});

export const DEPLOYMENT = kind('apps/v1/deployments', 'Deployment', { status: true, generation: true });
export const CONTROLLER_REVISION = kind('apps/v1/controllerrevisions', 'ControllerRevision');

export const CONFIG_MAP = kind('v1/configmaps', 'ConfigMap');
export const DAEMON_SET = kind('apps/v1/daemonsets', 'DaemonSet', { status: true, generation: true });
export const DEFINITION = kind(
  'apiextensions.k8s.io/v1/customresourcedefinitions',
  'CustomResourceDefinition',
  CLUSTER,
);
export const INJECTOR = kind(
  `${ADMISSION}/v1/mutatingwebhookconfigurations`,
  'MutatingWebhookConfiguration',
  CLUSTER,
);

const CUSTOM = { generation: true, unconditional: false, isDefined: true } as const;
export const CILIUM_POLICY = kind('cilium.io/v2/ciliumnetworkpolicies', 'CiliumNetworkPolicy', CUSTOM);
export const CALICO_POLICY = kind('projectcalico.org/v3/networkpolicies', 'NetworkPolicy', CUSTOM);
export const CALICO_STAGED = kind(
  'projectcalico.org/v3/stagedkubernetesnetworkpolicies',
  'StagedKubernetesNetworkPolicy',
  CUSTOM,
);
export const CALICO_STAGED_POLICY = kind(
  'projectcalico.org/v3/stagednetworkpolicies',
  'StagedNetworkPolicy',
  CUSTOM,
);
export const CALICO_STAGED_GLOBAL = kind(
  'projectcalico.org/v3/stagedglobalnetworkpolicies',
  'StagedGlobalNetworkPolicy',
  { ...CUSTOM, ...CLUSTER },
);
export const CALICO_GLOBAL = kind('projectcalico.org/v3/globalnetworkpolicies', 'GlobalNetworkPolicy', {
  ...CUSTOM,
  ...CLUSTER,
});
export const CALICO_TIER = kind('projectcalico.org/v3/tiers', 'Tier', { ...CUSTOM, ...CLUSTER });
export const GKE_POLICY = kind('networking.gke.io/v1alpha1/fqdnnetworkpolicies', 'FQDNNetworkPolicy', CUSTOM);
export const CLUSTER_POLICY = kind(
  'policy.networking.k8s.io/v1beta1/clusternetworkpolicies',
  'ClusterNetworkPolicy',
  { ...CUSTOM, ...CLUSTER },
);
export const AUTHORIZATION_POLICY = kind(
  'security.istio.io/v1/authorizationpolicies',
  'AuthorizationPolicy',
  { ...CUSTOM, status: true },
);
export const PEER_AUTHENTICATION = kind(
  'security.istio.io/v1/peerauthentications',
  'PeerAuthentication',
  CUSTOM,
);

/** The kinds of network engines and meshes that the operator writes, and Calico's tiers, which it reads. */
export const ENGINE_KINDS: readonly Kind[] = [
  CILIUM_POLICY,
  CALICO_POLICY,
  CALICO_STAGED,
  CALICO_STAGED_POLICY,
  CALICO_STAGED_GLOBAL,
  CALICO_GLOBAL,
  CALICO_TIER,
  GKE_POLICY,
  CLUSTER_POLICY,
  AUTHORIZATION_POLICY,
  PEER_AUTHENTICATION,
];

export const KINDS: readonly Kind[] = [
  CONTROLLER_REVISION,
  DEPLOYMENT,
  kind('apps/v1/statefulsets', 'StatefulSet', { status: true, generation: true }),
  DAEMON_SET,
  NAMESPACE,
  NETWORK_POLICY,
  PROFILE,
  EXCEPTION,
  SERVICE,
  NODE,
  POD,
  ENDPOINT_SLICE,
  kind('networking.k8s.io/v1/servicecidrs', 'ServiceCIDR', CLUSTER),
  kind(`${ADMISSION}/v1/validatingwebhookconfigurations`, 'ValidatingWebhookConfiguration', CLUSTER),
  INJECTOR,
  kind('apiregistration.k8s.io/v1/apiservices', 'APIService', CLUSTER),
  DEFINITION,
  CONFIG_MAP,
  ...ENGINE_KINDS,
];

function completeNamespace(object: Stored): Stored {
  const { name, labels } = object.metadata;
  const { spec = { finalizers: ['kubernetes'] }, status = { phase: 'Active' } } = object;
  const metadata = { ...object.metadata, labels: { ...labels, 'kubernetes.io/metadata.name': name } };
  return { ...object, metadata, spec, status };
}

/** Applies the defaults of networking.k8s.io/v1, and drops empty lists, as Go's `omitempty` does. */
function completePolicy(object: Stored): Stored {
  const spec = (object['spec'] ?? {}) as NetworkPolicySpec;
  const ports = (list: readonly object[] | undefined) =>
    list?.length
      ? { ports: list.map((port) => ({ ...port, protocol: 'protocol' in port ? port.protocol : 'TCP' })) }
      : {};
  const ingress = spec.ingress?.map((rule) => ({
    ...(rule.from?.length && { from: rule.from }),
    ...ports(rule.ports),
  }));
  const egress = spec.egress?.map((rule) => ({
    ...(rule.to?.length && { to: rule.to }),
    ...ports(rule.ports),
  }));
  const types = spec.policyTypes?.length
    ? spec.policyTypes
    : ['Ingress', ...(egress?.length ? ['Egress'] : [])];
  return {
    ...object,
    spec: {
      podSelector: spec.podSelector ?? {},
      ...(ingress?.length && { ingress }),
      ...(egress?.length && { egress }),
      policyTypes: types,
    },
  };
}

/** Applies the defaults of the CRD in crds/. */
function completeProfile(object: Stored): Stored {
  const spec = object['spec'] as Readonly<Record<string, unknown>>;
  const baseline = {
    dns: 'Allow',
    admissionWebhooks: 'Allow',
    sameNamespace: 'Deny',
    kubeAPIServer: 'Deny',
    ingressControllers: 'Deny',
    monitoring: 'Deny',
    mesh: 'Deny',
    ...(spec['baseline'] as object | undefined),
  };
  const defaults = { mode: 'Enforce', isolation: ['Ingress', 'Egress'], deletionPolicy: 'Delete' };
  const given = spec['rollout'] as { readonly waves: readonly object[] } | undefined;
  const rollout = given && {
    deadline: '10m',
    onFailure: 'Rollback',
    paused: false,
    ...given,
    waves: given.waves.map((wave) => ({ soak: '10m', ...wave })),
  };
  return { ...object, spec: { ...defaults, ...completeRules(spec), baseline, ...(rollout && { rollout }) } };
}

function completeException(object: Stored): Stored {
  return { ...object, spec: completeRules(object['spec'] as Readonly<Record<string, unknown>>) };
}

/** Applies the default of the ports of rules and connections. */
function completeRules(spec: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const completed = ['ingress', 'egress', 'connections'].flatMap((field) => {
    const rules = spec[field] as readonly { readonly ports?: readonly object[] }[] | undefined;
    const complete = rules?.map((rule) => ({
      ...rule,
      ...(rule.ports && { ports: rule.ports.map((port) => ({ protocol: 'TCP', ...port })) }),
    }));
    return complete === undefined ? [] : [[field, complete] as const];
  });
  return { ...spec, ...Object.fromEntries(completed) };
}

export function apiVersionOf({ group, version }: Kind): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Metadata without empty fields, as it is stored. */
export function withoutEmpty(metadata: ObjectMeta): ObjectMeta {
  return Object.fromEntries(
    Object.entries(metadata).filter(([, value]) => {
      if (value === null || value === undefined) return false;
      if (Array.isArray(value)) return value.length > 0;
      return typeof value !== 'object' || Object.keys(value).length > 0;
    }),
  ) as unknown as ObjectMeta;
}
