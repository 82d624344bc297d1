/** The notes on a generated policy: which rule of its profile each of its rules is for. Pure. */
import { ANNOTATION_RULES } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import type { RuleNote } from './rules.ts';

/** In the order of the policy's rules; none where somebody else has written something that can't be read. */
export function notesOf({ metadata }: Pick<NetworkPolicy, 'metadata'>): readonly (RuleNote | undefined)[] {
  try {
    const notes: unknown = JSON.parse(metadata.annotations?.[ANNOTATION_RULES] ?? '[]');
    return Array.isArray(notes) ? (notes as (RuleNote | undefined)[]) : [];
  } catch {
    return [];
  }
}
