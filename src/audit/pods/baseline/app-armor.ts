import { ofContexts, podCheck } from '../pod-check.ts';

/** The annotations from before the field, which the API server still honours. */
const ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

function isAllowedAnnotation(value: string): boolean {
  return value === '' || value === 'runtime/default' || value.startsWith('localhost/');
}

export const appArmor = podCheck(
  {
    id: 'pod-app-armor',
    title: 'No container is without the AppArmor profile of the runtime',
    severity: 'medium',
    controls: ['PSS Baseline', 'CIS 5.7.3', 'C-0055', 'C-0211'],
    why: "The runtime's AppArmor profile keeps a container from files and mounts of the kernel.",
    remedy: 'Leave appArmorProfile out, or set its type to RuntimeDefault or Localhost.',
  },
  ({ spec, annotations }) => [
    ...ofContexts(spec, ({ appArmorProfile }) =>
      appArmorProfile === undefined || ['RuntimeDefault', 'Localhost'].includes(appArmorProfile.type ?? '')
        ? []
        : [{ path: 'appArmorProfile.type', message: `the AppArmor profile is ${appArmorProfile.type}` }],
    ),
    ...Object.entries(annotations)
      .filter(([key, value]) => key.startsWith(ANNOTATION) && !isAllowedAnnotation(value))
      .map(([key, value]) => ({
        path: `metadata.annotations[${key}]`,
        message: `the AppArmor profile is ${value}`,
      })),
  ],
);
