/**
 * Rules of AuthorizationPolicies as ztunnel has them: it knows connections, and no requests. istiod tells it nothing of CUSTOM policies
 * and of rules about requests that allow, and of the others what is not about requests
 * (https://istio.io/latest/docs/ambient/usage/l4-policy/). Pure.
 */
import { listOf, type Raw, recordOf, textOf } from '../../../policy/semantics/raw.ts';

const OF_REQUESTS: ReadonlySet<string> = new Set(
  ['hosts', 'methods', 'paths', 'requestPrincipals', 'remoteIpBlocks'].flatMap((field) => [
    field,
    `not${field.charAt(0).toUpperCase()}${field.slice(1)}`,
  ]),
);
const CONDITIONS: ReadonlySet<string> = new Set([
  'source.ip',
  'source.namespace',
  'source.principal',
  'destination.ip',
  'destination.port',
]);

/** The rule without its parts about requests; undefined if it matches no connection. */
export function ruleAtZtunnel(rule: Raw, action: string): Raw | undefined {
  if (action === 'CUSTOM') return undefined;
  const sources = listOf(rule['from']).map((each) => recordOf(recordOf(each)['source']));
  const operations = listOf(rule['to']).map((each) => recordOf(recordOf(each)['operation']));
  const keys = listOf(rule['when']).map((each) => textOf(recordOf(each)['key']));
  const isOfRequests = [...sources, ...operations].some((each) => termsOf(each).some(isOfRequest));
  const hasOtherConditions = keys.some((key) => !CONDITIONS.has(key));
  if (hasOtherConditions || (action === 'ALLOW' && isOfRequests)) return undefined;
  // A part of a rule without any term matches nothing.
  const [from, to] = [sources, operations].map((parts) =>
    parts.map(withoutRequests).filter((each) => termsOf(each).length > 0),
  );
  if ((sources.length > 0 && from?.length === 0) || (operations.length > 0 && to?.length === 0))
    return undefined;
  return {
    ...rule,
    ...(sources.length > 0 && { from: from?.map((source) => ({ source })) }),
    ...(operations.length > 0 && { to: to?.map((operation) => ({ operation })) }),
  };
}

function isOfRequest(field: string): boolean {
  return OF_REQUESTS.has(field);
}

/** The fields that say something. */
function termsOf(part: Raw): string[] {
  return Object.keys(part).filter((field) => listOf(part[field]).length > 0);
}

function withoutRequests(part: Raw): Raw {
  return Object.fromEntries(Object.entries(part).filter(([field]) => !isOfRequest(field)));
}
