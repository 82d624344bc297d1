import type { ChangedFlow } from '../../../analysis/widening.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import type { Report } from '../../finding.ts';
import type { UnclearPart } from '../../../engines/layers/engine-policy.ts';
import { type Engine, ENGINE_KINDS } from '../../../engines/layers/engine-kinds.ts';
import type { OwnedPolicy } from '../../../engines/layers/kinds.ts';
import { flowText, MAX_FLOWS, widenedFlows } from './widened-flows.ts';

interface Effect {
  readonly policy: OwnedPolicy;
  readonly field: string;
  readonly isCut: boolean;
  readonly flows: readonly ChangedFlow[];
  readonly total: number;
}

/** The effects of an engine's policies, by rule: a rule may have one in each of many namespaces. */
function effectsOf(context: AuditContext, engine: Engine): Effect[] {
  const { found, view } = widenedFlows(context);
  const effects = new Map<string, Effect>();
  for (const { policy: standIn, isCut, flows, total } of found) {
    const source = view.sources.get(standIn);
    if (source?.policy.engine !== engine || !context.audits(standIn)) continue;
    const { policy, rule } = source;
    const { kind, namespace = '', name } = policy.object;
    const key = JSON.stringify([kind, namespace, name, rule.field, isCut]);
    const known = effects.get(key);
    effects.set(key, {
      policy,
      field: rule.field,
      isCut,
      flows: [...(known?.flows ?? []), ...flows],
      total: (known?.total ?? 0) + total,
    });
  }
  return [...effects.values()];
}

function effectReport({ policy, field, isCut, flows, total }: Effect): Report {
  const texts = shortList(flows.map(flowText), { most: MAX_FLOWS, total });
  const message = isCut
    ? `it denies what a profile allows: ${texts}`
    : `it opens what no profile allows: ${texts}`;
  return {
    object: policy.object,
    field,
    message,
    ...(isCut && {
      severity: 'medium' as const,
      remedy: 'Take the flows out of the profile if they are not meant, or out of this policy.',
    }),
  };
}

/** False for a part that denies, and for one that is asked about pods alone that nothing isolates. */
function mayOpen({ order }: UnclearPart): boolean {
  return order === undefined || (order.effect === 'allow' && order.phase !== 'fallback');
}

/** True if the part is for a pod that a profile's policies isolate in its direction. */
function concernsProfile({ subject, direction }: UnclearPart, context: AuditContext): boolean {
  const { enforced, profiles, pods } = context.snapshot;
  const isIsolating = profiles.some(({ spec }) => spec.isolation.includes(direction));
  return (
    isIsolating &&
    pods.some(
      (pod) =>
        enforced.has(pod.namespace) &&
        pod.hostNetwork !== true &&
        context.audits({ metadata: pod }) &&
        subject({ pod, namespaceLabels: context.labelsOf(pod.namespace) }),
    )
  );
}

interface EngineTexts {
  readonly id: string;
  readonly title: string;
  readonly why: string;
}

function engineCheck(engine: Engine, { id, title, why }: EngineTexts): Check {
  return {
    id,
    title,
    severity: 'high',
    category: 'Boundary',
    controls: ['CIS 5.3.2', 'NSA/CISA network separation'],
    why,
    remedy: 'Add the flows to the profile if they are meant, and remove the rule.',
    needs: ['Namespace', 'Pod', 'NetworkPolicy', 'SegmentationProfile', ...ENGINE_KINDS[engine]],
    run: (context, report) => {
      for (const effect of effectsOf(context, engine)) report(effectReport(effect));
      for (const { engine: own, object, unclear } of widenedFlows(context).owned) {
        if (own !== engine) continue;
        const parts = Map.groupBy(
          unclear.filter((part) => mayOpen(part) && concernsProfile(part, context)),
          ({ field }) => field,
        );
        for (const [field, list] of parts) {
          const what = [...new Set(list.map((part) => part.what))].join(', ');
          report({
            object,
            field: `${field} (not compared)`,
            severity: 'low',
            message: `it may open more than profiles allow, by a part that can not be compared: ${what}`,
          });
        }
      }
    },
  };
}

export const ciliumPolicyWidens = engineCheck('Cilium', {
  id: 'cilium-policy-widens',
  title: 'No Cilium policy allows more than the profiles, or denies what they allow',
  why: "Cilium adds its own policies to NetworkPolicies, and its denying rules come before all others: a profile can't take either back.",
});

export const calicoPolicyWidens = engineCheck('Calico', {
  id: 'calico-policy-widens',
  title: 'No Calico policy allows more than the profiles, or denies what they allow',
  why: "Calico asks its own policies before NetworkPolicies if they are of another tier or a lower order, and adds the others: a profile can't take either back.",
});

export const gkePolicyWidens = engineCheck('GKE', {
  id: 'gke-policy-widens',
  title: 'No FQDNNetworkPolicy allows names beside those of the profiles',
  why: "GKE adds what FQDNNetworkPolicies allow to NetworkPolicies: a profile can't take it back. The addresses behind names are known to the engine alone.",
});

export const clusterNetworkPolicyWidens = engineCheck('ClusterNetworkPolicy', {
  id: 'cluster-policy-widens',
  title: 'No ClusterNetworkPolicy allows more than the profiles, or denies what they allow',
  why: "Rules of the Admin tier come before every NetworkPolicy, and on Cilium those of the Baseline tier open what NetworkPolicies leave closed: a profile can't take them back. Engines that serve the kind need not enforce it.",
});
