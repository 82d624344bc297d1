/**
 * The staged kinds of Calico: each is another kind with `stagedAction`. Calico judges flows by it beside the enforced policies,
 * and its flow logs have the verdict as a pending one.
 * https://docs.tigera.io/calico/latest/network-policy/staged-network-policies. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import { isRecord } from '../../util/is-record.ts';

/** Where a user sees the verdicts of staged policies. */
export const FLOW_LOGS = "Calico's flow logs";

/** `Set` stages the policy itself. Another action would stage its deletion, or nothing. */
const STAGED_ACTION = 'Set';

/** The object of the staged kind for an object of the enforced one. */
export function stagedForm(kind: string, { spec, ...object }: KubeObject & { spec?: object }): KubeObject {
  const staged = { stagedAction: STAGED_ACTION, ...spec };
  return { ...object, kind, spec: staged } as KubeObject;
}

/** The policy that an object stages; undefined if it has another action. */
export function enforcedForm({
  spec,
  ...object
}: KubeObject & { spec?: unknown }): (KubeObject & { readonly spec: Record<string, unknown> }) | undefined {
  if (!isRecord(spec)) return undefined;
  const { stagedAction, ...rest } = spec;
  return stagedAction === STAGED_ACTION ? { ...object, spec: rest } : undefined;
}
