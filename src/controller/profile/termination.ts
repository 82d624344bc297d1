/** Namespaces that are being deleted while they have policies of a profile. Pure. */
import type { NamespaceItem } from '../../cluster-state/items.ts';
import { counted } from '../../util/list-text.ts';
import { brief, named } from './messages.ts';
import type { CurrentResult } from './tally.ts';

/** How long a namespace may take to be deleted, in milliseconds; then a person has to look why it does not end. */
export const PATIENCE_MS = 5 * 60_000;

/**
 * Failures of the namespaces whose deletion takes too long.
 *
 * @param now milliseconds since the epoch
 * @param generation the profile's
 */
export function stuckTerminations(
  terminating: readonly NamespaceItem[],
  now: number,
  generation: number,
): CurrentResult[] {
  return terminating
    .filter((namespace) => patienceLeft(namespace, now) <= 0)
    .map((namespace) => {
      const failure = {
        reason: 'NamespaceTerminating',
        message: stuckMessage(namespace),
        kind: 'stalled',
      } as const;
      const nothing = { desired: 0, applied: 0, unresolved: [], connections: [], conflicts: [] };
      return [namespace.name, { generation, state: 'failed', ...nothing, failure }];
    });
}

/** Milliseconds until the next of these namespaces takes too long; undefined if there is none. */
export function nextPatienceEnd(terminating: readonly NamespaceItem[], now: number): number | undefined {
  const left = terminating.map((namespace) => patienceLeft(namespace, now)).filter((each) => each > 0);
  return left.length === 0 ? undefined : Math.min(...left);
}

/** Names the namespaces; empty if there is none. */
export function terminatingMessage(terminating: readonly NamespaceItem[]): string {
  const names = terminating.map(({ name }) => name);
  if (names.length === 0) return '';
  return names.length === 1
    ? `namespace ${names[0]} is being deleted, and keeps its policies until it is gone`
    : `${counted(names.length, 'namespace')} (${named(names)}) are being deleted, and keep their policies until they are gone`;
}

function patienceLeft({ termination }: NamespaceItem, now: number): number {
  return termination === undefined ? 0 : termination.since + PATIENCE_MS - now;
}

function stuckMessage({ name, termination }: NamespaceItem): string {
  const obstacles = (termination?.obstacles ?? []).join('; ') || 'the namespace controller has not said why';
  return (
    'the namespace has been terminating for more than 5 minutes, and keeps its policies until it is gone: ' +
    `${brief(obstacles)}; remove what holds it up (kubectl describe namespace ${name})`
  );
}
