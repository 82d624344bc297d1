/**
 * Where cyclonus v0.5.6 departs from the API's specification: docs/decisions/0011-evaluator.md has the table and the
 * sources. Each departure rewrites a case so that an evaluator that keeps to the specification gives cyclonus'
 * answer for it, and leaves every other case as it is: nothing is left out of the comparison.
 */
import type { LabelSelector, LabelSelectorRequirement } from '../../src/api/meta.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from '../../src/api/network-policy.ts';
import {
  type ClusterView,
  type Endpoint,
  type Flow,
  isSamePod,
  type Pod,
} from '../../src/analysis/cluster.ts';
import { LABEL_VALUES } from '../analysis/arbitrary.ts';

interface Departure {
  readonly name: string;
  readonly view: ClusterView;
  readonly flow: Flow;
  /** The verdicts of the evaluator and of cyclonus. */
  readonly cyclonus: boolean;
  readonly specification: boolean;
}

const pod: Pod = { namespace: 'alpha', name: 'pod', labels: {}, ips: ['10.0.0.1'], node: 'node-1' };
const other: Pod = { ...pod, name: 'other', ips: ['10.0.0.2'] };
const end = (pod: Pod): Endpoint => ({ kind: 'pod', pod });

function departure(
  [name, podSelector]: [name: string, podSelector: LabelSelector],
  from: Endpoint,
  answers: Pick<Departure, 'cyclonus' | 'specification'>,
): Departure {
  const metadata = { namespace: 'alpha', name: 'policy' };
  const view = {
    namespaces: [{ name: 'alpha', labels: { 'kubernetes.io/metadata.name': 'alpha' } }],
    pods: [pod, other],
    policies: [{ metadata, spec: { podSelector: {}, ingress: [{ from: [{ podSelector }] }] } }],
  };
  return { name, view, flow: { from, to: end(pod), port: 80, protocol: 'TCP', family: 4 }, ...answers };
}

const noOne: LabelSelector = { matchLabels: { app: 'nobody' } };

/** A case for each departure. If cyclonus changes, the case fails, and its rewriting below can be removed. */
export const DEPARTURES: readonly Departure[] = [
  departure(
    [
      'NotIn, where the key is absent',
      { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['red'] }] },
    ],
    end(other),
    { cyclonus: false, specification: true },
  ),
  departure(
    ['matchLabels with the empty value, where the key is absent', { matchLabels: { app: '' } }],
    end(other),
    {
      cyclonus: true,
      specification: false,
    },
  ),
  departure(['a pod and itself', noOne], end(pod), { cyclonus: false, specification: true }),
  departure(
    ['a pod and its own node', noOne],
    { kind: 'external', ip: '192.0.2.1', node: 'node-1' },
    { cyclonus: false, specification: true },
  ),
];

/** Rewrites a case so that the specification's verdict on it is cyclonus' verdict on the original. */
export function asCyclonusReadsPolicy(policy: NetworkPolicy): NetworkPolicy {
  const peers = (list: readonly NetworkPolicyPeer[]) =>
    list.map((peer) => ({
      ...peer,
      ...(peer.podSelector && { podSelector: asCyclonusReadsSelector(peer.podSelector) }),
      ...(peer.namespaceSelector && { namespaceSelector: asCyclonusReadsSelector(peer.namespaceSelector) }),
    }));
  const { podSelector, ingress, egress } = policy.spec;
  return {
    ...policy,
    spec: {
      ...policy.spec,
      ...(podSelector && { podSelector: asCyclonusReadsSelector(podSelector) }),
      ...(ingress && {
        ingress: ingress.map((rule) => ({ ...rule, ...(rule.from && { from: peers(rule.from) }) })),
      }),
      ...(egress && { egress: egress.map((rule) => ({ ...rule, ...(rule.to && { to: peers(rule.to) }) })) }),
    },
  };
}

/**
 * 1. NotIn: cyclonus requires the key to exist.
 * 2. matchLabels with the empty value: in cyclonus an absent key matches too.
 */
export function asCyclonusReadsSelector(selector: LabelSelector): LabelSelector {
  const matchLabels: Record<string, string> = {};
  const matchExpressions: LabelSelectorRequirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (value !== '') matchLabels[key] = value;
    else
      matchExpressions.push({ key, operator: 'NotIn', values: LABEL_VALUES.filter((other) => other !== '') });
  }
  for (const requirement of selector.matchExpressions ?? []) {
    matchExpressions.push(requirement);
    if (requirement.operator === 'NotIn') matchExpressions.push({ key: requirement.key, operator: 'Exists' });
  }
  return { matchLabels, matchExpressions };
}

/**
 * 3. A pod and itself: cyclonus judges them as two equal pods.
 * 4. A pod's own node: cyclonus judges it as any other address.
 */
export function asCyclonusReadsFlow(flow: Flow): Flow {
  const anywhere = (end: Flow['from']): Flow['from'] => {
    if (end.kind === 'external') return { kind: 'external', ip: end.ip };
    const { node: _, ...pod } = end.pod;
    return { kind: 'pod', pod };
  };
  const from = anywhere(flow.from);
  const to = anywhere(flow.to);
  if (from.kind === 'pod' && to.kind === 'pod' && isSamePod(from.pod, to.pod)) {
    return { ...flow, from, to: { kind: 'pod', pod: { ...to.pod, name: `${to.pod.name}-twin` } } };
  }
  return { ...flow, from, to };
}
