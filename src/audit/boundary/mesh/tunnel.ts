import type { NetworkPolicyPort } from '../../../api/network-policy.ts';
import { allowsTunnel, isBesideTunnel } from '../../../engines/istio/ambient/ports.ts';
import { isolationOf } from '../../../engines/istio/isolation.ts';
import { AMBIENT } from '../../../engines/istio/mesh-config.ts';
import { asksForTunnels } from '../../../policy/mesh.ts';
import { EVERYTHING, matches } from '../../../policy/semantics/selector.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import type { AuditPod } from '../../snapshot.ts';
import { type PlacedRule, placedRules, ruleReference } from '../rules/rule-reference.ts';
import { isAmbient, rootNamespaces } from './mesh-policies.ts';

type RuleReference = ReturnType<typeof ruleReference>;

const LAST_PORT = 65_535;

/** True if the rule opens the port of the tunnel, and not every port by itself. */
function opensTunnelAlone(ports: readonly NetworkPolicyPort[] = []): boolean {
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

/** Tells the pods whose connections arrive by the tunnel, and which no AuthorizationPolicy limits. */
function unheld(context: AuditContext): (pod: AuditPod) => boolean {
  const roots = rootNamespaces(context);
  const policies = context.snapshot.objects('AuthorizationPolicy').flatMap((object) => {
    const labels = isolationOf(object);
    return typeof labels === 'string' ? [] : [{ namespace: object.metadata.namespace ?? '', labels }];
  });
  return (pod) =>
    isAmbient(pod, context) &&
    !policies.some(
      ({ namespace, labels }) =>
        (namespace === pod.namespace || roots.has(namespace)) && matches({ matchLabels: labels }, pod.labels),
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
    const isUnheld = unheld(context);
    for (const policy of context.policies()) {
      if (context.snapshot.ownerOf(policy) !== undefined) continue;
      const rules = placedRules(policy).filter(
        ({ direction, rule }) => direction === 'Ingress' && opensTunnelAlone(rule.ports),
      );
      if (rules.length === 0) continue;
      const selector = policy.spec.podSelector ?? EVERYTHING;
      const selected = context.selectedPods(policy.metadata.namespace ?? 'default', selector);
      const pods = selected.filter(isUnheld).map(({ name }) => name);
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

/** True if the rule is for pods on single ports, none of which is that of the tunnel. */
function isPastTunnel({ direction, rule: { peers, ports } }: PlacedRule): boolean {
  return (
    direction === 'Ingress' &&
    isBesideTunnel(ports, AMBIENT.port) &&
    peers?.some(({ ipBlock }) => ipBlock === undefined) === true
  );
}

/** Policies of others may open the tunnel. */
function isOpenedByOthers(namespace: string, context: AuditContext): boolean {
  return context
    .policiesOf(namespace)
    .filter((each) => context.snapshot.ownerOf(each) === undefined)
    .flatMap(placedRules)
    .some(({ direction, rule }) => direction === 'Ingress' && allowsTunnel(rule.ports, AMBIENT.port));
}

export const tunnelNotOpened: Check = {
  id: 'tunnel-not-opened',
  title: 'Every profile with rules for pods in ambient mode opens their tunnel',
  severity: 'high',
  category: 'Boundary',
  controls: ['NSA/CISA network separation'],
  why: "In Istio's ambient mode, connections between pods of the mesh arrive on port 15008, whatever port they are for. A rule that names ports lets none of them in, and the isolation cuts them.",
  remedy:
    "Set baseline.mesh: Allow and mesh.authorization: Enforce in the profile, and `mesh: Istio` in the operator's configuration: port 15008 opens then, held to the rules. Or write the rule without ports.",
  needs: ['Namespace', 'Pod', 'NetworkPolicy', 'SegmentationProfile'],
  run: (context, report) => {
    const { snapshot } = context;
    const namespaces = [
      ...new Set(context.pods.filter((each) => isAmbient(each, context)).map((each) => each.namespace)),
    ];
    const found = new Map<string, { readonly reference: RuleReference; readonly places: Set<string> }>();
    for (const namespace of namespaces.sort()) {
      const profiles = snapshot.enforcing(namespace);
      if (profiles.some(({ spec }) => asksForTunnels(spec)) || isOpenedByOthers(namespace, context)) continue;
      const names = new Set(profiles.map(({ metadata }) => metadata.name));
      const own = context.policiesOf(namespace).filter((each) => names.has(snapshot.ownerOf(each) ?? ''));
      for (const placed of own.flatMap(placedRules)) {
        if (!isPastTunnel(placed)) continue;
        const reference = ruleReference(placed, context);
        const key = JSON.stringify([reference.object, reference.field]);
        const known = found.get(key) ?? { reference, places: new Set<string>() };
        found.set(key, known);
        known.places.add(namespace);
      }
    }
    for (const { reference, places } of found.values())
      report({
        ...reference,
        message:
          `no connection between pods of the mesh passes by it in ${shortList([...places])}: these arrive on port ${AMBIENT.port}, ` +
          'which the profile does not open',
      });
  },
};
