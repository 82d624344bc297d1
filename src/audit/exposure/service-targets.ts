/** Services that lead nowhere, or to ports that nobody may use. */
import { networkPodOf } from '../../analysis/cluster.ts';
import { PolicyIndex } from '../../analysis/model/policy-index.ts';
import { selectsPort } from '../../analysis/model/rules.ts';
import { selectorTerms } from '../../policy/semantics/selector.ts';
import { shortList } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import type { AuditPod } from '../snapshot.ts';
import {
  auditedObjects,
  declaresPorts,
  podsBehind,
  portsOf,
  referenceOf,
  type Service,
  type ServicePortSpec,
  targetOf,
} from './objects.ts';

export const selectsNoPod: Check = {
  id: 'service-selects-nothing',
  title: 'Every Service with a selector selects pods',
  severity: 'low',
  category: 'Exposure',
  controls: [],
  why: 'Nothing answers behind the Service, and whoever creates a pod with these labels answers for it.',
  remedy: "Correct spec.selector to the labels of the pods' template, or delete the Service.",
  needs: ['Pod', 'Service'],
  run: (context, report) => {
    for (const service of auditedObjects<Service>('Service', context)) {
      const selector = service.spec?.selector ?? {};
      // A namespace without pods may get them later.
      if (service.spec?.type === 'ExternalName' || !context.knowsPodsOf(service.metadata.namespace ?? ''))
        continue;
      if (Object.keys(selector).length === 0 || podsBehind(service, context).length > 0) continue;
      report({
        object: referenceOf('Service', service),
        field: 'spec.selector',
        message: `no pod of the namespace has the labels ${selectorTerms({ matchLabels: selector }).join(',')}`,
      });
    }
  },
};

/** Why no pod has the target port; undefined if one has, or nobody can know as pods need not declare ports. */
interface MissingTarget {
  readonly index: number;
  readonly message: string;
  /** True if no container has the name: then nothing can answer. */
  readonly isNamed: boolean;
}

function missingTargets({ spec }: Service, pods: readonly AuditPod[]): MissingTarget[] {
  const ports = [...(spec?.ports ?? []).entries()].map(([index, port]) => ({ index, port }));
  const named = ports.flatMap(({ index, port }) => {
    const { targetPort } = port;
    if (typeof targetPort !== 'string' || pods.some((pod) => targetOf(pod, port) !== undefined)) return [];
    const message = `no container of its pods has a port with the name ${targetPort}`;
    return [{ index, message, isNamed: true }];
  });
  return [...named, ...missingNumbers(ports, pods)];
}

/** Names of ports that a Service seldom leads to. */
const SIDE_PORT = /admin|debug|health|metric|probe|prom|status/i;

/**
 * Pods need not declare their ports. A number that none declares is a typing error only if the pods declare all ports that
 * they are known to have, the Service leads to none of these, and there are enough of them for it to lead to.
 */
function missingNumbers(
  ports: readonly { readonly index: number; readonly port: ServicePortSpec }[],
  pods: readonly AuditPod[],
): MissingTarget[] {
  if (!pods.every(declaresPorts)) return [];
  const declared = pods.flatMap(portsOf);
  const isDeclared = ({ port, targetPort = port, protocol = 'TCP' }: ServicePortSpec) =>
    typeof targetPort === 'string' ||
    declared.some((each) => each.containerPort === targetPort && (each.protocol ?? 'TCP') === protocol);
  if (ports.some(({ port }) => isDeclared(port))) return [];
  const meant = new Set(
    declared.filter(({ name = '' }) => !SIDE_PORT.test(name)).map(({ containerPort }) => containerPort),
  );
  if (meant.size < ports.length) return [];
  return ports.map(({ index, port: { port, targetPort = port, protocol = 'TCP' } }) => ({
    index,
    message: `no container of its pods declares ${protocol} ${targetPort}; they declare ${shortList([...meant].map(String))}`,
    isNamed: false,
  }));
}

export const targetPortMissing: Check = {
  id: 'service-target-port',
  title: 'Every port of a Service leads to a port of its pods',
  severity: 'low',
  category: 'Exposure',
  controls: [],
  why: 'Connections to the port fail, and policies seem to be the cause.',
  remedy: 'Write the number or name of the container port as targetPort.',
  needs: ['Pod', 'Service'],
  run: (context, report) => {
    for (const service of auditedObjects<Service>('Service', context)) {
      const pods = podsBehind(service, context);
      if (pods.length === 0) continue;
      for (const { index, message, isNamed } of missingTargets(service, pods)) {
        report({
          object: referenceOf('Service', service),
          field: `spec.ports[${index}].targetPort`,
          ...(isNamed && { severity: 'medium' as const }),
          message,
        });
      }
    }
  },
};

export const nobodyAllowed: Check = {
  id: 'service-nobody-allowed',
  title: 'Somebody may use every port of a Service',
  severity: 'info',
  category: 'Exposure',
  controls: ['C-0299'],
  why: 'Policies isolate the pods, and no rule allows anybody on the port: the Service is of no use, or a rule has a typing error.',
  remedy: 'Add a rule for those who need the port, or remove the port from the Service.',
  needs: ['Pod', 'Service', 'NetworkPolicy'],
  run: (context, report) => {
    const index = new PolicyIndex(context.snapshot);
    for (const service of auditedObjects<Service>('Service', context)) {
      const pods = podsBehind(service, context).filter(
        (pod) => networkPodOf({ kind: 'pod', pod }) !== undefined,
      );
      if (pods.length === 0) continue;
      for (const [position, port] of (service.spec?.ports ?? []).entries()) {
        const { protocol = 'TCP' } = port;
        const isUsable = pods.some((pod) => {
          const policies = index.selecting('Ingress', pod);
          const target = targetOf(pod, port);
          if (policies.length === 0 || target === undefined) return true;
          return policies.some(({ Ingress = [] }) =>
            Ingress.some(({ ports }) => selectsPort(ports, target, protocol, pod.ports ?? [])),
          );
        });
        if (isUsable) continue;
        report({
          object: referenceOf('Service', service),
          field: `spec.ports[${position}]`,
          message: `no rule allows anybody on ${protocol} ${port.port} (target port ${port.targetPort ?? port.port})`,
        });
      }
    }
  },
};
