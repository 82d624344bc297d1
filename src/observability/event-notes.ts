/** The texts of Events about profiles, made from the occurrences that one Event sums up. Pure. */
import type { OccurrenceSummary } from '../kube/events/summary.ts';
import { shortList } from '../util/list-text.ts';

export function enforcedNote(summary: OccurrenceSummary, generation: number): string {
  const { created = 0, updated = 0, deleted = 0 } = summary.amounts;
  const written = counted([created, 'created'], [updated, 'updated'], [deleted, 'deleted']);
  return `generation ${generation} enforced in ${namespacesText(summary)}; policies: ${written}`;
}

export function repairNote(summary: OccurrenceSummary): string {
  const { changed = 0, deleted = 0, added = 0 } = summary.amounts;
  const repairs: readonly (readonly [count: number, verb: string, adjective: string])[] = [
    [deleted, 'restored', 'deleted'],
    [changed, 'reverted', 'changed'],
    [added, 'removed', 'added'],
  ];
  const repaired = repairs
    .filter(([count]) => count > 0)
    .map(([count, verb, adjective]) => `${verb} ${count} ${adjective}`)
    .join(', ');
  const noun = changed + deleted + added === 1 ? 'policy' : 'policies';
  // Nobody is named for a deletion: a deleted object has no managedFields to tell.
  const managers = summary.details.length === 0 ? '' : `; changed by ${summary.details.join(', ')}`;
  return `${repaired} ${noun} in ${namespacesText(summary)}${managers}`;
}

export function openedNote(summary: OccurrenceSummary): string {
  return `no longer enforced in ${namespacesText(summary)}, as ${summary.details.join(', ')}`;
}

export function removedNote(summary: OccurrenceSummary): string {
  const { deleted = 0 } = summary.amounts;
  return `${deleted} policies removed from ${namespacesText(summary)}, as the profile is being deleted`;
}

export function conflictNote(summary: OccurrenceSummary): string {
  return `in ${namespacesText(summary)}: ${summary.details.join('; ')}`;
}

function counted(...counts: readonly (readonly [count: number, verb: string])[]): string {
  return counts
    .filter(([count]) => count > 0)
    .map(([count, verb]) => `${count} ${verb}`)
    .join(', ');
}

/** `namespace a`, or `12 namespaces (a, b, c and 9 more)`. */
function namespacesText({ subjects, subjectCount }: OccurrenceSummary): string {
  if (subjectCount === 1) return `namespace ${subjects[0]}`;
  return `${subjectCount} namespaces (${shortList(subjects, { total: subjectCount })})`;
}
