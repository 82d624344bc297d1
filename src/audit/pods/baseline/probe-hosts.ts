import type { Handler } from '../../pod-spec.ts';
import { ofContainers, podCheck, type Violation } from '../pod-check.ts';

function hostsOf(path: string, handler: Handler | undefined): Violation[] {
  return (['httpGet', 'tcpSocket'] as const).flatMap((action) => {
    const host = handler?.[action]?.host ?? '';
    if (host === '') return [];
    return [
      { path: `${path}.${action}.host`, message: `the kubelet connects to ${host} instead of the pod` },
    ];
  });
}

export const probeHosts = podCheck(
  {
    id: 'pod-probe-hosts',
    title: 'No probe or lifecycle handler names a host',
    severity: 'medium',
    controls: ['PSS Baseline'],
    why: 'The kubelet connects to that host from the network of the node, past every policy of the pod.',
    remedy: 'Leave host out: probes then go to the pod.',
  },
  ({ spec }) =>
    ofContainers(spec, ({ livenessProbe, readinessProbe, startupProbe, lifecycle }) => [
      ...hostsOf('livenessProbe', livenessProbe),
      ...hostsOf('readinessProbe', readinessProbe),
      ...hostsOf('startupProbe', startupProbe),
      ...hostsOf('lifecycle.postStart', lifecycle?.postStart),
      ...hostsOf('lifecycle.preStop', lifecycle?.preStop),
    ]),
);
