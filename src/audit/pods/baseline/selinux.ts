import { ofContexts, podCheck } from '../pod-check.ts';

const TYPES: readonly string[] = [
  '',
  'container_t',
  'container_init_t',
  'container_kvm_t',
  'container_engine_t',
];

export const selinux = podCheck(
  {
    id: 'pod-selinux-options',
    title: 'No container has SELinux options of its own',
    severity: 'medium',
    controls: ['PSS Baseline', 'C-0055'],
    why: 'Another SELinux type, user or role may take away the limits that the node sets for containers.',
    remedy: 'Leave user and role out, and the type too, or choose a container type.',
  },
  ({ spec }) =>
    ofContexts(spec, ({ seLinuxOptions }) => {
      const { type = '', user = '', role = '' } = seLinuxOptions ?? {};
      return [
        ...(TYPES.includes(type)
          ? []
          : [{ path: 'seLinuxOptions.type', message: `the SELinux type is ${type}` }]),
        ...(user === '' ? [] : [{ path: 'seLinuxOptions.user', message: `the SELinux user is ${user}` }]),
        ...(role === '' ? [] : [{ path: 'seLinuxOptions.role', message: `the SELinux role is ${role}` }]),
      ];
    }),
);
