// A real local Kubernetes control plane for tests, demonstrations and benchmarks.
export { type Binaries, locateBinaries } from './binaries.ts';
export {
  type ControlPlane,
  type ControlPlaneOptions,
  type KubectlOptions,
  startControlPlane,
} from './control-plane.ts';
export { type NodeAgent, startNodeAgent } from './node-agent.ts';
export { sharedControlPlane } from './shared.ts';
