/** GlobalNetworkPolicies of Calico as carriers of guards. Pure. */
import type { KubeObject } from '../../../api/meta.ts';
import { DIRECTIONS, type PolicyType } from '../../../api/network-policy.ts';
import { listOf, recordOf, textOf, textsOf } from '../../../policy/semantics/raw.ts';
import { canonicalJSON } from '../../../util/canonical-json.ts';
import { isRecord } from '../../../util/is-record.ts';
import type { ForeignRank, GuardCarrier } from '../../guards/carrier.ts';
import { calicoSelector, labelSelectorOf } from '../selector.ts';
import { enforcedForm, FLOW_LOGS, stagedForm } from '../staged-form.ts';
import { compileGuardForm, unionOf } from './compile.ts';
import { INSTALLED_TIER, KIND, PODS_ONLY, REST, STAGED_KIND, TIER } from './policy.ts';

export const CALICO_GUARD: GuardCarrier = {
  kind: KIND,
  group: 'projectcalico.org',
  versions: ['v3'],
  plural: 'globalnetworkpolicies',
  component: 'config/engines/calico-guard',
  // The first one with tiers that pass, and with names that stay as they were sent.
  since: 'Calico 3.30',
  namePrefix: `${TIER}.`,
  requires: {
    plural: 'tiers',
    name: TIER,
    installed: INSTALLED_TIER,
    // A tier without order is the last one.
    isRight: ({ spec }) => {
      const { order, defaultAction } = recordOf(spec);
      return typeof order === 'number' && order < DEFAULT_TIER_ORDER && defaultAction === 'Pass';
    },
  },
  staging: {
    kind: STAGED_KIND,
    plural: 'stagedglobalnetworkpolicies',
    shownIn: FLOW_LOGS,
    stage: (guard) => stagedForm(STAGED_KIND, guard),
    staged: enforcedForm,
  },
  deniesAddressSources: true,
  compile: compileGuardForm,
  objectOf: ({ subject, rules }, priority) => ({
    kind: KIND,
    metadata: { name: '' },
    spec: {
      tier: TIER,
      order: priority,
      namespaceSelector: calicoSelector(subject),
      selector: PODS_ONLY,
      types: DIRECTIONS.filter((direction) => rules[direction] !== undefined),
      ...(rules.Ingress && { ingress: rules.Ingress }),
      ...(rules.Egress && { egress: rules.Egress }),
    },
  }),
  read: (object) => readObject(object),
  union: unionOf,
  rankOf: (object) => rankOf(object),
};

/** The tier of NetworkPolicies. */
const DEFAULT_TIER_ORDER = 1_000_000;

/** Undefined if somebody has changed the tier, the pods, a rule's action, or the rule that denies the rest. */
function readObject(object: KubeObject & { spec?: unknown }): ReturnType<GuardCarrier['read']> {
  const { tier, order, namespaceSelector, selector, types, ingress, egress, ...others } = recordOf(
    object.spec,
  );
  const subject = labelSelectorOf(textOf(namespaceSelector));
  if (tier !== TIER || typeof order !== 'number' || subject === undefined || selector !== PODS_ONLY)
    return undefined;
  if (Object.keys(others).length > 0) return undefined;
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  for (const [direction, list] of [
    ['Ingress', ingress],
    ['Egress', egress],
  ] as const) {
    if ((list !== undefined) !== textsOf(types).includes(direction)) return undefined;
    if (list === undefined) continue;
    const all = listOf(list).filter(isRecord);
    if (!all.slice(0, -1).every(({ action }) => action === 'Pass')) return undefined;
    if (canonicalJSON(all.at(-1)) !== canonicalJSON(REST)) return undefined;
    rules[direction] = all;
  }
  return { form: { subject, rules }, priority: order };
}

/** The rank of a policy of the same tier. A rule that allows decides, and one that passes skips the rest of the tier. */
function rankOf(object: KubeObject & { spec?: unknown }): ForeignRank | undefined {
  const { tier, order, ingress, egress } = recordOf(object.spec);
  if (tier !== TIER || typeof order !== 'number') return undefined;
  const actions = [...listOf(ingress), ...listOf(egress)].map((rule) => recordOf(rule)['action']);
  return { priority: order, precludes: actions.some((action) => action === 'Allow' || action === 'Pass') };
}
