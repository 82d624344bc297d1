import type { NetworkPolicyPort } from '../../../api/network-policy.ts';
import { isolationOf } from '../../../engines/istio/isolation.ts';
import { isAskedForAmbient } from '../../../engines/istio/membership.ts';
import { AMBIENT } from '../../../engines/istio/mesh-config.ts';
import { EVERYTHING, matches } from '../../../policy/semantics/selector.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import type { AuditPod } from '../../snapshot.ts';
import { placedRules, ruleReference } from '../rules/rule-reference.ts';
import { rootNamespaces } from './mesh-policies.ts';

const LAST_PORT = 65_535;

/** True if the rule opens the port of the tunnel, and not every port by itself. */
function opensTunnel(ports: readonly NetworkPolicyPort[] = []): boolean {
  return ports.some(
    ({ protocol = 'TCP', port, endPort = port }) =>
      protocol === 'TCP' &&
      typeof port === 'number' &&
      typeof endPort === 'number' &&
      port <= AMBIENT.port &&
      AMBIENT.port <= endPort &&
      (port > 1 || endPort < LAST_PORT),
  );
}

/** The pods whose connections arrive by the tunnel, and which no AuthorizationPolicy limits. */
function unheldPods(pods: readonly AuditPod[], context: AuditContext): AuditPod[] {
  const roots = rootNamespaces(context);
  const policies = context.snapshot.objects('AuthorizationPolicy').flatMap((object) => {
    const labels = isolationOf(object);
    return typeof labels === 'string' ? [] : [{ namespace: object.metadata.namespace ?? '', labels }];
  });
  return pods.filter(
    (pod) =>
      isAskedForAmbient({ pod, namespaceLabels: context.labelsOf(pod.namespace) }) &&
      !policies.some(
        ({ namespace, labels }) =>
          (namespace === pod.namespace || roots.has(namespace)) &&
          matches({ matchLabels: labels }, pod.labels),
      ),
  );
}

export const tunnelLeadsToEveryPort: Check = {
  id: 'tunnel-leads-to-every-port',
  title:
    'No NetworkPolicy opens the tunnel of ambient mode to pods whose ports no AuthorizationPolicy limits',
  severity: 'medium',
  category: 'Boundary',
  controls: ['CIS 5.3.2', 'NSA/CISA network separation'],
  why: "In Istio's ambient mode, port 15008 carries the connections between pods of the mesh to all other ports. Whoever may reach it reaches every TCP port of the pod, whatever ports the other rules of its NetworkPolicies name.",
  remedy:
    'Write an AuthorizationPolicy that allows the identities and ports which the rules mean, or have it written by a profile with baseline.mesh: Allow and mesh.authorization: Enforce. Name the sources of the rule in `from`.',
  needs: ['Namespace', 'Pod', 'NetworkPolicy', 'AuthorizationPolicy'],
  run: (context, report) => {
    for (const policy of context.policies()) {
      if (context.snapshot.ownerOf(policy) !== undefined) continue;
      const rules = placedRules(policy).filter(
        ({ direction, rule }) => direction === 'Ingress' && opensTunnel(rule.ports),
      );
      if (rules.length === 0) continue;
      const selector = policy.spec.podSelector ?? EVERYTHING;
      const selected = context.selectedPods(policy.metadata.namespace ?? 'default', selector);
      const pods = unheldPods(selected, context).map(({ name }) => name);
      if (pods.length === 0) continue;
      const names = shortList([...new Set(pods)].sort());
      for (const placed of rules)
        report({
          ...ruleReference(placed, context),
          message: `by port ${AMBIENT.port}, its sources in the mesh reach every TCP port of ${names}, which no AuthorizationPolicy limits`,
        });
    }
  },
};
