import type { PolicyType } from '../../api/network-policy.ts';
import type { Check } from '../check.ts';
import { workloadsOf } from '../context.ts';
import { isIsolatedByEngine } from './engine-policies/isolation.ts';

/** Namespaces without any policy have a check of their own. */
function podsNotIsolated(direction: PolicyType, control: string): Check {
  const way = direction.toLowerCase();
  return {
    id: `pods-not-isolated-${way}`,
    title: `Every pod of a namespace with policies is isolated for ${way}`,
    severity: 'medium',
    category: 'Boundary',
    controls: [control, 'C-0030', 'NSA/CISA network separation'],
    why:
      direction === 'Ingress'
        ? 'A pod that no policy selects accepts connections from everyone, although its neighbours are protected.'
        : 'A pod that no policy selects connects to everything, which is how data leaves and other pods are attacked.',
    remedy: `Select all pods of the namespace by a policy with policyTypes: [${direction}] and no rules, as a profile's default-deny does.`,
    needs: ['Namespace', 'Pod', 'NetworkPolicy'],
    run: (context, report) => {
      for (const { name } of context.namespaces) {
        const coverage = context.coverageOf(name);
        const open = (direction === 'Ingress' ? coverage?.ingress : coverage?.egress)?.open ?? [];
        const hasPolicies =
          context.policiesOf(name).length > 0 ||
          context.podsOf(name).some((pod) => isIsolatedByEngine(pod, context));
        if (!hasPolicies) continue;
        const unprotected = open.filter((pod) => !isIsolatedByEngine(pod, context, direction));
        for (const workload of workloadsOf(unprotected)) {
          report({ object: workload, message: `no policy isolates its pods for ${way}` });
        }
      }
    },
  };
}

export const podsNotIsolatedIngress = podsNotIsolated('Ingress', 'CIS 5.3.2');
export const podsNotIsolatedEgress = podsNotIsolated('Egress', 'CIS 5.3.2');
