/** The level Restricted of the Pod Security Standards, beyond Baseline, by the ids that the API server gives its controls. */
import type { PodCheck } from '../pod-check.ts';
import { droppedCapabilities } from './dropped-capabilities.ts';
import { privilegeEscalation } from './privilege-escalation.ts';
import { procMountRestricted } from './proc-mount-restricted.ts';
import { runAsNonRoot } from './run-as-non-root.ts';
import { runAsUser } from './run-as-user.ts';
import { seccompRequired } from './seccomp-required.ts';
import { volumeTypes } from './volume-types.ts';

export const RESTRICTED: Readonly<Record<string, PodCheck>> = {
  allowPrivilegeEscalation: privilegeEscalation,
  capabilities_restricted: droppedCapabilities,
  procMount_restricted: procMountRestricted,
  restrictedVolumes: volumeTypes,
  runAsNonRoot,
  runAsUser,
  seccompProfile_restricted: seccompRequired,
};
