/**
 * From a guard to the rules of a GlobalNetworkPolicy: passes, and then a rule that denies the rest. Pure.
 *
 * The kind says all that a guard says, sources of ingress by address too.
 */
import { DIRECTIONS, type PolicyType } from '../../../api/network-policy.ts';
import type { Guard, GuardDirection, GuardPass, GuardPeer, PortRange } from '../../../policy/guard/guard.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import { listText } from '../../../util/list-text.ts';
import { byKey } from '../../../util/order.ts';
import { type CompiledGuard, type GuardForm, type GuardTooLarge, ruleMeaning } from '../../guards/carrier.ts';
import type { AtLeastOne, CalicoPort, CalicoProtocol } from '../policy.ts';
import { calicoSelector, labelSelectorOf } from '../selector.ts';
import {
  type AddressesEnd,
  type GuardEnd,
  MAX_NETS,
  MAX_PORTS,
  MAX_RULES,
  MAX_SELECTOR,
  type PassRule,
  REST,
} from './policy.ts';

export function compileGuardForm({ subject, directions }: Guard): CompiledGuard | GuardTooLarge {
  const open: { direction: PolicyType; rules: readonly string[] }[] = [];
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  const tooLarge: string[] = [];
  for (const each of directions) {
    const { direction, passes } = each;
    const everything = passes.filter(({ peer, ports }) => peer.kind === 'everyone' && ports === undefined);
    if (everything.length > 0) {
      open.push({ direction, rules: [...new Set(everything.flatMap((pass) => pass.rules))].sort() });
      continue;
    }
    const passing = rulesOf(each);
    rules[direction] = [...passing, REST];
    if (passing.length + 1 > MAX_RULES) tooLarge.push(`${passing.length + 1} rules of ${direction}`);
    tooLarge.push(...longSelectors(passing).map((text) => `the selector ${text} of ${direction}`));
  }
  const own = calicoSelector(subject);
  if (own.length > MAX_SELECTOR) tooLarge.push(`the selector ${own} of its namespaces`);
  if (tooLarge.length > 0) return { kind: 'too-large', message: tooLargeMessage(tooLarge) };
  // The API server returns it in this form.
  return { kind: 'compiled', form: { subject: labelSelectorOf(own) ?? subject, rules }, open };
}

/** All that one form or the other passes; undefined if the rules are too many. Only directions that both guard are guarded. */
export function unionOf(before: GuardForm, form: GuardForm): GuardForm | undefined {
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  for (const direction of DIRECTIONS) {
    const [old, next] = [before.rules[direction], form.rules[direction]];
    if (old === undefined || next === undefined) continue;
    const all = [...next.slice(0, -1), ...old.slice(0, -1)];
    const distinct = [...new Map(all.map((rule) => [ruleMeaning(rule), rule])).values()];
    if (distinct.length + 1 > MAX_RULES) return undefined;
    rules[direction] = [...distinct, REST];
  }
  return { subject: form.subject, rules };
}

/** Networks without exceptions that are passed on the same ports share rules. */
function rulesOf({ direction, passes }: GuardDirection): PassRule[] {
  const byPorts = Map.groupBy(passes, ({ ports }) => portsKey(ports));
  const rules = [...byPorts].sort(byKey).flatMap(([, group]) => {
    const [first] = group;
    const ends = new Map(endsOf(group).map((end) => [canonicalJSON(end), end]));
    return [...ends]
      .sort(byKey)
      .flatMap(([, end]) => portRules(first?.ports).map((ports) => passRule(direction, end, ports)));
  });
  return [...new Map(rules.map((rule) => [canonicalJSON(rule), rule])).values()];
}

function endsOf(passes: readonly GuardPass[]): GuardEnd[] {
  const plain = passes.flatMap(({ peer }) =>
    peer.kind === 'addresses' && peer.except.length === 0 ? [peer.cidr] : [],
  );
  const networks = chunksOf([...new Set(plain)].sort(), MAX_NETS).map((nets): AddressesEnd => ({ nets }));
  return [...networks, ...passes.flatMap(({ peer }) => endOf(peer))];
}

/** None for networks without exceptions. */
function endOf(peer: GuardPeer): GuardEnd[] {
  switch (peer.kind) {
    case 'everyone':
      return [{}];
    case 'pods':
      return [
        {
          namespaceSelector: calicoSelector(peer.namespaceSelector),
          selector: calicoSelector(peer.podSelector),
        },
      ];
    case 'addresses': {
      const [first, ...more] = [...peer.except].sort();
      return first === undefined ? [] : [{ nets: [peer.cidr], notNets: [first, ...more] }];
    }
  }
}

interface RulePorts {
  readonly protocol?: CalicoProtocol;
  readonly ports?: AtLeastOne<CalicoPort>;
}

/** A rule has one protocol. */
function portRules(ports: readonly PortRange[] | undefined): readonly RulePorts[] {
  if (ports === undefined) return [{}];
  return [...Map.groupBy(ports, ({ protocol }) => protocol)].sort(byKey).flatMap(([protocol, ranges]) => {
    const texts = new Map(
      ranges.map(({ from, to }) => [portKey(from, to), from === to ? from : `${from}:${to}`]),
    );
    const sorted = [...texts].sort(byKey).map(([, port]) => port);
    return chunksOf<CalicoPort>(sorted, MAX_PORTS).map((chunk) => ({ protocol, ports: chunk }));
  });
}

function passRule(direction: PolicyType, end: GuardEnd, { protocol, ports }: RulePorts): PassRule {
  const isEveryone = Object.keys(end).length === 0;
  const destination =
    direction === 'Ingress' ? { ...(ports && { ports }) } : { ...end, ...(ports && { ports }) };
  return {
    action: 'Pass',
    ...(protocol !== undefined && { protocol }),
    ...(direction === 'Ingress' && !isEveryone && { source: end }),
    ...(Object.keys(destination).length > 0 && { destination }),
  };
}

function portsKey(ports: readonly PortRange[] | undefined): string {
  if (ports === undefined) return '';
  return [...new Set(ports.map(({ protocol, from, to }) => `${protocol} ${portKey(from, to)}`))]
    .sort()
    .join();
}

function portKey(from: number, to: number): string {
  return `${String(from).padStart(5, '0')}-${String(to).padStart(5, '0')}`;
}

function longSelectors(rules: readonly PassRule[]): string[] {
  const selectors = rules.flatMap(({ source, destination }) =>
    [source, destination].flatMap((end) =>
      end !== undefined && 'selector' in end ? [end.namespaceSelector, end.selector] : [],
    ),
  );
  return [...new Set(selectors)]
    .filter((text) => (text?.length ?? 0) > MAX_SELECTOR)
    .map((text) => `${text?.slice(0, 60)}...`);
}

function chunksOf<T>(items: readonly T[], size: number): AtLeastOne<T>[] {
  const chunks: AtLeastOne<T>[] = [];
  for (let start = 0; start < items.length; start += size) {
    const [first, ...more] = items.slice(start, start + size);
    if (first !== undefined) chunks.push([first, ...more]);
  }
  return chunks;
}

function tooLargeMessage(parts: readonly string[]): string {
  return (
    `the guard needs ${listText(parts)}, and a GlobalNetworkPolicy has at most ${MAX_RULES} rules of a direction and ` +
    `${MAX_SELECTOR} characters of a selector: use wider peers, or divide the profile in two`
  );
}
