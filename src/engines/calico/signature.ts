/** The traces of Calico: https://docs.tigera.io/calico/latest/getting-started/kubernetes/. */
import type { EngineSignature } from '../detection/signature.ts';

export const CALICO: EngineSignature = {
  engine: 'Calico',
  agents: [
    { namespace: 'calico-system', name: 'calico-node' },
    // Installed by manifests, and on GKE without Dataplane V2.
    { namespace: 'kube-system', name: 'calico-node' },
  ],
  // Since Calico 3.32, an installation has the CRDs of either the one or the other.
  groups: ['crd.projectcalico.org', 'projectcalico.org'],
};
