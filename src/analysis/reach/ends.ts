/** Ends of a connection: which ports the policies of a class of pods allow with another class, or with a block of addresses. Pure. */
import type { PolicyType } from '../../api/network-policy.ts';
import type { IPFamily } from '../../policy/semantics/cidr.ts';
import { networkPodOf, type Pod } from '../cluster.ts';
import type { Effect } from '../layers/decision.ts';
import type { LayeredView, StandInRole } from '../layers/layered-view.ts';
import { BoundsOfEnd, type OtherEnd, type PortBounds, type RuleMatch } from '../layers/port-bounds.ts';
import { type AddressBlock, covers, coversBoth, overlaps } from '../model/address-blocks.ts';
import type { PodClass } from '../model/pod-classes.ts';
import type { PortMask, PortSpace } from '../model/ports.ts';
import type { CompiledPeer, CompiledPolicy, Rule } from '../model/rules.ts';

export interface EndsOptions {
  readonly ports: PortSpace;
  /** The roles of policies that stand for rules of other kinds. */
  readonly roles: LayeredView['roles'];
  /** Equal peers have equal keys. */
  readonly peerKeys: ReadonlyMap<CompiledPeer, string>;
}

export class Ends {
  readonly #ports: PortSpace;
  readonly #roles: LayeredView['roles'];
  readonly #peerKeys: EndsOptions['peerKeys'];
  /** By the policies of a class. */
  readonly #bounds = {
    Ingress: new Map<readonly CompiledPolicy[], BoundsOfEnd>(),
    Egress: new Map<readonly CompiledPolicy[], BoundsOfEnd>(),
  };

  constructor({ ports, roles, peerKeys }: EndsOptions) {
    this.#ports = ports;
    this.#roles = roles;
    this.#peerKeys = peerKeys;
  }

  /** The other end as the rules of a class see it. */
  ofClass(own: PodClass, direction: PolicyType, other: PodClass, family: IPFamily): OtherEnd {
    const destination = networkPodOf({ kind: 'pod', pod: direction === 'Ingress' ? own.pod : other.pod });
    const selects = (peer: CompiledPeer) =>
      other.peers.get(this.#peerKeys.get(peer) ?? '')?.includes(family) === true;
    const matchOf = ({ peers }: Rule) => (peers === 'any' || peers.some(selects) ? 'yes' : 'no');
    return this.#otherEnd(matchOf, destination && (destination.ports ?? []));
  }

  /** Every address of the block as the rules of a class see it. */
  ofBlock({ pod }: PodClass, direction: PolicyType, block: AddressBlock): OtherEnd {
    const named = direction === 'Ingress' ? (pod.ports ?? []) : undefined;
    return this.#otherEnd((rule, effect) => matchOfBlock(rule, effect, block), named);
  }

  /** The ports that the policies of one end allow with another. */
  allowed(policies: readonly CompiledPolicy[], direction: PolicyType, other: OtherEnd): PortBounds {
    const { matchOf, portsOf, every } = other;
    if (this.#roles.size > 0 && policies.some(({ policy }) => this.#roles.has(policy)))
      return this.#boundsOf(policies, direction).with(other);
    if (policies.length === 0) return { least: every, most: every };
    let open: PortMask = 0n;
    for (const policy of policies)
      for (const rule of policy[direction] ?? []) if (matchOf(rule, 'allow') === 'yes') open |= portsOf(rule);
    return { least: open, most: open };
  }

  /** The rules of layers that decide about the other end; undefined if there are none. */
  deciders(
    { selecting }: PodClass,
    direction: PolicyType,
    other: OtherEnd,
  ): readonly StandInRole[] | undefined {
    const policies = selecting[direction];
    if (!policies.some(({ policy }) => this.#roles.has(policy))) return undefined;
    return this.#boundsOf(policies, direction).deciders(other);
  }

  #otherEnd(matchOf: OtherEnd['matchOf'], containerPorts: Pod['ports']): OtherEnd {
    const portsOf = (rule: Rule) => this.#ports.maskOf(rule, containerPorts);
    return { matchOf, portsOf, every: this.#ports.every };
  }

  #boundsOf(policies: readonly CompiledPolicy[], direction: PolicyType): BoundsOfEnd {
    const known = this.#bounds[direction];
    let bounds = known.get(policies);
    if (bounds === undefined)
      known.set(policies, (bounds = new BoundsOfEnd(policies, direction, this.#roles)));
    return bounds;
  }
}

/** Any address stands for those that no rule names. */
function matchOfBlock({ peers }: Rule, effect: Effect, block: AddressBlock): RuleMatch {
  if (peers === 'any') return 'yes';
  if (peers.some((peer) => covers(peer, block))) return 'yes';
  if (effect === 'allow') return coversBoth(peers, block) ? 'yes' : 'no';
  if (!peers.some((peer) => overlaps(peer, block))) return 'no';
  return effect === 'deny' ? 'yes' : 'maybe';
}
