import { LABEL_RULE } from '../../api/names.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import { EVERYTHING, selectorTerms } from '../../policy/semantics/selector.ts';
import type { Check } from '../check.ts';
import { type AuditContext, policyReference } from '../context.ts';
import { isExclusion } from '../unseen-pods.ts';

/** A selector that only excludes is for pods to come. */
function selectsPods({ metadata, spec }: NetworkPolicy, context: AuditContext): boolean {
  const selector = spec.podSelector ?? EVERYTHING;
  return isExclusion(selector) || context.selectedPods(metadata.namespace ?? 'default', selector).length > 0;
}

/** A namespace without pods may get them later, so that nothing is reported there. */
export const policySelectsNothing: Check = {
  id: 'policy-selects-nothing',
  title: 'Every NetworkPolicy selects pods',
  severity: 'low',
  category: 'Boundary',
  controls: ['C-0299'],
  why: 'A policy that selects no pod protects nothing. Often its labels have a typing error, and the pods that it is meant for are open.',
  remedy: "Correct spec.podSelector to the labels of the pods' template, or delete the policy.",
  needs: ['Pod', 'NetworkPolicy'],
  run: (context, report) => {
    for (const policy of context.policies()) {
      if (context.snapshot.ownerOf(policy) !== undefined || selectsPods(policy, context)) continue;
      if (!context.knowsPodsOf(policy.metadata.namespace ?? 'default')) continue;
      const terms = selectorTerms(policy.spec.podSelector ?? EVERYTHING).join(',');
      report({
        object: policyReference(policy),
        field: 'spec.podSelector',
        message: `no pod of the namespace has the labels ${terms}`,
      });
    }
  },
};

/** A profile's rule stands in many namespaces, and is reported only if it selects no pod in any of them. */
export const ruleSelectsNothing: Check = {
  id: 'rule-selects-nothing',
  title: "Every rule of a profile selects pods in one of the profile's namespaces",
  severity: 'low',
  category: 'Boundary',
  controls: ['C-0299'],
  why: 'A rule that selects no pod allows nothing. Its labels have a typing error, or the workload is gone and the rule waits for whoever takes its labels.',
  remedy: "Correct the rule's podSelector, or remove the rule from the profile.",
  needs: ['Pod', 'NetworkPolicy', 'SegmentationProfile'],
  run: (context, report) => {
    const rules = Map.groupBy(context.policies(), (policy) => {
      const rule = policy.metadata.labels?.[LABEL_RULE];
      const owner = context.snapshot.ownerOf(policy);
      return owner === undefined || rule === undefined ? '' : `${owner}/${rule}`;
    });
    for (const [key, policies] of rules) {
      const [name = '', rule] = key.split('/');
      if (rule === undefined || policies.some((policy) => selectsPods(policy, context))) continue;
      const places = policies.map(({ metadata }) => metadata.namespace ?? '');
      const withPods = places.filter((namespace) => context.podsOf(namespace).length > 0);
      if (withPods.length === 0 || !withPods.every((namespace) => context.knowsPodsOf(namespace))) continue;
      const [policy] = policies;
      report({
        object: { kind: 'SegmentationProfile', name },
        field: `rule ${rule}`,
        message: `no pod of the selected namespaces has the labels ${selectorTerms(policy?.spec.podSelector ?? EVERYTHING).join(',')}`,
      });
    }
  },
};
