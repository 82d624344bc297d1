/** The texts of a profile's status. Pure. */
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

export function ruleAndPeer({ direction, rule, peer }: Unresolved): string {
  return `${direction.toLowerCase()} rule ${rule}, peer ${brief(peer)}`;
}

/** Names each unresolved rule and peer once, with the first namespace in which it is unresolved. */
export function unresolvedMessage(unresolved: readonly CurrentResult[]): string {
  const distinct = new Map<string, { first: string; peer: Unresolved; namespaces: number }>();
  for (const [namespace, result] of unresolved) {
    for (const peer of result.unresolved) {
      const key = `${peer.direction} ${peer.rule} ${peer.peer}`;
      const known = distinct.get(key);
      if (known) known.namespaces += 1;
      else distinct.set(key, { first: namespace, peer, namespaces: 1 });
    }
  }
  const texts = [...distinct.values()].slice(0, NAMED).map(({ first, peer, namespaces }) => {
    const more = namespaces > 1 ? ` (and in ${namespaces - 1} more)` : '';
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
