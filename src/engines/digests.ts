/**
 * Digests of an object's spec and of its rules, in an annotation of it. A definition that lacks a field hides the field from
 * everybody who reads the object, at the same resourceVersion, and a rule without its peers means everyone. Annotations are
 * under no definition. So a plan takes over only rules of an observed object that have a digest there: their form is the
 * written one. Pure.
 */
import { hash } from 'node:crypto';
import type { KubeObject } from '../api/meta.ts';
import { ANNOTATION_DIGESTS } from '../api/names.ts';
import { canonicalJSON } from '../util/canonical-json.ts';

/** Characters of a digest, of base64url: 48 bits. */
const LENGTH = 8;

/** A rule, with the fields of its object that it depends on, such as the selector of its pods. */
export interface FramedRule {
  readonly frame: unknown;
  readonly rule: object;
}

type Specified = KubeObject & { readonly spec?: unknown };

/** The object with the annotation. @param rules all rules of its spec */
export function withDigests<T extends Specified>(object: T, rules: readonly FramedRule[]): T {
  const ofRules = [...new Set(rules.map(digestOfRule))].sort();
  const annotations = {
    ...object.metadata.annotations,
    [ANNOTATION_DIGESTS]: [digestOf(object.spec), ...ofRules].join(),
  };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

/** True if the spec is as it was written, or if the object has no annotation. */
export function isAsWritten({ metadata, spec }: Specified): boolean {
  const [written] = digestsIn(metadata) ?? [];
  return written === undefined || written === digestOf(spec);
}

/** Tells rules as they were written from others; undefined if the object has no annotation. */
export function writtenRules({ metadata }: KubeObject): ((rule: FramedRule) => boolean) | undefined {
  const [, ...ofRules] = digestsIn(metadata) ?? [];
  if (digestsIn(metadata) === undefined) return undefined;
  const written = new Set(ofRules);
  return (rule) => written.has(digestOfRule(rule));
}

function digestsIn({ annotations }: KubeObject['metadata']): readonly string[] | undefined {
  return annotations?.[ANNOTATION_DIGESTS]?.split(',');
}

function digestOfRule({ frame, rule }: FramedRule): string {
  return digestOf([frame, rule]);
}

function digestOf(value: unknown): string {
  // Somebody may have removed the spec of an object.
  return hash('sha256', canonicalJSON(value ?? null), 'base64url').slice(0, LENGTH);
}
