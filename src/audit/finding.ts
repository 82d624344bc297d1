/** The findings of an audit. Pure. */

/** From the least severe. */
export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export const CATEGORIES = [
  'Boundary',
  'Exposure',
  'Pods',
  'Service accounts',
  'Platform',
  'Waivers',
] as const;
export type Category = (typeof CATEGORIES)[number];

export interface ObjectReference {
  readonly kind: string;
  /** Absent for a cluster-scoped object. */
  readonly namespace?: string;
  readonly name: string;
}

/** A check's report about one object. */
export interface Report {
  readonly object: ObjectReference;
  /** Path of the field, such as `spec.ingress[0]`; absent if the finding is about the whole object. */
  readonly field?: string;
  /** One sentence that says what is so, without the object's name. */
  readonly message: string;
  /** The text to write instead; the check's remedy if absent. */
  readonly remedy?: string;
  /** The check's severity if absent. */
  readonly severity?: Severity;
}

export interface Finding extends Report {
  /** Id of the check. */
  readonly check: string;
  readonly category: Category;
  readonly remedy: string;
  readonly severity: Severity;
}

/** `NetworkPolicy shop/web`, as kubectl names objects. */
export function objectText({ kind, namespace, name }: ObjectReference): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** Equal for two findings of one check about one field: waivers and baselines compare findings by it. */
export function findingKey({ check, object, field = '' }: Finding): string {
  return `${check} ${objectText(object)} ${field}`.trimEnd();
}

/** True if `name` is the check's id, or its category in any spelling of case. */
export function isNamed(
  { id, category }: { readonly id: string; readonly category: Category },
  name: string,
): boolean {
  return id === name || category.toLowerCase().replaceAll(' ', '-') === name.toLowerCase();
}

/** True if `severity` is `least` or worse. */
export function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
}
