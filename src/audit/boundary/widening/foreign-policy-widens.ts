import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import { policyReference } from '../../context.ts';
import { flowText, MAX_FLOWS, widenedFlows } from './widened-flows.ts';

export const foreignPolicyWidens: Check = {
  id: 'foreign-policy-widens',
  title: 'No foreign NetworkPolicy allows more than the profiles of its namespace',
  severity: 'high',
  category: 'Boundary',
  controls: ['CIS 5.3.2', 'NSA/CISA network separation'],
  why: 'Policies add up: a policy of somebody else opens flows that the profile means to deny, and the profile cannot take them back.',
  remedy:
    'Add the flows to the profile if they are meant, and delete the policy. admission.tenantPolicies of the profile refuses such policies from then on.',
  needs: ['Namespace', 'Pod', 'NetworkPolicy', 'SegmentationProfile'],
  run: (context, report) => {
    const { found, view } = widenedFlows(context);
    for (const { policy, flows, total } of found) {
      if (view.sources.has(policy) || !context.audits(policy)) continue;
      report({
        object: policyReference(policy),
        message: `it opens what no profile allows: ${shortList(flows.map(flowText), { most: MAX_FLOWS, total })}`,
      });
    }
  },
};
