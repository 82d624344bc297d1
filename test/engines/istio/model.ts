/**
 * The meaning of enforced AuthorizationPolicies that allow (https://istio.io/latest/docs/reference/config/security/authorization-policy/),
 * written down apart from the code that makes them. istiod and Envoy judge it in test/oracle/engines.
 */
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { containsAddress, parseAddress, parseCidr } from '../../../src/policy/semantics/cidr.ts';

export interface Connection {
  /** TRUSTDOMAIN/ns/NAMESPACE/sa/ACCOUNT; absent without mutual TLS. */
  readonly principal?: string;
  readonly ip: string;
  readonly port: number;
}

interface RawSource {
  readonly namespaces?: readonly string[];
  readonly principals?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
}

interface RawSpec {
  readonly selector?: { readonly matchLabels?: StringMap };
  readonly rules?: readonly {
    readonly from?: readonly { readonly source: RawSource }[];
    readonly to?: readonly { readonly operation: { readonly ports?: readonly string[] } }[];
  }[];
}

/** True if the policies of a namespace let the connection in to its workload with these labels. */
export function meshAllows(policies: readonly KubeObject[], labels: StringMap, to: Connection): boolean {
  const specs = policies
    .filter(({ metadata }) => metadata.annotations?.['istio.io/dry-run'] !== 'true')
    .map((policy) => (policy as { spec?: RawSpec }).spec ?? {})
    .filter(({ selector }) =>
      Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value),
    );
  if (specs.length === 0) return true;
  return specs.some(({ rules = [] }) =>
    rules.some(
      (rule) =>
        (rule.from ?? [{ source: {} }]).some(({ source }) => isFrom(source, to)) &&
        (rule.to ?? [{ operation: {} }]).some(
          ({ operation }) => operation.ports?.includes(String(to.port)) ?? true,
        ),
    ),
  );
}

function isFrom({ namespaces, principals, ipBlocks, notIpBlocks }: RawSource, to: Connection): boolean {
  const namespace = to.principal?.split('/')[2];
  const within = (blocks: readonly string[]) => blocks.some((block) => contains(block, to.ip));
  return (
    (namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace))) &&
    (principals === undefined || (to.principal !== undefined && principals.includes(to.principal))) &&
    (ipBlocks === undefined || within(ipBlocks)) &&
    (notIpBlocks === undefined || !within(notIpBlocks))
  );
}

function contains(block: string, ip: string): boolean {
  const cidr = parseCidr(block);
  const address = parseAddress(ip);
  return cidr !== undefined && address !== undefined && containsAddress(cidr, address);
}
