// The control plane that all integration tests of a run share. Each suite uses its own namespaces and names, and leaves the
// control plane as it has found it. The root hooks (test/support/mocha/hooks.ts) check that, and stop the control plane.
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { Leftovers } from './leftovers.ts';
import { type NodeAgent, startNodeAgent } from './node-agent.ts';

interface Shared {
  readonly plane: ControlPlane;
  readonly agent: NodeAgent;
  readonly leftovers: Leftovers;
}

let shared: Promise<Shared> | undefined;

/** Returns this run's control plane, with node agent and audit log. The first call starts it. */
export async function sharedControlPlane(): Promise<ControlPlane> {
  shared ??= start();
  return (await shared).plane;
}

/** Lists the objects that suites have left on the shared control plane since the last call. */
export async function takeLeftovers(): Promise<string[]> {
  const running = await shared?.catch(() => undefined);
  return (await running?.leftovers.take()) ?? [];
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
  const agent = await startNodeAgent(plane);
  return { plane, agent, leftovers: await Leftovers.since(plane) };
}
