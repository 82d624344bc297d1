// A real local Kubernetes control plane for tests, demonstrations and benchmarks.
export { type Binaries, locateBinaries } from './tooling/binaries.ts';
export {
  type ControlPlane,
  type ControlPlaneOptions,
  type KubectlOptions,
  startControlPlane,
} from './plane/control-plane.ts';
export { type NodeAgent, startNodeAgent } from './plane/node-agent.ts';
export { sharedControlPlane } from './plane/shared.ts';
