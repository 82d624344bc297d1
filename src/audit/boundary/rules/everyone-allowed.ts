import type { NetworkPolicyPeer, PolicyType } from '../../../api/network-policy.ts';
import type { DirectionRule } from '../../../policy/semantics/normalize.ts';
import { parseCidr } from '../../../policy/semantics/cidr.ts';
import type { Check } from '../../check.ts';
import { placedRules, ruleReference, WEBHOOKS_FIELD } from './rule-reference.ts';

function isEveryAddress({ ipBlock }: NetworkPolicyPeer): boolean {
  return ipBlock !== undefined && parseCidr(ipBlock.cidr)?.prefix === 0;
}

/** `every destination` or similar; undefined if the rule names its peers. */
function everyone({ peers }: DirectionRule, direction: PolicyType): string | undefined {
  const word = direction === 'Ingress' ? 'source' : 'destination';
  if (peers === undefined) return `every ${word}`;
  const block = peers.find(isEveryAddress)?.ipBlock;
  if (block === undefined) return undefined;
  const except = block.except ?? [];
  return except.length === 0 ? `every address (${block.cidr})` : `every address but ${except.join(', ')}`;
}

/** DNS is asked at many addresses, and a rule for it is no way to everywhere. */
function isOnlyDns({ ports }: DirectionRule): boolean {
  return ports !== undefined && ports.every(({ port, endPort }) => port === 53 && (endPort ?? 53) === 53);
}

export const egressToEverywhere: Check = {
  id: 'egress-to-everywhere',
  title: 'No rule allows egress to everywhere',
  severity: 'medium',
  category: 'Boundary',
  controls: ['C-0030', 'NSA/CISA network separation'],
  why: 'Whoever takes over such a pod can send data out, load tools, and attack every pod and node that lets it in.',
  remedy:
    'Name the destinations in `to`: pods by labels, services outside of the cluster by ipBlock or through an egress proxy.',
  needs: ['NetworkPolicy'],
  run: (context, report) => {
    for (const placed of context.policies().flatMap(placedRules)) {
      if (placed.direction !== 'Egress' || isOnlyDns(placed.rule)) continue;
      const whom = everyone(placed.rule, 'Egress');
      if (whom === undefined) continue;
      const ports = placed.rule.ports === undefined ? ' on every port' : '';
      report({ ...ruleReference(placed, context), message: `the rule allows egress to ${whom}${ports}` });
    }
  },
};

export const ingressFromEveryone: Check = {
  id: 'ingress-from-everyone',
  title: 'No rule allows ingress from everyone',
  severity: 'low',
  category: 'Boundary',
  controls: ['C-0030'],
  why: 'Every pod of the cluster reaches the selected pods then, those of other tenants included. This is seldom meant but for the entry of the cluster.',
  remedy:
    'Name the sources in `from`. Pods behind an ingress controller need only the controller (entity IngressControllers in a profile).',
  needs: ['NetworkPolicy'],
  run: (context, report) => {
    for (const placed of context.policies().flatMap(placedRules)) {
      if (placed.direction !== 'Ingress') continue;
      const whom = everyone(placed.rule, 'Ingress');
      if (whom === undefined) continue;
      const reference = ruleReference(placed, context);
      // The API server calls webhooks from addresses that differ from cluster to cluster, and the profile allows just that.
      if (reference.isOwn && reference.field === WEBHOOKS_FIELD) continue;
      const isWide = placed.rule.ports === undefined;
      report({
        ...reference,
        ...(isWide && { severity: 'medium' as const }),
        message: `the rule allows ingress from ${whom}${isWide ? ' on every port' : ''}`,
      });
    }
  },
};
