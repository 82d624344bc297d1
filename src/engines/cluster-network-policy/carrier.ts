/** ClusterNetworkPolicies as carriers of guards. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import { listOf, recordOf } from '../../policy/semantics/raw.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { isRecord } from '../../util/is-record.ts';
import type { ForeignRank, GuardCarrier, GuardForm } from '../guards/carrier.ts';
import { compileGuardForm, REST, unionOf } from './compile.ts';
import { GROUP, KIND } from './policy.ts';

export const CLUSTER_NETWORK_POLICY: GuardCarrier = {
  kind: KIND,
  group: GROUP,
  versions: ['v1beta1', 'v1alpha2'],
  plural: 'clusternetworkpolicies',
  component: 'config/engines/cluster-network-policy',
  since: 'network-policy-api v0.2.0',
  deniesAddressSources: false,
  compile: compileGuardForm,
  objectOf: ({ subject, rules }, priority) => ({
    kind: KIND,
    metadata: { name: '' },
    spec: {
      tier: 'Admin',
      priority,
      subject: { namespaces: subject },
      ...(rules.Ingress && { ingress: rules.Ingress }),
      ...(rules.Egress && { egress: rules.Egress }),
    },
  }),
  read: (object) => readObject(object),
  union: unionOf,
  rankOf: (object) => rankOf(object),
};

/** Undefined if somebody has changed the tier, a rule's action, or the rule that denies the rest. */
function readObject(object: KubeObject & { spec?: unknown }): ReturnType<GuardCarrier['read']> {
  const { tier, priority, subject, ingress, egress, ...others } = recordOf(object.spec);
  const { namespaces, ...otherSubjects } = recordOf(subject);
  if (tier !== 'Admin' || typeof priority !== 'number' || !isRecord(namespaces)) return undefined;
  if (Object.keys(others).length + Object.keys(otherSubjects).length > 0) return undefined;
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  for (const [direction, list] of [
    ['Ingress', ingress],
    ['Egress', egress],
  ] as const) {
    if (list === undefined) continue;
    const all = listOf(list).filter(isRecord);
    if (!all.slice(0, -1).every(({ action }) => action === 'Pass')) return undefined;
    if (canonicalJSON(all.at(-1)) !== canonicalJSON(REST[direction])) return undefined;
    rules[direction] = all;
  }
  const form: GuardForm = { subject: namespaces, rules };
  return { form, priority };
}

/** A rule that accepts decides, and one that passes skips the rest of the tier. */
function rankOf(object: KubeObject & { spec?: unknown }): ForeignRank | undefined {
  const { tier, priority, ingress, egress } = recordOf(object.spec);
  if (tier !== 'Admin' || typeof priority !== 'number') return undefined;
  const actions = [...listOf(ingress), ...listOf(egress)].map((rule) => recordOf(rule)['action']);
  return { priority, precludes: actions.some((action) => action !== 'Deny') };
}
