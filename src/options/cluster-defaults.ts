/**
 * The cluster configuration without a configuration file: the places where widely used distributions and charts install
 * DNS, ingress controllers and monitoring. A workload counts only in the namespaces of its usual installation: by labels
 * alone, anyone who can create a pod could pass for the ingress controller.
 */
import type { LabelSelector } from '../api/meta.ts';
import { LABEL_NAMESPACE_NAME } from '../api/names.ts';
import type { ClusterConfiguration, WorkloadSelector } from '../policy/facts.ts';

export const PROTECTED_NAMESPACES: readonly string[] = ['kube-system', 'kube-public', 'kube-node-lease'];

const NAME = 'app.kubernetes.io/name';
const COMPONENT = 'app.kubernetes.io/component';

const INGRESS_CONTROLLERS: readonly WorkloadSelector[] = [
  workload(['ingress-nginx'], { matchLabels: { [NAME]: 'ingress-nginx', [COMPONENT]: 'controller' } }),
  // k3s runs Traefik in kube-system.
  workload(['traefik', 'kube-system'], { matchLabels: { [NAME]: 'traefik' } }),
  // The proxies; the controller of Envoy Gateway does not forward traffic.
  workload(['envoy-gateway-system'], {
    matchLabels: { 'app.kubernetes.io/managed-by': 'envoy-gateway', [COMPONENT]: 'proxy' },
  }),
  workload(['istio-system', 'istio-ingress'], {
    matchExpressions: [{ key: 'istio', operator: 'In', values: ['ingress', 'ingressgateway'] }],
  }),
  workload(['projectcontour'], { matchLabels: { app: 'envoy' } }),
  workload(['haproxy-controller'], { matchLabels: { [NAME]: 'kubernetes-ingress' } }),
];

const MONITORING: readonly WorkloadSelector[] = [
  workload(
    [
      'monitoring',
      'prometheus',
      'observability',
      'cattle-monitoring-system',
      'openshift-monitoring',
      'openshift-user-workload-monitoring',
    ],
    {
      matchExpressions: [
        {
          key: NAME,
          operator: 'In',
          values: [
            'alloy',
            'grafana-agent',
            'opentelemetry-collector',
            'prometheus',
            'prometheus-agent',
            'vmagent',
          ],
        },
      ],
    },
  ),
];

export const CLUSTER_DEFAULTS: ClusterConfiguration = {
  clusterDNS: {
    namespace: 'kube-system',
    service: 'kube-dns',
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    nodeLocalAddresses: [],
  },
  ingressControllers: INGRESS_CONTROLLERS,
  engineIngress: false,
  monitoring: MONITORING,
  nodeCIDRs: [],
  podCIDRs: [],
  webhookSourceCIDRs: [],
  maxNodeAddresses: 250,
};

function workload(namespaces: readonly string[], podSelector: LabelSelector): WorkloadSelector {
  return {
    namespaceSelector: {
      matchExpressions: [{ key: LABEL_NAMESPACE_NAME, operator: 'In', values: namespaces }],
    },
    podSelector,
  };
}
