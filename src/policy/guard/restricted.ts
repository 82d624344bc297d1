/** Foreign NetworkPolicies that allow more than a guard passes. Pure. */
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../api/network-policy.ts';
import type { RestrictedPolicy } from '../../api/profile.ts';
import { isolates, rulesOf } from '../semantics/normalize.ts';
import { selectorTerms } from '../semantics/selector.ts';
import { shortList } from '../../util/list-text.ts';
import { compareText } from '../../util/order.ts';
import { coversPass } from './cover.ts';
import type { Guard, GuardPass, GuardPeer, PortRange } from './guard.ts';
import { passesOfRule } from './passes.ts';

export interface RestrictionOptions {
  /** The directions in which the guard denies something. */
  readonly directions: ReadonlySet<PolicyType>;
  /** True if the guard denies sources of ingress that are no pods. */
  readonly deniesAddressSources: boolean;
}

/** How many flows a message names. */
const NAMED = 3;

/**
 * The policies of which some rule allows flows that the guard may deny, by namespace and name. A rule counts if no single pass
 * has all of it: two passes together may.
 *
 * @param foreign NetworkPolicies of guarded namespaces
 */
export function restrictedPolicies(
  { directions: guarded }: Guard,
  foreign: readonly NetworkPolicy[],
  options: RestrictionOptions,
): RestrictedPolicy[] {
  return foreign
    .flatMap(({ metadata: { namespace = '', name }, spec }): RestrictedPolicy[] => {
      const texts = DIRECTIONS.flatMap((direction) => {
        const { passes } = guarded.find((each) => each.direction === direction) ?? {};
        if (passes === undefined || !options.directions.has(direction)) return [];
        if (!isolates(spec).includes(direction)) return [];
        return rulesOf(spec, direction)
          .flatMap((rule) => passesOfRule(name, rule))
          .filter(
            ({ peer }) => direction === 'Egress' || options.deniesAddressSources || peer.kind !== 'addresses',
          )
          .flatMap(byPort)
          .filter((pass) => !passes.some((each) => coversPass(each, pass)))
          .map((pass) => flowText(direction, pass));
      });
      if (texts.length === 0) return [];
      return [{ namespace, name, message: shortList([...new Set(texts)], { most: NAMED }) }];
    })
    .sort((a, b) => compareText(a.namespace, b.namespace) || compareText(a.name, b.name));
}

/** The pass for each of its ports. */
function byPort(pass: GuardPass): GuardPass[] {
  return pass.ports === undefined ? [pass] : pass.ports.map((port) => ({ ...pass, ports: [port] }));
}

function flowText(direction: PolicyType, { peer, ports }: GuardPass): string {
  const preposition = direction === 'Ingress' ? 'from' : 'to';
  const on = ports === undefined ? '' : ` on ${ports.map(portText).join(', ')}`;
  return `${direction.toLowerCase()} ${preposition} ${peerText(peer)}${on}`;
}

function peerText(peer: GuardPeer): string {
  if (peer.kind === 'everyone') return 'everyone';
  if (peer.kind === 'addresses')
    return peer.except.length === 0 ? peer.cidr : `${peer.cidr} except ${shortList(peer.except)}`;
  const pods = selectorTerms(peer.podSelector).join(',');
  const namespaces = selectorTerms(peer.namespaceSelector).join(',');
  return `${pods === '' ? 'pods' : `pods ${pods}`} of ${namespaces === '' ? 'any namespace' : `namespaces ${namespaces}`}`;
}

function portText({ protocol, from, to }: PortRange): string {
  return `${protocol} ${from === to ? from : `${from}-${to}`}`;
}
