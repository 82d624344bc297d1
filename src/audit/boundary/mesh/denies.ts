import { compileView, type Evaluator } from '../../../analysis/evaluator.ts';
import type { Flow } from '../../../analysis/cluster.ts';
import type { NetworkPolicyPort } from '../../../api/network-policy.ts';
import type { Candidate, EngineRule } from '../../../engines/layers/engine-policy.ts';
import { authorizationPolicy } from '../../../engines/istio/read-policies.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import { type AuditContext, workloadsOf } from '../../context.ts';
import type { AuditPod } from '../../snapshot.ts';
import { meshPolicies, podsOfPolicy, rootNamespaces } from './mesh-policies.ts';

/** Flows that a message names. */
const MAX_FLOWS = 5;
/** Flows that are looked at for a rule at most. */
const MAX_TRIED = 200_000;

export const meshPolicyDenies: Check = {
  id: 'mesh-policy-denies',
  title: 'No AuthorizationPolicy denies what a profile allows',
  severity: 'low',
  category: 'Boundary',
  controls: [],
  why: 'Istio asks DENY policies before all others, and after NetworkPolicies: the profile says that a flow passes, and it does not.',
  remedy: 'Take the flows out of the profile if they are not meant, or out of this policy.',
  needs: ['Namespace', 'Pod', 'NetworkPolicy', 'SegmentationProfile', 'AuthorizationPolicy'],
  run: (context, report) => {
    const { snapshot } = context;
    const roots = rootNamespaces(context);
    const denying = meshPolicies(context).filter(({ action }) => action === 'DENY');
    if (denying.length === 0) return;
    const evaluator = compileView(snapshot);
    const sources = onePerWorkload(snapshot.pods);
    for (const policy of denying) {
      const subjects = onePerWorkload(
        podsOfPolicy(policy, context).filter(({ namespace }) => snapshot.enforced.has(namespace)),
      );
      for (const rule of authorizationPolicy(policy.raw, roots)?.gate?.rules ?? []) {
        const flows = cutFlows(rule, { subjects, sources, evaluator, context });
        if (flows.length === 0) continue;
        const message = `it denies what a profile allows: ${shortList(flows, { most: MAX_FLOWS })}`;
        report({ object: policy.object, field: rule.field, message });
      }
    }
  },
};

/** A pod of each workload. */
function onePerWorkload(pods: readonly AuditPod[]): AuditPod[] {
  const first = new Map<string, AuditPod>();
  for (const pod of pods) {
    const [{ kind, namespace, name } = pod.workload] = workloadsOf([pod]);
    const key = `${kind}/${namespace}/${name}`;
    if (!first.has(key)) first.set(key, pod);
  }
  return [...first.values()];
}

interface Search {
  readonly subjects: readonly AuditPod[];
  readonly sources: readonly AuditPod[];
  readonly evaluator: Evaluator;
  readonly context: AuditContext;
}

/**
 * Flows to the ports of pods that rules of profiles allow at both ends, and that the rule denies: one more than are named at
 * most.
 */
function cutFlows({ subject, peers, ports }: EngineRule, search: Search): string[] {
  const { context, evaluator } = search;
  const candidate = (pod: AuditPod): Candidate => ({ pod, namespaceLabels: context.labelsOf(pod.namespace) });
  const isPeer = (pod: AuditPod) =>
    peers === 'any' || peers.some((peer) => typeof peer === 'function' && peer(candidate(pod)));
  const subjects = search.subjects.filter((pod) => subject(candidate(pod)));
  const sources = subjects.length === 0 ? [] : search.sources.filter(isPeer);
  const found: string[] = [];
  let tried = 0;
  for (const to of subjects) {
    for (const { containerPort: port, protocol = 'TCP' } of to.ports ?? []) {
      if (protocol !== 'TCP' || !isAmong(port, ports)) continue;
      for (const from of sources) {
        if (found.length > MAX_FLOWS || (tried += 1) > MAX_TRIED) return found;
        if (from === to) continue;
        const flow: Flow = { from: { kind: 'pod', pod: from }, to: { kind: 'pod', pod: to }, port, protocol };
        if (isAllowedByProfile(flow, evaluator, context))
          found.push(`${nameOf(from)} to ${nameOf(to)} (TCP ${port})`);
      }
    }
  }
  return found;
}

function isAllowedByProfile(flow: Flow, evaluator: Evaluator, { snapshot }: AuditContext): boolean {
  const { allowed, ingress } = evaluator.verdict(flow);
  return allowed && ingress.allowedBy.some(({ policy }) => snapshot.ownerOf(policy) !== undefined);
}

function isAmong(port: number, ports: readonly NetworkPolicyPort[] | 'any'): boolean {
  return (
    ports === 'any' ||
    ports.some(({ port: first, endPort = first }) => Number(first) <= port && port <= Number(endPort))
  );
}

function nameOf({ workload: { kind, namespace, name } }: AuditPod): string {
  return `${namespace}/${kind === 'Pod' ? '' : `${kind}/`}${name}`;
}
