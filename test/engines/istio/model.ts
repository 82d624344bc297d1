/**
 * The meaning of enforced AuthorizationPolicies that allow
 * (https://istio.io/latest/docs/reference/config/security/authorization-policy/), written down apart from the code that makes
 * them. istiod and Envoy judge it in test/oracle/engines.
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
  readonly notPrincipals?: readonly string[];
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

function isFrom(source: RawSource, to: Connection): boolean {
  const { namespaces, principals, notPrincipals, ipBlocks, notIpBlocks } = source;
  const namespace = to.principal?.split('/')[2];
  const within = (blocks: readonly string[]) => blocks.some((block) => contains(block, to.ip));
  return (
    (namespaces === undefined || (namespace !== undefined && namespaces.includes(namespace))) &&
    (principals === undefined || isAnyOf(principals, to.principal)) &&
    (notPrincipals === undefined || !isAnyOf(notPrincipals, to.principal)) &&
    (ipBlocks === undefined || within(ipBlocks)) &&
    (notIpBlocks === undefined || !within(notIpBlocks))
  );
}

/** `*` is every identity, and not its absence. */
function isAnyOf(principals: readonly string[], principal: string | undefined): boolean {
  return principal !== undefined && (principals.includes('*') || principals.includes(principal));
}

function contains(block: string, ip: string): boolean {
  const cidr = parseCidr(block);
  const address = parseAddress(ip);
  return cidr !== undefined && address !== undefined && containsAddress(cidr, address);
}
