/** The level Baseline of the Pod Security Standards: a check for each control, by the id that the API server gives it. */
import type { PodCheck } from '../pod-check.ts';
import { appArmor } from './app-armor.ts';
import { capabilities } from './capabilities.ts';
import { hostNamespaces } from './host-namespaces.ts';
import { hostPathVolumes } from './host-path-volumes.ts';
import { hostPorts } from './host-ports.ts';
import { hostProcess } from './host-process.ts';
import { privileged } from './privileged.ts';
import { probeHosts } from './probe-hosts.ts';
import { procMount } from './proc-mount.ts';
import { seccomp } from './seccomp.ts';
import { selinux } from './selinux.ts';
import { sysctls } from './sysctls.ts';

export const BASELINE: Readonly<Record<string, PodCheck>> = {
  appArmorProfile: appArmor,
  capabilities_baseline: capabilities,
  hostNamespaces,
  hostPathVolumes,
  hostPorts,
  hostProbesAndHostLifecycle: probeHosts,
  privileged,
  procMount,
  seLinuxOptions: selinux,
  seccompProfile_baseline: seccomp,
  sysctls,
  windowsHostProcess: hostProcess,
};
