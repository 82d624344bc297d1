/** The parts of a reach that every output needs: names of groups, and the profile's rule behind each rule. Pure. */
import type { NetworkPolicy, PolicyType } from '../../api/network-policy.ts';
import type { GroupName } from '../../analysis/group.ts';
import { formatPorts } from '../../analysis/model/ports.ts';
import type { GroupLink, Reach } from '../../analysis/reach/reach.ts';
import { notesOf } from '../../policy/notes.ts';
import { shortList } from '../../util/list-text.ts';
import { layerObjectText } from '../commands/explain/layer-text.ts';

/** The profile's rule behind a rule of a policy, as the policy's annotation names it. */
export interface RuleOrigin {
  /** The profile's rule, `connection NAME`, or `baseline.NAME`. */
  readonly rule?: string;
  readonly description?: string;
}

/** The name of a group for people: `namespace/name`, or the name of a namespace or address block. */
export function groupText({ namespace, kind, name }: GroupName): string {
  if (namespace === undefined) return name;
  return kind === 'Namespace' ? namespace : `${namespace}/${name}`;
}

/** The ports of a link for people, with those of which it is not known if they are allowed. */
export function linkPorts({ ports, unknown }: Pick<GroupLink, 'ports' | 'unknown'>): string {
  return [
    ...(ports.length > 0 ? [formatPorts(ports)] : []),
    ...(unknown === undefined ? [] : [`unknown: ${formatPorts(unknown)}`]),
  ].join('; ');
}

/** The policies of other kinds that decide about a link, for people; empty if NetworkPolicies alone do. */
export function linkLayers({ layers = [] }: Pick<GroupLink, 'layers'>): string {
  return shortList(layers.map(layerObjectText), { most: MAX_NAMED });
}

/** Policies that the text of a link names. */
const MAX_NAMED = 2;

/** The ports of a link, and the policies of other kinds that decide about them. */
export function linkText(link: Pick<GroupLink, 'ports' | 'unknown' | 'layers'>): string {
  const by = linkLayers(link);
  return by === '' ? linkPorts(link) : `${linkPorts(link)} (${by})`;
}

/** The origin of each rule of a policy, in order. The annotation has a description only with the first rule of its origin. */
export function originsOf(policy: NetworkPolicy): readonly RuleOrigin[] {
  const descriptions = new Map<string, string>();
  return notesOf(policy).map((note): RuleOrigin => {
    // The annotation may have been edited to anything.
    const { rule: name, kind, description }: Readonly<Record<string, unknown>> = { ...note };
    if (typeof name !== 'string') return {};
    const rule = kind === 'connection' ? `connection ${name}` : name;
    if (typeof description === 'string') descriptions.set(rule, description);
    const known = descriptions.get(rule);
    return { rule, ...(known !== undefined && { description: known }) };
  });
}

/** The links that have an end in one of the namespaces, with their groups. */
export function reachWithin(whole: Reach, namespaces: ReadonlySet<string>): Reach {
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
