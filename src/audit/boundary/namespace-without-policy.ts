import type { Check } from '../check.ts';
import { counted } from '../../util/list-text.ts';
import { isIsolatedByEngine } from './engine-policies/isolation.ts';

export const namespaceWithoutPolicy: Check = {
  id: 'namespace-without-policy',
  title: 'Every namespace with pods has a NetworkPolicy',
  severity: 'high',
  category: 'Boundary',
  controls: ['CIS 5.3.2', 'C-0054', 'C-0206', 'C-0260', 'NSA/CISA network separation'],
  why: 'Without a policy every pod of the cluster reaches every pod of the namespace, and its pods reach everything.',
  remedy:
    'Let a SegmentationProfile select the namespace, or create a policy that denies all and then allow what is needed.',
  needs: ['Namespace', 'Pod', 'NetworkPolicy'],
  run: (context, report) => {
    const { isComplete, policies, profiles } = context.snapshot;
    // Manifests of an application often leave policies to those who run the cluster.
    const isElsewhere = !isComplete && policies.length === 0 && profiles.length === 0;
    for (const { name } of context.namespaces) {
      const pods = context.podsOf(name).filter(({ hostNetwork }) => hostNetwork !== true);
      if (pods.length === 0 || context.policiesOf(name).length > 0) continue;
      if (pods.some((pod) => isIsolatedByEngine(pod, context))) continue;
      const count = counted(
        pods.reduce((sum, { count = 1 }) => sum + count, 0),
        'pod',
      );
      report({
        object: { kind: 'Namespace', name },
        ...(isElsewhere && { severity: 'low' as const }),
        message: isElsewhere
          ? `no NetworkPolicy among the manifests isolates its ${count}`
          : `no NetworkPolicy isolates its ${count}`,
      });
    }
  },
};
