/** The detection of the service mesh, as the composition root loads it. */
export { MeshDetection } from './detection.ts';
