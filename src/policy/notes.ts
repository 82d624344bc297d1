/** Reads the notes on a generated policy: for which rule of the profile each of its rules was written. Pure. */
import { ANNOTATION_RULES } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { RuleNote } from './rules.ts';

/** The notes in the order of the policy's rules; empty if somebody wrote something else into the annotation. */
export function notesOf({ metadata }: Pick<NetworkPolicy, 'metadata'>): readonly (RuleNote | undefined)[] {
  try {
    const notes: unknown = JSON.parse(metadata.annotations?.[ANNOTATION_RULES] ?? '[]');
    return Array.isArray(notes) ? (notes as (RuleNote | undefined)[]) : [];
  } catch {
    return [];
  }
}
