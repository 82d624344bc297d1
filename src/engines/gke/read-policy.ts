/** FQDNNetworkPolicies of GKE: they isolate the egress of their pods as NetworkPolicies do, and allow names. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import { EVERYTHING } from '../../policy/semantics/selector.ts';
import { listOf, type Raw, recordOf, selectorOf } from '../../policy/semantics/raw.ts';
import {
  bySelectors,
  OUTSIDE,
  type EnginePolicy,
  type PodMatcher,
  PROTOCOLS,
  type UnclearPart,
} from '../layers/engine-policy.ts';

export function fqdnNetworkPolicy({ metadata, ...rest }: KubeObject): EnginePolicy {
  const spec = recordOf((rest as Raw)['spec']);
  const { namespace = '', name } = metadata;
  const selected = bySelectors(selectorOf(spec['podSelector']), EVERYTHING);
  const subject: PodMatcher = (candidate) => candidate.pod.namespace === namespace && selected(candidate);
  return {
    object: { kind: 'FQDNNetworkPolicy', namespace, name },
    rules: [],
    isolates: [{ direction: 'Egress', subject }],
    unclear: listOf(spec['egress']).map(
      (each, index): UnclearPart => ({
        field: `spec.egress[${index}]`,
        direction: 'Egress',
        subject,
        peers: OUTSIDE,
        ports: portsOf(listOf(recordOf(each)['ports'])),
        what: 'names (matches)',
      }),
    ),
  };
}

function portsOf(ports: readonly unknown[]): UnclearPart['ports'] {
  if (ports.length === 0) return 'any';
  return ports.map(recordOf).map(
    ({ protocol = 'TCP', port }): NetworkPolicyPort => ({
      protocol: PROTOCOLS.find((each) => each === protocol) ?? 'TCP',
      ...(typeof port === 'number' && { port }),
    }),
  );
}
