import { ofContainers, podCheck } from '../pod-check.ts';

const UNTIL_DONE: readonly string[] = ['Job', 'CronJob'];

/** A container that serves no port receives no traffic, so that nobody waits for its readiness. */
export const probes = podCheck(
  {
    id: 'pod-readiness-probe',
    title: 'Every container that serves a port has a readiness probe',
    severity: 'info',
    controls: ['C-0018'],
    why: 'Services send traffic to a pod before it can answer, and policies seem to be the cause.',
    remedy: 'Add a readinessProbe.',
  },
  ({ spec, workload }) =>
    UNTIL_DONE.includes(workload.kind)
      ? []
      : ofContainers(spec, ({ ports = [], readinessProbe, restartPolicy }, { list }) => {
          const serves = list === 'containers' || restartPolicy === 'Always';
          if (!serves || ports.length === 0 || readinessProbe !== undefined) return [];
          return [
            { path: 'readinessProbe', message: 'the container serves a port and has no readiness probe' },
          ];
        }),
);
