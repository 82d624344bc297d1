/** The optional capabilities of profiles. Each has a file in this folder, which builds it; this list adds it. */
import type { Capability } from '../../controller/capability.ts';
import { createAudit } from './audit.ts';
import { createEngines } from './engines.ts';
import { createExceptions } from './exceptions.ts';
import { createGuards } from './guards.ts';
import { createImageVerification } from './image-verification.ts';
import { createMesh } from './mesh.ts';
import type { CapabilityParts } from './parts.ts';
import { createPodSecurity } from './pod-security.ts';
import { createRollouts } from './rollouts.ts';

/** A capability that the options switch off is absent, and its code is not loaded. */
export async function createCapabilities(parts: CapabilityParts): Promise<readonly Capability[]> {
  return [
    createPodSecurity(parts),
    createExceptions(parts),
    createImageVerification(parts),
    await createRollouts(parts),
    ...(await createAudit(parts)),
    ...(await createEngines(parts)),
    ...(await createMesh(parts)),
    ...(await createGuards(parts)),
  ];
}
