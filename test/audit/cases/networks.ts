/** Cases of the checks of pods that are not in the pod network alone. */
import { type CheckCases, denyAll, pod, world } from '../world.ts';

const DENY = denyAll('shop');
const web = pod('shop/web');
const attached = (networks: string) =>
  pod('shop/web', {}, { annotations: { 'k8s.v1.cni.cncf.io/networks': networks } });

export const NETWORK_CASES: Readonly<Record<string, CheckCases>> = {
  'host-network-escapes': {
    good: {
      'pods in the pod network': world({ pods: [web], policies: [DENY] }),
      'a namespace without policies': world({ pods: [pod('shop/agent', { hostNetwork: true })] }),
    },
    bad: {
      'a pod on the host network': [
        world({ pods: [pod('shop/agent', { hostNetwork: true })], policies: [DENY] }),
        'Deployment shop/agent hostNetwork',
      ],
    },
  },
  'secondary-network-escapes': {
    good: {
      'pods in the pod network': world({ pods: [web], policies: [DENY] }),
      'a namespace without policies': world({ pods: [attached('macvlan')] }),
      'an empty list of networks': world({ pods: [attached(''), attached('[]')], policies: [DENY] }),
      'the state that Multus writes': world({
        pods: [
          pod(
            'shop/web',
            {},
            { annotations: { 'k8s.v1.cni.cncf.io/network-status': '[{"name": "kindnet"}]' } },
          ),
        ],
        policies: [DENY],
      }),
    },
    bad: {
      'an interface in a further network': [
        world({ pods: [attached('storage/macvlan@net1')], policies: [DENY] }),
        'Deployment shop/web metadata.annotations[k8s.v1.cni.cncf.io/networks]',
      ],
      'a list of networks that is no JSON': [
        world({ pods: [attached('[{')], policies: [DENY] }),
        'Deployment shop/web metadata.annotations[k8s.v1.cni.cncf.io/networks]',
      ],
      'networks as JSON': [
        world({ pods: [attached('[{"name": "macvlan", "namespace": "storage"}]')], policies: [DENY] }),
        'Deployment shop/web metadata.annotations[k8s.v1.cni.cncf.io/networks]',
      ],
      'another network in place of the pod network': [
        world({
          pods: [
            pod('shop/web', {}, { annotations: { 'v1.multus-cni.io/default-network': 'storage/macvlan' } }),
          ],
          policies: [DENY],
        }),
        'Deployment shop/web metadata.annotations[v1.multus-cni.io/default-network]',
      ],
    },
  },
};
