import { podCheck } from '../pod-check.ts';

/** Sysctls that are the pod's own, and touch neither its node nor other pods. */
const SAFE: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

export const sysctls = podCheck(
  {
    id: 'pod-sysctls',
    title: 'No pod sets sysctls that touch its node',
    severity: 'medium',
    controls: ['PSS Baseline'],
    why: 'Other sysctls change the kernel for all pods of the node, or switch its protections off.',
    remedy: 'Remove them from securityContext.sysctls.',
  },
  ({ spec }) =>
    (spec.securityContext?.sysctls ?? [])
      .filter(({ name }) => !SAFE.has(name))
      .map(({ name }) => ({
        path: `securityContext.sysctls[${name}]`,
        message: `the pod sets the sysctl ${name}`,
      })),
);
