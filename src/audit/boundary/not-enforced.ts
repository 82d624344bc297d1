import type { KubeObject } from '../../api/meta.ts';
import type { Check } from '../check.ts';
import { containersOf } from '../pod-spec.ts';
import type { ObjectReference } from '../finding.ts';
import type { AuditPod, AuditSnapshot } from '../snapshot.ts';

/** Values of the labels k8s-app, app and name of agents that enforce NetworkPolicies. */
const ENFORCING: ReadonlySet<string> = new Set([
  'antrea',
  'azure-npm',
  'calico-node',
  'canal',
  'cilium',
  'kindnet',
  'kube-network-policies',
  'kube-router',
  'ovnkube-node',
  'terway',
  'terway-eniip',
  'weave-net',
]);

function isNamed({ labels }: AuditPod, names: (name: string) => boolean): boolean {
  return ['k8s-app', 'app', 'name'].some((key) => names(labels[key] ?? ''));
}

/** The agent of Amazon's plugin enforces policies in a container of its own, which a flag switches on. */
function isEnforcingAwsNode({ spec }: AuditPod): boolean {
  return containersOf(spec).some(
    ({ container: { name, flags = [] } }) =>
      name === 'aws-eks-nodeagent' &&
      flags.some((flag) => flag.startsWith('--enable-network-policy=') && !flag.endsWith('=false')),
  );
}

function enforces(pod: AuditPod): boolean {
  return isNamed(pod, (name) => ENFORCING.has(name)) || (isAwsNode(pod) && isEnforcingAwsNode(pod));
}

function isAwsNode(pod: AuditPod): boolean {
  return isNamed(pod, (name) => name === 'aws-node');
}

function isFlannel({ spec }: AuditPod): boolean {
  return containersOf(spec).some(({ container: { image = '' } }) => /(^|\/)flannel(:|@|$)/.test(image));
}

function isManagedNode({ metadata }: KubeObject, label: string): boolean {
  return metadata.labels?.[label] !== undefined;
}

interface Evidence {
  readonly object: ObjectReference;
  readonly message: string;
  readonly remedy?: string;
}

/** Finds evidence that the cluster's network plugin enforces nothing by itself. */
type Plugin = (snapshot: AuditSnapshot) => Evidence | undefined;

const FLANNEL: Plugin = ({ pods }) => {
  const agent = pods.find(isFlannel);
  return (
    agent && {
      object: agent.workload,
      message:
        'flannel connects the pods and enforces no NetworkPolicy, and no engine that does runs beside it',
    }
  );
};

const AMAZON: Plugin = ({ pods }) => {
  const agent = pods.find(isAwsNode);
  return (
    agent && {
      object: agent.workload,
      message:
        "Amazon's plugin connects the pods, its enforcement of NetworkPolicies is off, and no other engine runs",
      remedy:
        'Set enableNetworkPolicy to "true" in the configuration of the add-on vpc-cni, or run Calico or Cilium.',
    }
  );
};

/** A managed cluster shows which engines it offers: if none of their agents runs, nothing enforces. */
function managed(label: string, message: string, remedy: string): Plugin {
  return ({ pods, objects }) => {
    const node = objects('Node').find((each) => isManagedNode(each, label));
    // Without any pod of the system, nothing is known of agents.
    if (node === undefined || !pods.some(({ namespace }) => namespace === 'kube-system')) return undefined;
    return { object: { kind: 'Node', name: node.metadata.name }, message, remedy };
  };
}

const PLUGINS: readonly Plugin[] = [
  FLANNEL,
  AMAZON,
  managed(
    'cloud.google.com/gke-nodepool',
    'GKE runs neither Dataplane V2 nor Calico, so that nothing enforces NetworkPolicies',
    'Create the cluster with --enable-dataplane-v2, or switch its network policy add-on on.',
  ),
  managed(
    'kubernetes.azure.com/cluster',
    'AKS runs neither Cilium, nor Calico, nor the Azure network policy manager, so that nothing enforces NetworkPolicies',
    'Set the network policy of the cluster: az aks update --network-policy cilium (or calico).',
  ),
];

/** Other plugins may be unknown here, so that only one that is known not to enforce is reported. */
export const notEnforced: Check = {
  id: 'policies-not-enforced',
  title: 'The network plugin enforces NetworkPolicies',
  severity: 'critical',
  category: 'Boundary',
  controls: ['CIS 5.3.1', 'C-0205'],
  why: 'The API server accepts every policy, and without an engine none of them has any effect: every pod reaches every pod.',
  remedy:
    'Run an engine beside flannel, such as Canal or kube-network-policies, or change to Calico, Cilium or Antrea.',
  needs: ['Pod', 'NetworkPolicy'],
  run: ({ snapshot }, report) => {
    const { pods, policies, isComplete } = snapshot;
    if (!isComplete || policies.length === 0 || pods.some(enforces)) return;
    for (const plugin of PLUGINS) {
      const evidence = plugin(snapshot);
      if (evidence !== undefined) return report(evidence);
    }
  },
};
