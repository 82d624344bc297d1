/**
 * The pods that AuthorizationPolicies isolate: an enforced policy that allows denies all else at the pods that it selects
 * (https://istio.io/latest/docs/reference/config/security/authorization-policy/). Pure.
 */
import type { KubeObject, ObjectMeta, StringMap } from '../../api/meta.ts';
import { isAsWritten, writtenRules } from '../digests.ts';
import { type Raw, listOf, recordOf, textOf } from '../../policy/semantics/raw.ts';
import { ANNOTATION_DRY_RUN, type AuthorizationRule } from './policy.ts';

/**
 * The labels of the pods, {} for all. `unclear`: it isolates gateways or waypoints, which it names, or is an own policy of
 * another form than it was written in, as a definition may hide its selector. `none`: it denies by a rule, or enforces nothing.
 */
export type Isolation = StringMap | 'none' | 'unclear';

export function isolationOf(object: KubeObject): Isolation {
  const isolation = observedIsolation(object);
  return typeof isolation === 'string' || isAsWritten(object) ? isolation : 'unclear';
}

function observedIsolation(object: KubeObject): Isolation {
  const spec = specOf(object);
  const action = textOf(spec['action']) || 'ALLOW';
  if (action !== 'ALLOW' || object.metadata.annotations?.[ANNOTATION_DRY_RUN] === 'true') return 'none';
  if (listOf(spec['targetRefs']).length > 0 || spec['targetRef'] !== undefined) return 'unclear';
  return (recordOf(spec['selector'])['matchLabels'] ?? {}) as StringMap;
}

/** The part of a foreign policy that `isolationOf` reads. */
export function isolationPart(object: KubeObject): {
  readonly metadata: Partial<ObjectMeta>;
  readonly spec: object;
} {
  const { action, selector, targetRef, targetRefs } = specOf(object);
  const dryRun = object.metadata.annotations?.[ANNOTATION_DRY_RUN];
  return {
    metadata: dryRun === undefined ? {} : { annotations: { [ANNOTATION_DRY_RUN]: dryRun } },
    spec: { action, selector, targetRef, targetRefs },
  };
}

/** An enforced policy that allows: the labels of the pods that it selects, and its rules. */
export interface Form {
  readonly labels: StringMap;
  readonly rules: readonly AuthorizationRule[];
}

/** Without rules of an own policy that are not as they were written; undefined for a policy that allows nothing by itself. */
export function formOf(object: KubeObject): Form | undefined {
  const labels = observedIsolation(object);
  if (typeof labels === 'string') return undefined;
  const { selector, rules } = specOf(object);
  const isWritten = writtenRules(object) ?? (() => true);
  const known = listOf(rules).filter((rule) => isWritten({ frame: selector ?? null, rule: recordOf(rule) }));
  return { labels, rules: known as readonly AuthorizationRule[] };
}

function specOf(object: KubeObject): Raw {
  return recordOf((object as KubeObject & Raw)['spec']);
}
