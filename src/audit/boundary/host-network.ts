import type { Check } from '../check.ts';

export const hostNetwork: Check = {
  id: 'host-network-escapes',
  title: 'No pod of a namespace with policies is on the host network',
  severity: 'medium',
  category: 'Boundary',
  controls: ['CIS 5.2.5', 'C-0041', 'C-0196'],
  why: 'Policies do not apply to a pod on the host network: it reaches what its node reaches, and no selector matches it.',
  remedy:
    'Leave hostNetwork out. A pod that needs it belongs into a namespace of its own, with node firewalls as its limit.',
  needs: ['Pod', 'NetworkPolicy'],
  run: (context, report) => {
    for (const { namespace, hostNetwork, workload } of context.pods) {
      if (hostNetwork !== true || context.policiesOf(namespace).length === 0) continue;
      report({
        object: workload,
        field: 'hostNetwork',
        message:
          'its pods are on the host network, so that the policies of the namespace do not apply to them',
      });
    }
  },
};
