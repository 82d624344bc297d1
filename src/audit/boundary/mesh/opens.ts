import { listOf, type Raw, textsOf } from '../../../policy/semantics/raw.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import { isAmbient, isOfConnections, meshPolicies, podsOfPolicy, sourcesIn } from './mesh-policies.ts';

/** The sources that a rule means if they are everyone; undefined for named ones. */
function wideSources(rule: Raw): string | undefined {
  const from = sourcesIn(rule);
  if (from.length === 0) return 'everyone';
  const isAny = from.some((source) => {
    const given = Object.entries(source).filter(([, list]) => listOf(list).length > 0);
    return (
      given.length > 0 &&
      given.every(
        ([field, list]) => ['principals', 'namespaces'].includes(field) && textsOf(list).includes('*'),
      )
    );
  });
  return isAny ? 'every identity of the mesh' : undefined;
}

export const meshPolicyOpens: Check = {
  id: 'mesh-policy-opens',
  title: 'No AuthorizationPolicy lets everyone in where a profile asks for identities',
  severity: 'medium',
  category: 'Boundary',
  controls: ['CIS 5.3.2', 'NSA/CISA network separation'],
  why: 'Istio lets in what any ALLOW policy allows. One that allows everyone takes the effect from the identities of spec.mesh: NetworkPolicies alone decide then, and in ambient mode they do not know the ports.',
  remedy: 'Name the sources of the rule, or allow the flows by the profile and delete the policy.',
  needs: ['Namespace', 'Pod', 'SegmentationProfile', 'AuthorizationPolicy'],
  run: (context, report) => {
    for (const policy of meshPolicies(context)) {
      if (policy.action !== 'ALLOW') continue;
      const pods = podsOfPolicy(policy, context).filter(({ namespace }) =>
        context.audits({ metadata: { namespace } }),
      );
      const profiles = new Set(
        [...new Set(pods.map(({ namespace }) => namespace))].flatMap((namespace) =>
          context.snapshot
            .enforcing(namespace)
            .filter(({ spec }) => spec.mesh?.authorization === 'Enforce')
            .map(({ metadata }) => metadata.name),
        ),
      );
      if (profiles.size === 0) continue;
      const hasAmbient = pods.some((pod) => isAmbient(pod, context));
      for (const { rule, field } of policy.rules) {
        const sources = wideSources(rule);
        if (sources === undefined || !isOfConnections(rule)) continue;
        const names = shortList([...profiles]);
        const message = `it allows ${sources}, whatever identities profile ${names} asks for`;
        report({ object: policy.object, field, message, ...(hasAmbient && { severity: 'high' as const }) });
      }
    }
  },
};
