/** A reach as the renderings need it: names to show, and what each rule is for. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../api/names.ts';
import type { GroupName, Reach } from '../../analysis/reach.ts';
import { notesOf } from '../../policy/notes.ts';

/** What a rule of a policy is for, as far as the policy says. */
export interface RuleOrigin {
  /** The profile's rule, or `baseline.NAME`. */
  readonly rule?: string;
  readonly description?: string;
}

/** The name of a group as people write it: `namespace/name`, with the kind where it is no namespace. */
export function groupText({ namespace, kind, name }: GroupName): string {
  if (namespace === undefined) return name;
  return kind === 'Namespace' ? namespace : `${namespace}/${name}`;
}

/** The profile that a policy is of; undefined for somebody else's. */
export function profileOf({ metadata: { labels = {} } }: NetworkPolicy): string | undefined {
  return labels[LABEL_MANAGED_BY] === MANAGER ? labels[LABEL_PROFILE] : undefined;
}

/** One for each rule that the policy notes, in order; a description stands with the first rule of its source. */
export function originsOf(policy: NetworkPolicy): readonly RuleOrigin[] {
  const descriptions = new Map<string, string>();
  return notesOf(policy).map((note): RuleOrigin => {
    // Somebody may have written something else there.
    const { rule, description }: Readonly<Record<string, unknown>> = { ...note };
    if (typeof rule !== 'string') return {};
    if (typeof description === 'string') descriptions.set(rule, description);
    const known = descriptions.get(rule);
    return { rule, ...(known !== undefined && { description: known }) };
  });
}

/** The part of a reach in which one end is in one of the namespaces; addresses stay. */
export function narrowed(whole: Reach, namespaces: ReadonlySet<string>): Reach {
  const inside = whole.groups.map(({ namespace }) => namespace !== undefined && namespaces.has(namespace));
  const links = whole.links.filter(({ from, to }) => inside[from] === true || inside[to] === true);
  const linked = new Set(links.flatMap(({ from, to }) => [from, to]));
  const kept = whole.groups.map((_, index) => inside[index] === true || linked.has(index));
  const numbers = new Map<number, number>();
  for (const [index, keep] of kept.entries()) if (keep) numbers.set(index, numbers.size);
  const at = (index: number) => numbers.get(index) ?? -1;
  const rules = (policy: Reach['policies'][number], direction: PolicyType) =>
    policy[direction]?.map(({ peers, ports }) => ({
      peers: peers === 'any' ? peers : peers.filter((peer) => kept[peer] === true).map(at),
      ports,
    }));
  return {
    groups: whole.groups.filter((_, index) => kept[index] === true),
    links: links.map((link) => ({ ...link, from: at(link.from), to: at(link.to) })),
    policies: whole.policies.map((policy) => {
      const [ingress, egress] = [rules(policy, 'Ingress'), rules(policy, 'Egress')];
      return {
        policy: policy.policy,
        ...(ingress && { Ingress: ingress }),
        ...(egress && { Egress: egress }),
      };
    }),
  };
}
