/**
 * The raw writer, a process of its own: sends prepared JSON over keep-alive connections, a given number in flight, with
 * the operator's watches open, and does nothing else. raw.ts starts it, and sends it messages.
 */
import { Agent } from 'undici';
import { loadKubeConfig } from '../../src/kube/config.ts';
import { inFlight } from './figures.ts';
import type { RawPhase, RawRequest, RawResult } from './raw.ts';

const WATCHED = [
  '/apis/networking.k8s.io/v1/networkpolicies',
  '/api/v1/namespaces',
  '/apis/segmentation.dev/v1alpha1/segmentationprofiles',
];

const config = loadKubeConfig({ kubeconfig: process.argv[2] });
const tls: Record<string, unknown> & { headers?: Record<string, string> } = {};
await config.load().kubeConfig.applyToHTTPSOptions(tls);
const origin = config.server;
const headers = { ...tls.headers, accept: 'application/json', 'content-type': 'application/json' };
const agent = new Agent({ allowH2: false, connect: { ca: tls['ca'] as Buffer } });

for (const path of WATCHED) {
  const list = await send({ method: 'GET', path: `${path}?limit=1&resourceVersion=0` });
  const { metadata } = JSON.parse(list) as { metadata: { resourceVersion: string } };
  const watch = `${path}?watch=1&allowWatchBookmarks=true&resourceVersion=${metadata.resourceVersion}`;
  const { body } = await agent.request({ origin, path: watch, method: 'GET', headers, bodyTimeout: 0 });
  // The watches are read and dropped, or the kernel's buffers would fill.
  body.on('data', () => {}).on('error', () => {});
}

async function send({ method, path, body }: RawRequest): Promise<string> {
  const answer = await agent.request({ origin, path, method, headers, body: body ?? null });
  const text = await answer.body.text();
  if (answer.statusCode > 299) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`);
  return text;
}

process.on('message', (phase: RawPhase) => {
  void run(phase).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
process.send?.('ready');

async function run({ flight, requests }: RawPhase): Promise<RawResult> {
  const started = performance.now();
  const cpu = process.cpuUsage();
  await inFlight(requests, flight, send);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { flight, count: requests.length, seconds, cpuSeconds: (user + system) / 1e6 };
}
