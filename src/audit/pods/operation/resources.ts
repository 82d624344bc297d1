import { ofContainers, podCheck } from '../pod-check.ts';
import { listText } from '../../../util/list-text.ts';

/** A limit is a request too. A limit of CPU slows a container down and protects nobody, so that it is not asked for. */
export const resources = podCheck(
  {
    id: 'pod-resources',
    title: 'Every container has requests for CPU and memory, and a limit for memory',
    severity: 'low',
    controls: ['C-0268', 'C-0269', 'C-0271', 'NSA/CISA resource policies'],
    why: 'Without them a pod takes what its neighbours need, and a leak of memory ends other pods of the node.',
    remedy:
      'Set resources.requests.cpu, resources.requests.memory and resources.limits.memory, for the container or the pod.',
  },
  ({ spec }) =>
    ofContainers(spec, ({ resources }, { list }) => {
      // The API server refuses resources of ephemeral containers.
      if (list === 'ephemeralContainers') return [];
      const limits = { ...spec.resources?.limits, ...resources?.limits };
      const requests = { ...limits, ...spec.resources?.requests, ...resources?.requests };
      const missing = [
        ...(requests['cpu'] === undefined ? ['requests.cpu'] : []),
        ...(requests['memory'] === undefined ? ['requests.memory'] : []),
        ...(limits['memory'] === undefined ? ['limits.memory'] : []),
      ];
      return missing.length === 0 ? [] : [{ path: 'resources', message: `${listText(missing)} not set` }];
    }),
);
