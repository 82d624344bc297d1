import { isWindows, ofContainers, podCheck } from '../pod-check.ts';

export const readOnlyRoot = podCheck(
  {
    id: 'pod-writable-root',
    title: "Every container's root file system is read-only",
    severity: 'low',
    controls: ['C-0017', 'NSA/CISA immutable containers'],
    why: 'An intruder who can write to the root file system can change programs and bring tools.',
    remedy:
      'Set securityContext.readOnlyRootFilesystem: true, and mount an emptyDir where the program writes.',
  },
  ({ spec }) =>
    isWindows(spec)
      ? []
      : ofContainers(spec, ({ securityContext }, { list }) =>
          // A person debugs in an ephemeral container.
          list === 'ephemeralContainers' || securityContext?.readOnlyRootFilesystem === true
            ? []
            : [
                {
                  path: 'securityContext.readOnlyRootFilesystem',
                  message: 'the root file system can be written to',
                },
              ],
        ),
);
