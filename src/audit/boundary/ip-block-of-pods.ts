import { type Address, containsAddress, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import type { KubeObject } from '../../api/meta.ts';
import { shortList } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import type { AuditContext } from '../context.ts';
import { placedRules, ruleReference } from './rule-reference.ts';
import { usesCilium } from './widened-flows.ts';

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
    .flatMap(({ ips, namespace, name }) => ips.flatMap((ip) => known(ip, `pod ${namespace}/${name}`)));
  const nodes = (snapshot.objects('Node') as readonly RawNode[]).flatMap(({ metadata, status }) =>
    (status?.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP')
      .flatMap(({ address }) => known(address, `node ${metadata.name}`)),
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
    const addresses = knownAddresses(context);
    const isCilium = usesCilium(context);
    for (const policy of context.policies()) {
      if (context.snapshot.ownerOf(policy) !== undefined) continue;
      for (const placed of placedRules(policy)) {
        for (const [index, { ipBlock }] of (placed.rule.peers ?? []).entries()) {
          const cidr = ipBlock && parseCidr(ipBlock.cidr);
          // A rule for the whole internet is not about the cluster's own addresses.
          if (ipBlock === undefined || cidr === undefined || cidr.prefix === 0) continue;
          const holes = (ipBlock.except ?? []).flatMap((text) => parseCidr(text) ?? []);
          const found = addresses.filter(
            ({ address }) =>
              containsAddress(cidr, address) && !holes.some((hole) => containsAddress(hole, address)),
          );
          if (found.length === 0) continue;
          const { object, field } = ruleReference(placed, context);
          const way = placed.direction === 'Ingress' ? 'from' : 'to';
          const effect = isCilium
            ? 'Cilium does not match them, so that the rule allows none'
            : 'engines differ in matching them';
          report({
            object,
            field: `${field}.${way}[${index}]`,
            ...(isCilium && { severity: 'high' as const }),
            message: `${ipBlock.cidr} holds addresses of ${shortList(found.map(({ of }) => of))}: ${effect}`,
          });
        }
      }
    }
  },
};
