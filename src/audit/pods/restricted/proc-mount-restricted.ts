import { procMount, unmaskedProc } from '../baseline/proc-mount.ts';
import { podCheck } from '../pod-check.ts';

export const procMountRestricted = podCheck(
  {
    id: 'pod-proc-mount-in-user-namespace',
    title: 'No container has an unmasked /proc',
    severity: 'low',
    controls: ['PSS Restricted'],
    why: 'Parts of /proc write to the kernel. A user namespace limits what they do, and the standard asks for both limits.',
    remedy: 'Leave securityContext.procMount out.',
  },
  ({ spec }) => unmaskedProc(spec),
  procMount,
);
