import type { NetworkPolicyPeer } from '../../../api/network-policy.ts';
import { EVERYTHING, matches, selectorTerms } from '../../../policy/semantics/selector.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import { isExclusion } from '../../unseen-pods.ts';
import { placedRules, ruleReference } from './rule-reference.ts';

/** Why a peer of a policy in `namespace` matches nothing; undefined if it matches, or nobody can know. */
function emptiness(peer: NetworkPolicyPeer, namespace: string, context: AuditContext): string | undefined {
  const { podSelector = EVERYTHING, namespaceSelector, ipBlock } = peer;
  if (ipBlock !== undefined) return undefined;
  const { isComplete, namespaces } = context.snapshot;
  if (namespaceSelector !== undefined && !isComplete) return undefined;
  const chosen =
    namespaceSelector === undefined
      ? [namespace]
      : namespaces
          .map(({ name }) => name)
          .filter((name) => matches(namespaceSelector, context.labelsOf(name)));
  if (chosen.length === 0) {
    return `no namespace has the labels ${selectorTerms(namespaceSelector ?? EVERYTHING).join(',')}`;
  }
  if (chosen.some((name) => context.selectedPods(name, podSelector).length > 0)) return undefined;
  // A namespace without pods may get them later, and a selector that only excludes is for pods to come.
  if (isExclusion(podSelector) || !chosen.every((name) => context.knowsPodsOf(name))) return undefined;
  const where = namespaceSelector === undefined ? 'the namespace' : 'the selected namespaces';
  return `no pod of ${where} has the labels ${selectorTerms(podSelector).join(',')}`;
}

export const peerMatchesNothing: Check = {
  id: 'peer-matches-nothing',
  title: 'Every peer of a rule matches pods or namespaces',
  severity: 'low',
  category: 'Boundary',
  controls: ['C-0299'],
  why: 'A peer that matches nothing allows nothing now, and whoever creates a namespace or pod with these labels is let in.',
  remedy:
    'Correct the labels of the peer, or remove it. A rule without any peer left allows everyone: then remove the rule.',
  needs: ['Namespace', 'Pod', 'NetworkPolicy'],
  run: (context, report) => {
    for (const policy of context.policies()) {
      // Rules of profiles are for namespaces that come and go.
      if (context.snapshot.ownerOf(policy) !== undefined) continue;
      for (const placed of placedRules(policy)) {
        const { object, field } = ruleReference(placed, context);
        const way = placed.direction === 'Ingress' ? 'from' : 'to';
        for (const [index, peer] of (placed.rule.peers ?? []).entries()) {
          const message = emptiness(peer, policy.metadata.namespace ?? 'default', context);
          if (message !== undefined) report({ object, field: `${field}.${way}[${index}]`, message });
        }
      }
    }
  },
};
