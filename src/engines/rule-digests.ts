/**
 * Digests of the rules of an object, in an annotation of it. A definition that lacks a field hides the field from everybody who
 * reads the object, at the same resourceVersion, and a rule without its peers means everyone. Annotations are under no
 * definition. So a plan takes over only rules of an observed object that have a digest there: their form is the written one. Pure.
 */
import { hash } from 'node:crypto';
import type { KubeObject } from '../api/meta.ts';
import { ANNOTATION_RULE_DIGESTS } from '../api/names.ts';
import { canonicalJSON } from '../util/canonical-json.ts';

/** Characters of a digest, of base64url: 48 bits. */
const LENGTH = 8;

/** A rule, with the fields of its object that it depends on, such as the selector of its pods. */
export interface FramedRule {
  readonly frame: unknown;
  readonly rule: object;
}

/** The annotation of an object with these rules. */
export function ruleDigests(rules: readonly FramedRule[]): Readonly<Record<string, string>> {
  return { [ANNOTATION_RULE_DIGESTS]: [...new Set(rules.map(digestOf))].sort().join() };
}

/** Tells rules as they were written from others; undefined if the object has no annotation. */
export function writtenRules({ metadata }: KubeObject): ((rule: FramedRule) => boolean) | undefined {
  const text = metadata.annotations?.[ANNOTATION_RULE_DIGESTS];
  if (text === undefined) return undefined;
  const digests = new Set(text.split(','));
  return (rule) => digests.has(digestOf(rule));
}

/** True if the rules are all those that were written, or if the object has no annotation. */
export function areAllWritten({ metadata }: KubeObject, rules: readonly FramedRule[]): boolean {
  const text = metadata.annotations?.[ANNOTATION_RULE_DIGESTS];
  return text === undefined || text === ruleDigests(rules)[ANNOTATION_RULE_DIGESTS];
}

function digestOf({ frame, rule }: FramedRule): string {
  return hash('sha256', canonicalJSON([frame, rule]), 'base64url').slice(0, LENGTH);
}
