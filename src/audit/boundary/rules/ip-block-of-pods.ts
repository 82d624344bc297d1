import { type Address, containsAddress, parseAddress, parseCidr } from '../../../policy/semantics/cidr.ts';
import type { KubeObject } from '../../../api/meta.ts';
import type { IPBlock } from '../../../api/network-policy.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import { objectText } from '../../finding.ts';
import { placedRules, ruleReference } from './rule-reference.ts';
import { usesCilium } from '../../../engines/layers/kinds.ts';

interface RawNode extends KubeObject {
  readonly status?: { readonly addresses?: readonly { readonly type: string; readonly address: string }[] };
}

interface KnownAddress {
  readonly address: Address;
  readonly of: string;
}

/** Addresses of the cluster that an engine may know by identity instead. */
function knownAddresses({ snapshot }: AuditContext): KnownAddress[] {
  const known = (ip: string, of: string) => {
    const address = parseAddress(ip);
    return address === undefined ? [] : [{ address, of }];
  };
  const pods = snapshot.pods
    .filter(({ hostNetwork }) => hostNetwork !== true)
    .flatMap(({ ips, workload }) => ips.flatMap((ip) => known(ip, objectText(workload))));
  const nodes = (snapshot.objects('Node') as readonly RawNode[]).flatMap(({ metadata, status }) =>
    (status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP')
      .flatMap(({ address }) => known(address, `Node ${metadata.name}`)),
  );
  return [...pods, ...nodes];
}

export const ipBlockOfPods: Check = {
  id: 'ip-block-of-pods',
  title: 'No ipBlock names the addresses of pods or nodes',
  severity: 'low',
  category: 'Boundary',
  controls: [],
  why: "A pod's address changes with every restart. Cilium matches neither pods nor nodes by ipBlock at all, and after address translation other engines see another address.",
  remedy:
    'Select pods by podSelector and namespaceSelector. For nodes and the API server use an entity of a profile.',
  needs: ['Pod', 'NetworkPolicy'],
  run: (context, report) => {
    const isCilium = usesCilium(context.snapshot);
    const holding = addressesIn(context);
    const carried = carriedByCilium(context);
    for (const policy of context.policies()) {
      const owner = context.snapshot.ownerOf(policy);
      const isOwn = owner !== undefined;
      // A profile has the addresses of nodes from its entities, which only Cilium does not match, and CiliumNetworkPolicies carry.
      if (isOwn && (!isCilium || carried.has(`${policy.metadata.namespace} ${owner}`))) continue;
      for (const placed of placedRules(policy)) {
        const { object, field } = ruleReference(placed, context);
        const way = placed.direction === 'Ingress' ? 'from' : 'to';
        for (const [index, { ipBlock }] of (placed.rule.peers ?? []).entries()) {
          const found = ipBlock && holding(ipBlock);
          if (ipBlock === undefined || found === undefined) continue;
          report({
            object,
            field: isOwn ? field : `${field}.${way}[${index}]`,
            message: `${ipBlock.cidr} holds addresses of ${found}: ${isCilium ? ON_CILIUM : 'engines differ in matching them'}`,
            ...(isCilium && { severity: 'high' as const }),
            ...(isOwn && { remedy: OWN_REMEDY }),
          });
        }
      }
    }
  },
};

const ON_CILIUM =
  'Cilium does not match them, unless policy-cidr-match-mode includes nodes, so that the rule allows none';
const OWN_REMEDY =
  "Let the operator write CiliumNetworkPolicies (config/engines/cilium), or set policy-cidr-match-mode: nodes in Cilium's configuration.";

/** The namespaces and profiles whose entities are carried by own CiliumNetworkPolicies. */
function carriedByCilium({ snapshot }: AuditContext): ReadonlySet<string> {
  const policies = snapshot.objects('CiliumNetworkPolicy').flatMap(({ metadata }) => {
    const owner = snapshot.ownerOf({ metadata });
    return owner === undefined ? [] : [`${metadata.namespace} ${owner}`];
  });
  return new Set(policies);
}

/** Returns a function from a block to the owners of addresses in it, as text. Many namespaces have the same blocks. */
function addressesIn(context: AuditContext): (block: IPBlock) => string | undefined {
  const addresses = knownAddresses(context);
  const known = new Map<string, string | undefined>();
  return ({ cidr: text, except = [] }) => {
    const key = [text, ...except].join(' ');
    if (known.has(key)) return known.get(key);
    const cidr = parseCidr(text);
    const holes = except.flatMap((each) => parseCidr(each) ?? []);
    const owners = new Set<string>();
    for (const { address, of } of addresses) {
      // A rule for the whole internet is not about the cluster's own addresses.
      if (cidr === undefined || cidr.prefix === 0 || !containsAddress(cidr, address)) continue;
      if (!holes.some((hole) => containsAddress(hole, address))) owners.add(of);
    }
    const found = owners.size === 0 ? undefined : shortList([...owners]);
    known.set(key, found);
    return found;
  };
}
