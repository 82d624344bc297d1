import { podCheck } from '../pod-check.ts';

/** Go's zero value of a struct is no absence: an empty hostPath counts. */
export const hostPathVolumes = podCheck(
  {
    id: 'pod-host-path',
    title: 'No pod mounts a path of its node',
    severity: 'high',
    controls: ['PSS Baseline', 'CIS 5.2.12', 'C-0048', 'C-0045', 'C-0203'],
    why: 'Files of the node hold credentials and sockets, such as those of the kubelet and the container runtime.',
    remedy: 'Use a PersistentVolumeClaim, an emptyDir, a ConfigMap or a Secret.',
  },
  ({ spec }) =>
    (spec.volumes ?? []).flatMap(({ name, hostPath }) =>
      hostPath === undefined || hostPath === null
        ? []
        : [
            {
              path: `volumes[${name}].hostPath`,
              message: `the volume is the path ${pathOf(hostPath)} of the node`,
            },
          ],
    ),
);

function pathOf(hostPath: unknown): string {
  return (hostPath as { readonly path?: string }).path ?? '';
}
