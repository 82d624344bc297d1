import type { NetworkPolicyPort } from '../../../api/network-policy.ts';
import { AMBIENT } from '../../../engines/istio/mesh-config.ts';
import { EVERYTHING, matches } from '../../../policy/semantics/selector.ts';
import { listText } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import { isAmbient } from '../mesh/mesh-policies.ts';
import { declaresPorts } from '../../exposure/objects.ts';
import { containersOf, type ContainerPortSpec } from '../../pod-spec.ts';
import type { AuditPod } from '../../snapshot.ts';
import { placedRules, ruleReference } from './rule-reference.ts';

function declaredPorts(pods: readonly AuditPod[]): ContainerPortSpec[] {
  return pods.flatMap(({ spec }) => containersOf(spec).flatMap(({ container }) => container.ports ?? []));
}

function isDeclared(
  { port, endPort, protocol = 'TCP' }: NetworkPolicyPort,
  declared: readonly ContainerPortSpec[],
) {
  if (port === undefined) return true;
  return declared.some((each) => {
    if ((each.protocol ?? 'TCP') !== protocol) return false;
    if (typeof port === 'string') return each.name === port;
    return port <= each.containerPort && each.containerPort <= (endPort ?? port);
  });
}

/** Pods need not declare their ports. Where a container of the selected pods declares none, nothing is known. */
export const portNotDeclared: Check = {
  id: 'port-not-declared',
  title: 'Every port that ingress is allowed on is declared by a container',
  severity: 'low',
  category: 'Boundary',
  controls: ['NSA/CISA network separation'],
  why: 'The rule allows a port that nothing is known to listen on: a typing error that cuts the real port, or a hole for what will listen there later.',
  remedy:
    'Write the port of the container (not of the Service), or its name; or add the port to the container.',
  needs: ['Pod', 'NetworkPolicy'],
  run: (context, report) => {
    for (const policy of context.policies()) {
      if (context.snapshot.ownerOf(policy) !== undefined) continue;
      const selector = policy.spec.podSelector ?? EVERYTHING;
      const pods = context
        .podsOf(policy.metadata.namespace ?? 'default')
        .filter(({ labels }) => matches(selector, labels));
      const declared = declaredPorts(pods);
      if (pods.length === 0 || !pods.every(declaresPorts)) continue;
      // ztunnel listens there, and no container.
      const isTunnel = ({ port }: NetworkPolicyPort) =>
        port === AMBIENT.port && pods.some((pod) => isAmbient(pod, context));
      for (const placed of placedRules(policy)) {
        if (placed.direction !== 'Ingress') continue;
        const { object, field } = ruleReference(placed, context);
        for (const [index, port] of (placed.rule.ports ?? []).entries()) {
          if (isDeclared(port, declared) || isTunnel(port)) continue;
          const known = [...new Set(declared.map(({ containerPort }) => String(containerPort)))].slice(0, 5);
          const isNamed = typeof port.port === 'string';
          report({
            object,
            field: `${field}.ports[${index}]`,
            // A name that no container has matches nothing, so the rule does not work.
            ...(isNamed && { severity: 'medium' as const }),
            message: `no container of the selected pods declares ${port.protocol ?? 'TCP'} ${port.port}; they declare ${listText(known)}`,
          });
        }
      }
    }
  },
};
