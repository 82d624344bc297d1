/**
 * Cold enforcement, restart and a changed rule at scale, on a real control plane, against a raw writer measured in the
 * same run: one process that POSTs the same policies over kept-alive connections, the best of several numbers in
 * flight. Sizes by environment: NAMESPACES (default 500). Ratios are what to compare; machines are noisy.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkPolicy } from '../src/api/network-policy.ts';
import type { SegmentationProfile } from '../src/api/profile.ts';
import { NAMESPACES, NETWORK_POLICIES, PROFILES } from '../src/controller/observed.ts';
import { loadKubeConfig } from '../src/kube/config.ts';
import { Resource } from '../src/kube/resource.ts';
import { createTransport } from '../src/kube/transport.ts';
import { type ControlPlane, startControlPlane } from '../test/env/index.ts';

const COUNT = Number(process.env.NAMESPACES ?? 500);
const IN_FLIGHT = [8, 16, 32, 64];
const POLICIES_PER_NAMESPACE = 5;
const root = join(import.meta.dirname, '..');
const main = join(root, 'src/main.ts');

/** Rates in policies per second, times in seconds, CPU in seconds, memory in MiB. */
export async function run(): Promise<Record<string, number>> {
  const plane = await startControlPlane();
  try {
    return await measure(plane);
  } finally {
    await plane.stop();
  }
}

async function measure(plane: ControlPlane): Promise<Record<string, number>> {
  const transport = createTransport(loadKubeConfig({ kubeconfig: plane.kubeconfig }), { userAgent: 'bench' });
  const namespaces = new Resource(transport, NAMESPACES);
  const policies = new Resource<NetworkPolicy>(transport, NETWORK_POLICIES);
  const profiles = new Resource<SegmentationProfile>(transport, PROFILES);
  await plane.kubectlRun(['apply', '-f', join(root, 'config/manager/namespace.yaml')]);
  await plane.kubectlRun(['apply', '--server-side', '-k', join(root, 'config/crd')]);
  await plane.kubectlRun(['apply', '-k', join(root, 'config/rbac')]);
  const names = Array.from({ length: COUNT }, (_, index) => `bench-${index}`);
  await inFlight(names, 32, (name) =>
    namespaces.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { bench: 'yes' } } }),
  );
  const kubeconfig = await plane.serviceAccountKubeconfig('segmentation-system', 'segmentation-operator');

  // The operator first: what it writes is what the raw writer then has to repeat.
  const operator = await start(kubeconfig);
  await profiles.create(profile());
  const enforce = await timed(() => ready(profiles, 1));
  const afterEnforce = await operator.usage();
  const edited = await timed(async () => {
    await profiles.patch('bench', undefined, { spec: { ingress: rules('Ingress', 9091) } });
    await ready(profiles, 2);
  });
  await operator.stop();

  const again = await start(kubeconfig);
  const restart = await timed(() => again.line('all namespaces reconciled'));
  const afterRestart = await again.usage();
  const written = afterRestart.writes;
  await again.stop();

  const { items } = await policies.listAll();
  const copies = items.map(
    ({ metadata, spec }): NetworkPolicy => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {
        name: `raw.${metadata.name}`,
        namespace: metadata.namespace ?? '',
        labels: metadata.labels ?? {},
        annotations: metadata.annotations ?? {},
      },
      spec,
    }),
  );
  const part = Math.ceil(copies.length / IN_FLIGHT.length);
  let best = 0;
  for (const [index, flight] of IN_FLIGHT.entries()) {
    const share = copies.slice(index * part, (index + 1) * part);
    const seconds = await timed(() => inFlight(share, flight, (policy) => policies.create(policy)));
    best = Math.max(best, share.length / seconds);
  }
  await transport.close();

  const rate = (COUNT * POLICIES_PER_NAMESPACE) / enforce;
  return {
    namespaces: COUNT,
    policies: items.length,
    rawRate: best,
    enforceRate: rate,
    enforceRatio: rate / best,
    enforceSeconds: enforce,
    enforceCpuSeconds: afterEnforce.cpu,
    enforceRssMiB: afterEnforce.rss,
    editSeconds: edited,
    editRatio: COUNT / edited / best,
    restartSeconds: restart,
    restartCpuSeconds: afterRestart.cpu,
    restartWrites: written,
  };
}

function rules(direction: 'Ingress' | 'Egress', port: number): never {
  const peer = { namespaceSelector: { matchLabels: { bench: 'yes' } } };
  const one = (name: string, at: number) => ({
    name,
    podSelector: { matchLabels: { app: name } },
    ...(direction === 'Ingress' ? { from: [peer] } : { to: [peer] }),
    ports: [{ protocol: 'TCP', port: at }],
  });
  return (direction === 'Ingress' ? [one('web', 8080), one('metrics', port)] : [one('api', 8443)]) as never;
}

/** Five policies in each namespace: default-deny, egress (DNS), and three rules of their own. */
function profile(): SegmentationProfile {
  return {
    apiVersion: 'segmentation.dev/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { name: 'bench' },
    spec: {
      namespaceSelector: { matchLabels: { bench: 'yes' } },
      ingress: rules('Ingress', 9090),
      egress: rules('Egress', 0),
    },
  } as unknown as SegmentationProfile;
}

async function ready(profiles: Resource<SegmentationProfile>, generation: number): Promise<void> {
  for (;;) {
    const { status } = await profiles.get('bench');
    const condition = status?.conditions?.find(({ type }) => type === 'Ready');
    if (condition?.status === 'True' && condition.observedGeneration === generation) return;
    await sleep(50);
  }
}

interface Usage {
  /** Seconds of CPU, user and system. */
  readonly cpu: number;
  readonly rss: number;
  readonly writes: number;
}

interface RunningOperator {
  usage(): Promise<Usage>;
  line(message: string): Promise<void>;
  stop(): Promise<void>;
}

async function start(kubeconfig: string): Promise<RunningOperator> {
  const addresses = ['--metrics-bind-address=127.0.0.1:0', '--health-probe-bind-address=127.0.0.1:0'];
  const args = [...process.execArgv, main, '--kubeconfig', kubeconfig, '--log-format=json', ...addresses];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'] });
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  let metrics = '';
  if (child.stderr === null) throw new Error('no standard error');
  createInterface({ input: child.stderr }).on('line', (text) => {
    const { msg, metrics: url } = JSON.parse(text) as { msg: string; metrics?: string };
    if (url !== undefined) metrics = url;
    seen.add(msg);
    waiting.get(msg)?.();
  });
  const line = (message: string) =>
    seen.has(message) ? Promise.resolve() : new Promise<void>((resolve) => waiting.set(message, resolve));
  await line('listening');
  await line('caches filled');
  return {
    line,
    usage: async () => {
      const text = await (await fetch(`${metrics}/metrics`)).text();
      const value = (name: string) =>
        text
          .split('\n')
          .filter((each) => each.startsWith(name) && !each.startsWith('#'))
          .reduce((sum, each) => sum + Number(each.slice(each.lastIndexOf(' '))), 0);
      return {
        cpu: value('process_cpu_seconds_total'),
        rss: value('process_resident_memory_bytes') / 2 ** 20,
        writes: value('segmentation_policy_writes_total'),
      };
    },
    stop: async () => {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

async function inFlight<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

if (import.meta.main) console.log(JSON.stringify(await run(), null, 2));
