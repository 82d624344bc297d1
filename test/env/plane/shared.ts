// The control plane that all integration tests of a run share. Each suite uses its own namespaces and names. The root
// hooks (test/support/mocha/hooks.ts) stop it.
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { type NodeAgent, startNodeAgent } from './node-agent.ts';

interface Shared {
  readonly plane: ControlPlane;
  readonly agent: NodeAgent;
}

let shared: Promise<Shared> | undefined;

/** Returns this run's control plane, with node agent and audit log. The first call starts it. */
export async function sharedControlPlane(): Promise<ControlPlane> {
  shared ??= start();
  return (await shared).plane;
}

/** Stops the shared control plane, if there is one. */
export async function stopSharedControlPlane(): Promise<void> {
  const running = await shared?.catch(() => undefined); // a start that failed has failed its tests already
  shared = undefined;
  await running?.agent.stop();
  await running?.plane.stop();
}

async function start(): Promise<Shared> {
  const plane = await startControlPlane({ auditLog: true });
  return { plane, agent: await startNodeAgent(plane) };
}
