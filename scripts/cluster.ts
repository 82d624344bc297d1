/** The local control plane alone, to try things by hand: prints its KUBECONFIG and stays until Ctrl-C. */
import { once } from 'node:events';
import { readArguments, runScript } from './entry.ts';
import { startControlPlane, startNodeAgent } from '../test/env/index.ts';

readArguments({
  command: 'npm run cluster',
  summary: 'Starts a local control plane, prints its KUBECONFIG, and stops it at Ctrl-C.',
  flags: {},
});

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
// Until the control plane is up there is nothing to stop in order: its processes end with this one.
const leaveAtOnce = () => process.exit(130);
stopping.signal.addEventListener('abort', leaveAtOnce);

await runScript(async () => {
  const started = performance.now();
  const plane = await startControlPlane();
  const agent = await startNodeAgent(plane);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const { gitVersion } = (await plane.admin.send('GET', '/version')) as { readonly gitVersion: string };
  console.log(`Kubernetes ${gitVersion} is up at ${plane.server} after ${seconds} s.`);
  console.log('Pods become Running with an IP each, though nothing runs in them. In another terminal:\n');
  console.log(`  export KUBECONFIG=${plane.kubeconfig}`);
  console.log(`  alias kubectl=${plane.kubectl}`);
  console.log('  kubectl get pods --all-namespaces\n');
  console.log('Ctrl-C ends it and removes its data.');

  stopping.signal.removeEventListener('abort', leaveAtOnce);
  const waiting = setInterval(() => {}, 2 ** 30); // keeps the process alive
  const stopped = stopping.signal.aborted ? undefined : once(stopping.signal, 'abort');
  const failure = await Promise.race([plane.ended(), stopped?.then(() => undefined)]);
  clearInterval(waiting);
  await agent.stop();
  await plane.stop();
  if (failure !== undefined) throw failure;
});
