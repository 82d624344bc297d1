/** The notes on a generated policy: for which rule of the profile each of its rules was written. Pure. */
import { ANNOTATION_RULES } from '../api/names.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';

/** Which rule of the profile a rule of a policy was written for. Stored on the policy, in the order of its rules. */
export interface RuleNote {
  /** A rule or connection of the profile, or `baseline.NAME`. */
  readonly rule: string;
  /** Absent for a rule. */
  readonly kind?: 'connection';
  /** Only for a dynamic peer: its last known form is found by this label. */
  readonly peer?: string;
  /** The SegmentationException that the rule is of. */
  readonly exception?: string;
  /** The end of the exception, as RFC 3339. */
  readonly until?: string;
  /** The description of the profile's rule, or the reason of the exception; only on the first note of each rule. */
  readonly description?: string;
}

/** The name of a rule, or `connection` and its name, for lists. */
export function noteText({ rule, kind }: Pick<RuleNote, 'rule' | 'kind'>): string {
  return kind === undefined ? rule : `${kind} ${rule}`;
}

/** The notes in the order of the policy's rules; empty if somebody wrote something else into the annotation. */
export function notesOf({ metadata }: Pick<NetworkPolicy, 'metadata'>): readonly (RuleNote | undefined)[] {
  return parseNotes(metadata.annotations?.[ANNOTATION_RULES] ?? '[]') ?? [];
}

/** The notes of an annotation; undefined if they can't be read. */
export function parseNotes(text: string): readonly (RuleNote | undefined)[] | undefined {
  try {
    const notes: unknown = JSON.parse(text);
    return Array.isArray(notes) ? (notes as (RuleNote | null)[]).map((note) => note ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

/** The annotation with these notes, in order. The first note of each rule carries its description. */
export function formatNotes(notes: readonly (RuleNote | undefined)[]): string {
  const descriptions = new Map<string, string>();
  for (const note of notes) if (note?.description) descriptions.set(note.rule, note.description);
  return JSON.stringify(
    notes.map((note) => {
      if (note === undefined) return null;
      const { description: _, ...rest } = note;
      const description = descriptions.get(note.rule);
      descriptions.delete(note.rule);
      return { ...rest, ...(description !== undefined && { description }) };
    }),
  );
}
