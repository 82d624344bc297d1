/**
 * The traces of GKE Dataplane V2: https://cloud.google.com/kubernetes-engine/docs/concepts/dataplane-v2. It is made of
 * Cilium and serves some of Cilium's kinds, but it does not enforce CiliumNetworkPolicies.
 */
import type { EngineSignature } from '../detection/signature.ts';

export const GKE: EngineSignature = {
  engine: 'GKE',
  agents: [{ namespace: 'kube-system', name: 'anetd' }],
  groups: ['networking.gke.io'],
};
