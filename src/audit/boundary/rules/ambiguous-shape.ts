import { isolates, rulesOf } from '../../../policy/semantics/normalize.ts';
import { parseCidr } from '../../../policy/semantics/cidr.ts';
import type { Check } from '../../check.ts';
import { type AuditContext, policyReference, workloadsOf } from '../../context.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import { EVERYTHING, matches } from '../../../policy/semantics/selector.ts';
import { type PlacedRule, placedRules, ruleReference } from './rule-reference.ts';

const BOTH_DIRECTIONS =
  'the policy has rules for both directions; between two pods that it selects, some engines let one match pass for both';
const SEVERAL_BLOCKS =
  "the rule has several ipBlocks of one family, one of them with except; some engines apply a block's except to the others";
const NAMED_PORT =
  'the rule allows egress to a named port at addresses; engines resolve the name differently, or not at all';

/** The shapes of one rule that engines are known to enforce differently (docs/semantics.md, "Engines"). */
function ambiguities({ rule, direction }: PlacedRule): string[] {
  const blocks = (rule.peers ?? []).flatMap(({ ipBlock }) => ipBlock ?? []);
  const families = Map.groupBy(blocks, ({ cidr }) => parseCidr(cidr)?.family);
  const hasMixedBlocks = [...families.values()].some(
    (list) => list.length > 1 && list.some(({ except = [] }) => except.length > 0),
  );
  const hasNamedPort = rule.ports?.some(({ port }) => typeof port === 'string') === true;
  const isNameUnclear =
    direction === 'Egress' && hasNamedPort && (rule.peers === undefined || blocks.length > 0);
  return [...(hasMixedBlocks ? [SEVERAL_BLOCKS] : []), ...(isNameUnclear ? [NAMED_PORT] : [])];
}

/** Only flows between two pods of the policy are ambiguous: a policy for a single workload has few of them. */
function selectsSeveral({ metadata, spec }: NetworkPolicy, context: AuditContext): boolean {
  const selector = spec.podSelector ?? EVERYTHING;
  const pods = context.podsOf(metadata.namespace ?? 'default');
  return workloadsOf(pods.filter(({ labels }) => matches(selector, labels))).length > 1;
}

export const ambiguousShape: Check = {
  id: 'ambiguous-policy-shape',
  title: 'No policy has a shape that engines enforce differently',
  severity: 'low',
  category: 'Boundary',
  controls: [],
  why: 'Widely used network plugins depart from the API for these shapes, so that a flow may be allowed that the policy denies.',
  remedy:
    'Write one policy for each direction, one ipBlock with except to a rule, and numbers for ports of egress.',
  needs: ['NetworkPolicy'],
  run: (context, report) => {
    for (const policy of context.policies()) {
      if (context.snapshot.ownerOf(policy) !== undefined) continue;
      const { spec } = policy;
      const limited = isolates(spec).filter((direction) => rulesOf(spec, direction).length > 0);
      if (limited.length === 2 && selectsSeveral(policy, context)) {
        report({
          object: policyReference(policy),
          field: 'spec',
          severity: 'info',
          message: BOTH_DIRECTIONS,
        });
      }
      for (const placed of placedRules(policy)) {
        for (const message of ambiguities(placed)) report({ ...ruleReference(placed, context), message });
      }
    }
  },
};
