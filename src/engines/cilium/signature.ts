/** The traces of Cilium: https://docs.cilium.io/en/stable/network/concepts/. */
import type { EngineSignature } from '../detection/signature.ts';

export const CILIUM: EngineSignature = {
  engine: 'Cilium',
  agents: [
    { namespace: 'kube-system', name: 'cilium' },
    // OpenShift.
    { namespace: 'cilium', name: 'cilium' },
  ],
  groups: ['cilium.io'],
};
