/**
 * Names the rule of a policy for a finding: its field in a foreign policy, or the rule of a profile or exception behind an own
 * one.
 */
import { EXCEPTION_KIND } from '../../../api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../../api/network-policy.ts';
import { WEBHOOK_RULE } from '../../../policy/baseline.ts';
import { notesOf } from '../../../policy/notes.ts';
import { type DirectionRule, isolates, rulesOf } from '../../../policy/semantics/normalize.ts';
import type { ObjectReference } from '../../finding.ts';
import { type AuditContext, policyReference } from '../../context.ts';

export interface PlacedRule {
  readonly policy: NetworkPolicy;
  readonly direction: PolicyType;
  /** Index in the policy's `ingress` or `egress`. */
  readonly index: number;
  readonly rule: DirectionRule;
}

/** The rules of a policy in the directions that it isolates; rules of other directions have no effect. */
export function placedRules(policy: NetworkPolicy): PlacedRule[] {
  return isolates(policy.spec).flatMap((direction) =>
    rulesOf(policy.spec, direction).map((rule, index) => ({ policy, direction, index, rule })),
  );
}

/** Object and field of a rule. Namespaces with the same rule of a profile share one. */
export function ruleReference(
  { policy, direction, index }: PlacedRule,
  { snapshot }: AuditContext,
): { readonly object: ObjectReference; readonly field: string; readonly isOwn: boolean } {
  const owner = snapshot.ownerOf(policy);
  const note = owner === undefined ? undefined : notesOf(policy)[index];
  if (owner === undefined || note === undefined) {
    const field = `spec.${direction.toLowerCase()}[${index}]`;
    return { object: policyReference(policy), field, isOwn: owner !== undefined };
  }
  const { rule: name, exception } = note;
  if (exception !== undefined) {
    const { namespace = '' } = policy.metadata;
    const list = note.kind === 'connection' ? 'connections' : direction.toLowerCase();
    const object = { kind: EXCEPTION_KIND, namespace, name: exception };
    return { object, field: `spec.${list}[${name}]`, isOwn: true };
  }
  const profile = snapshot.profiles.find(({ metadata }) => metadata.name === owner);
  const isConnection = profile?.spec.connections?.some((connection) => connection.name === name) === true;
  const list = isConnection ? 'connections' : direction.toLowerCase();
  const field = baselineField(name) ?? `spec.${list}[${name}]`;
  return { object: { kind: 'SegmentationProfile', name: owner }, field, isOwn: true };
}

export const WEBHOOKS_FIELD = 'spec.baseline.admissionWebhooks';

function baselineField(rule: string): string | undefined {
  if (rule.startsWith(WEBHOOK_RULE)) return WEBHOOKS_FIELD;
  return rule.startsWith('baseline.') ? `spec.${rule}` : undefined;
}
