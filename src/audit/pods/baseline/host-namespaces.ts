import { podCheck } from '../pod-check.ts';

const NAMESPACES = { hostNetwork: 'network', hostPID: 'process', hostIPC: 'IPC' } as const;

export const hostNamespaces = podCheck(
  {
    id: 'pod-host-namespaces',
    title: "No pod shares its node's network, processes or IPC",
    severity: 'high',
    controls: [
      'PSS Baseline',
      'CIS 5.2.3',
      'CIS 5.2.4',
      'CIS 5.2.5',
      'C-0038',
      'C-0041',
      'C-0194',
      'C-0195',
      'C-0196',
      'C-0275',
      'C-0276',
    ],
    why: "A pod in the node's namespaces sees and reaches what the node does, other pods' traffic and processes included.",
    remedy: 'Leave hostNetwork, hostPID and hostIPC out.',
  },
  ({ spec }) =>
    (['hostNetwork', 'hostPID', 'hostIPC'] as const).flatMap((path) =>
      spec[path] === true
        ? [{ path, message: `the pod is in the ${NAMESPACES[path]} namespace of its node` }]
        : [],
    ),
);
