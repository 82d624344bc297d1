/** The ConfigMap that gives the namespace to config/namespace; it is not applied. */
export function namespaceChoice(namespace: string): object {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'segmentation-operator-namespace',
      annotations: { 'config.kubernetes.io/local-config': 'true' },
    },
    data: { namespace },
  };
}
