import { ofContainers, podCheck } from '../pod-check.ts';
import { listText } from '../../../util/list-text.ts';

/** The capabilities that container runtimes give by default. */
const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

export const capabilities = podCheck(
  {
    id: 'pod-added-capabilities',
    title: "No container adds capabilities beyond the runtime's own",
    severity: 'high',
    controls: ['PSS Baseline', 'CIS 5.2.8', 'CIS 5.2.9', 'C-0046', 'C-0199', 'C-0200'],
    why: 'Capabilities such as SYS_ADMIN or NET_ADMIN lead out of the container.',
    remedy: 'Remove them from securityContext.capabilities.add.',
  },
  ({ spec }) =>
    ofContainers(spec, ({ securityContext }) => {
      const added = (securityContext?.capabilities?.add ?? []).filter(
        (name) => !DEFAULT_CAPABILITIES.has(name),
      );
      if (added.length === 0) return [];
      return [{ path: 'securityContext.capabilities.add', message: `the container adds ${listText(added)}` }];
    }),
);
