import type { Check } from '../check.ts';
import { containersOf } from '../pod-spec.ts';
import type { AuditPod } from '../snapshot.ts';

/** Values of the labels k8s-app, app and name of agents that enforce NetworkPolicies. */
const ENFORCING: ReadonlySet<string> = new Set([
  'antrea',
  'aws-node',
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

function enforces({ labels }: AuditPod): boolean {
  return ['k8s-app', 'app', 'name'].some((key) => ENFORCING.has(labels[key] ?? ''));
}

function isFlannel({ spec }: AuditPod): boolean {
  return containersOf(spec).some(({ container: { image = '' } }) => /(^|\/)flannel(:|@|$)/.test(image));
}

/** Other plugins may be unknown here, so that only one that is known not to enforce is reported. */
export const notEnforced: Check = {
  id: 'policies-not-enforced',
  title: 'The network plugin enforces NetworkPolicies',
  severity: 'critical',
  category: 'Boundary',
  controls: ['CIS 5.3.1'],
  why: 'The API server accepts every policy, and without an engine none of them has any effect: every pod reaches every pod.',
  remedy:
    'Run an engine beside flannel, such as Canal or kube-network-policies, or change to Calico, Cilium or Antrea.',
  needs: ['Pod', 'NetworkPolicy'],
  run: ({ snapshot }, report) => {
    const { pods, policies, isComplete } = snapshot;
    const flannel = pods.find(isFlannel);
    if (!isComplete || flannel === undefined || policies.length === 0 || pods.some(enforces)) return;
    report({
      object: flannel.workload,
      message:
        'flannel connects the pods and enforces no NetworkPolicy, and no engine that does runs beside it',
    });
  },
};
