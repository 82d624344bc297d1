/** Builds the report on what verifies the signatures of images, which reads only where a profile limits images. */
import { ImageVerification } from '../../controller/image-verification/image-verification.ts';
import type { CapabilityParts } from './parts.ts';

export function createImageVerification(parts: CapabilityParts): ImageVerification {
  const { transport, clusterState, clock } = parts;
  return new ImageVerification({ transport, clusterState, clock, random: Math.random });
}
