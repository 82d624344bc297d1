/**
 * Sends a million watch events through the operator's caches, queue and reconciliation, in this process and without an
 * API server. Measures the heap after each tenth of them, and the CPU time of a write.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../src/util/clock.ts';
import { ClusterState } from '../src/cluster-state/state.ts';
import { createController } from '../src/controller/controller.ts';
import { Records } from '../src/controller/records.ts';
import type { ControllerObserver } from '../src/controller/observer.ts';
import { CLUSTER_DEFAULTS } from '../src/options/cluster-defaults.ts';
import type { BenchOptions } from './run.ts';
import type { Figures } from './support/figures.ts';
import { heapMeter } from './support/heap.ts';
import { profileOf } from './support/stage.ts';
import { SyntheticServer } from './support/synthetic.ts';

const EVENTS = Number(process.env['EVENTS'] ?? 1_000_000);
const PARTS = 10;
const CONCURRENCY = 16;
/** Policies that are changed by hand before the operator runs. */
const BATCH = 100;
const NAMESPACES = '/api/v1/namespaces';
const SERVICES = '/api/v1/services';
const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';

export async function run({ namespaces: count }: BenchOptions): Promise<Figures> {
  const heap = heapMeter();
  const server = new SyntheticServer();
  const names = Array.from({ length: count }, (_, index) => `ours-${index}`);
  for (const name of names) server.put(NAMESPACES, { metadata: { name, labels: { bench: 'bench' } } });
  server.put(PROFILES, profileOf('bench'));
  // Without it, the peer of `baseline.dns` would be unresolved, and every namespace be read live.
  server.put(SERVICES, {
    metadata: { namespace: 'kube-system', name: 'kube-dns' },
    spec: {
      selector: { 'k8s-app': 'kube-dns' },
      ports: [{ port: 53, protocol: 'UDP' }],
      clusterIP: '10.96.0.10',
    },
  });

  const controller = createController({
    capabilities: [],
    transport: server,
    configuration: CLUSTER_DEFAULTS,
    namespace: 'segmentation-system',
    clusterState: new ClusterState([]),
    records: new Records(),
    concurrency: CONCURRENCY,
    resyncMs: 0,
    clock: systemClock,
    random: Math.random,
    observer: silent,
  });
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const coldStarted = process.cpuUsage();
    await controller.watch();
    controller.lead();
    const policies = names.flatMap((name) =>
      ['default-deny', 'egress', 'egress.api', 'ingress.metrics', 'ingress.web'].map(
        (kind) => `${name}/bench.${kind}`,
      ),
    );
    const allExist = () => policies.every((key) => server.get(POLICIES, key) !== undefined);
    while (!allExist()) await nextTurn();
    const cold = cpuMs(coldStarted) / policies.length;

    const started = process.cpuUsage();
    const before = server.events;
    const parts = await repairs(server, policies, heap);
    const first = parts[0] ?? Number.NaN;
    return {
      events: server.events - before,
      policies: policies.length,
      coldCpuMsPerWrite: cold,
      repairCpuMsPerEvent: cpuMs(started) / (server.events - before),
      heapMiBAfterFirstTenth: first,
      heapMiBHighest: Math.max(...parts),
      heapMiBAtTheEnd: parts.at(-1) ?? Number.NaN,
      heapGrowthRatio: (parts.at(-1) ?? Number.NaN) / first,
    };
  } finally {
    await controller.stop();
    clearInterval(alive);
  }
}

/** Damages policies, and waits for their repair, until EVENTS events were sent. @returns the heap after each part */
async function repairs(
  server: SyntheticServer,
  policies: readonly string[],
  heap: () => number,
): Promise<number[]> {
  const parts: number[] = [];
  const before = server.events;
  let repaired = 0;
  for (let part = 1; part <= PARTS; part++) {
    while (server.events < before + (EVENTS * part) / PARTS) {
      const victims = Array.from(
        { length: BATCH },
        (_, index) => policies[(repaired + index * 13) % policies.length] ?? '',
      );
      repaired += BATCH;
      for (const key of new Set(victims)) damage(server, key);
      const intact = () => victims.every((key) => isIntact(server, key));
      while (!intact()) await nextTurn();
    }
    parts.push(heap());
  }
  return parts;
}

/** An observer that ignores everything. */
const silent = new Proxy({} as ControllerObserver, { get: () => () => {} });

function cpuMs(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

const DAMAGE = 'example.com/by-hand';

/** Changes the selector of a policy by hand, or deletes it. */
function damage(server: SyntheticServer, key: string): void {
  const policy = server.get(POLICIES, key);
  if (policy === undefined) return;
  const { uid, resourceVersion } = policy.metadata;
  if (Number(resourceVersion) % 5 === 0) server.delete(POLICIES, key);
  else server.put(POLICIES, { ...policy, spec: { podSelector: { matchLabels: { [DAMAGE]: String(uid) } } } });
}

function isIntact(server: SyntheticServer, key: string): boolean {
  const policy = server.get(POLICIES, key);
  return policy !== undefined && !JSON.stringify(policy['spec']).includes(DAMAGE);
}
