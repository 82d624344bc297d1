import { ofContexts, podCheck } from '../pod-check.ts';

const FILTERS: readonly string[] = ['RuntimeDefault', 'Localhost'];

export function isFilter({ type = '' }: { readonly type?: string }): boolean {
  return FILTERS.includes(type);
}

export const seccomp = podCheck(
  {
    id: 'pod-seccomp-unconfined',
    title: 'No container switches its seccomp filter off',
    severity: 'high',
    controls: ['PSS Baseline', 'CIS 5.7.2', 'C-0055', 'C-0210'],
    why: 'Without a filter every system call of the kernel is open to the container, the faulty ones included.',
    remedy: 'Set seccompProfile.type to RuntimeDefault.',
  },
  ({ spec }) =>
    ofContexts(spec, ({ seccompProfile }) =>
      seccompProfile === undefined || isFilter(seccompProfile)
        ? []
        : [{ path: 'seccompProfile.type', message: `the seccomp profile is ${seccompProfile.type}` }],
    ),
);
