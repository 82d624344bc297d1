/** The texts of a profile's status. Pure. */
import type { Connection } from '../../api/profile.ts';
import { connectionText } from '../../policy/connections/usage.ts';
import { counted, shortList } from '../../util/list-text.ts';
import { smallest } from '../../util/order.ts';
import type { Unresolved } from '../results.ts';
import type { CurrentResult, Tally } from './tally.ts';

/** How many peers or namespaces a message names. */
const NAMED = 3;
/** Longest message of the API server that is repeated, in characters. */
const MAX_MESSAGE = 1024;

/** A message cut to a bounded length: the API server's can repeat a whole object. */
export function brief(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message;
}

/** The first names in order, and how many more there are. */
export function named(names: readonly string[]): string {
  return shortList(smallest(names, NAMED), { most: NAMED, total: names.length });
}

/** `egress rule a, peer service b/c`, or `connection a, end to, service b/c`. */
export function ruleAndPeer({ direction, rule, end, peer }: Unresolved): string {
  return end === undefined
    ? `${direction.toLowerCase()} rule ${rule}, peer ${brief(peer)}`
    : `connection ${rule}, end ${end}, ${brief(peer)}`;
}

/** Names the first connections that no policy carries, and what to do. */
export function unusedMessage(unused: readonly Connection[]): string {
  const names = unused.map(connectionText);
  return (
    `no end lies in a selected namespace: ${shortList(names, { most: NAMED })}; ` +
    'correct the ends, select their namespaces, or remove the connection'
  );
}

/** Names each unresolved rule and peer once, with the first namespace in which it is unresolved. */
export function unresolvedMessage(unresolved: readonly CurrentResult[]): string {
  const distinct = new Map<string, { first: string; peer: Unresolved; namespaces: Set<string> }>();
  for (const [namespace, result] of unresolved) {
    for (const peer of result.unresolved) {
      const key = ruleAndPeer(peer);
      const known = distinct.get(key);
      if (known) known.namespaces.add(namespace);
      else distinct.set(key, { first: namespace, peer, namespaces: new Set([namespace]) });
    }
  }
  const texts = [...distinct.values()].slice(0, NAMED).map(({ first, peer, namespaces }) => {
    const more = namespaces.size > 1 ? ` (and in ${namespaces.size - 1} more)` : '';
    return `${ruleAndPeer(peer)}, in namespace ${first}: ${brief(peer.message)}${more}`;
  });
  const more = distinct.size - NAMED;
  return texts.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** Names the namespaces that are pending, and what the first of them waits for. */
export function pendingMessage({ pending, notable }: Tally): string {
  const [first] = smallest(pending, 1);
  const failure = notable.find(([namespace]) => namespace === first)?.[1].failure;
  const reason = failure === undefined ? '' : ` (${brief(failure.message)})`;
  return `${counted(pending.length, 'namespace')} pending: ${named(pending)}${reason}`;
}

/** @param removing how many namespaces have policies that the profile no longer wants */
export function removingMessage(removing: number): string {
  return `policies are being removed from ${counted(removing, 'namespace')}`;
}
