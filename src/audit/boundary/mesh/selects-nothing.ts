import { membershipOf } from '../../../engines/istio/membership.ts';
import type { Check } from '../../check.ts';
import { meshPolicies, podsOfPolicy } from './mesh-policies.ts';

/** A namespace without pods may get them later, so that nothing is reported there. */
export const meshPolicySelectsNothing: Check = {
  id: 'mesh-policy-selects-nothing',
  title: 'Every AuthorizationPolicy selects pods of the mesh',
  severity: 'low',
  category: 'Boundary',
  controls: ['C-0299'],
  why: 'A policy that selects no pod, or none that a proxy of the mesh stands before, protects nothing. Often its labels have a typing error, or the pods that it is meant for have no sidecar.',
  remedy:
    "Correct spec.selector to the labels of the pods' template, take the pods into the mesh, or delete the policy.",
  needs: ['Namespace', 'Pod', 'AuthorizationPolicy'],
  run: (context, report) => {
    for (const policy of meshPolicies(context)) {
      const { object, namespace, labels, isOfMesh } = policy;
      if (!isOfMesh && !context.knowsPodsOf(namespace)) continue;
      const pods = podsOfPolicy(policy, context);
      const terms = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
      const isOutside = (pod: (typeof pods)[number]) =>
        membershipOf({ pod, namespaceLabels: context.labelsOf(pod.namespace) }) === 'outside';
      if (pods.length === 0 && terms.length > 0 && (!isOfMesh || context.snapshot.isComplete)) {
        const where = isOfMesh ? 'cluster' : 'namespace';
        const message = `no pod of the ${where} has the labels ${terms.join(',')}`;
        report({ object, field: 'spec.selector', message });
        // Manifests do not show which namespaces istiod injects into.
      } else if (context.snapshot.isComplete && pods.length > 0 && pods.every(isOutside)) {
        const message = 'no pod that it selects is in the mesh, so that nothing enforces it';
        report({ object, message });
      }
    }
  },
};
