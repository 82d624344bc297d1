import { ofContainers, podCheck } from '../pod-check.ts';

export const hostPorts = podCheck(
  {
    id: 'pod-host-ports',
    title: 'No container opens a port of its node',
    severity: 'medium',
    controls: ['PSS Baseline', 'CIS 5.2.13', 'C-0044', 'C-0204'],
    why: 'A hostPort is open at the address of the node, for everyone who reaches the node, and some engines apply no policy to it.',
    remedy: 'Leave hostPort out, and reach the pod by a Service.',
  },
  ({ spec }) =>
    ofContainers(spec, ({ ports = [] }) =>
      ports.flatMap(({ hostPort, containerPort }) =>
        (hostPort ?? 0) === 0
          ? []
          : [
              {
                path: `ports[${containerPort}].hostPort`,
                message: `port ${hostPort} of the node leads to the container`,
              },
            ],
      ),
    ),
);
