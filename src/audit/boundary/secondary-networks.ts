import type { Check } from '../check.ts';
import { ANNOTATION_DEFAULT_NETWORK, ANNOTATION_NETWORKS } from '../pod-spec.ts';

/** The networks that an annotation names, as `NAME` or `NAMESPACE/NAME`: it is a JSON list, or names with commas. */
function networksOf(text: string): string[] {
  if (text.trimStart().startsWith('[')) {
    try {
      const elements = JSON.parse(text) as readonly { readonly namespace?: string; readonly name?: string }[];
      return elements.map(({ namespace, name = '?' }) => (namespace ? `${namespace}/${name}` : name));
    } catch {
      return [text];
    }
  }
  return text.split(',').flatMap((part) => {
    const [network = ''] = part.trim().split('@');
    return network === '' ? [] : [network];
  });
}

export const secondaryNetworks: Check = {
  id: 'secondary-network-escapes',
  title: 'No pod of a namespace with policies has an interface in another network',
  severity: 'medium',
  category: 'Boundary',
  controls: [],
  why: 'Policies limit the pod network alone. Traffic of a further interface, as Multus adds it, passes by all of them: only a MultiNetworkPolicy is about it, which needs a component of its own, and which the audit does not read.',
  remedy:
    'Leave the annotation out. If the pod needs the network, limit it there: by MultiNetworkPolicies that something enforces, or by that network itself; then accept the finding by a waiver.',
  needs: ['Pod', 'NetworkPolicy'],
  run: (context, report) => {
    for (const { namespace, annotations = {}, hostNetwork, workload } of context.pods) {
      if (hostNetwork === true || context.policiesOf(namespace).length === 0) continue;
      for (const key of [ANNOTATION_NETWORKS, ANNOTATION_DEFAULT_NETWORK]) {
        const networks = networksOf(annotations[key] ?? '');
        if (networks.length === 0) continue;
        const place = key === ANNOTATION_NETWORKS ? 'a further interface in' : 'the pod network replaced by';
        report({
          object: workload,
          field: `metadata.annotations[${key}]`,
          message: `its pods have ${place} ${networks.join(', ')}, where the policies of the namespace do not apply`,
        });
      }
    }
  },
};
