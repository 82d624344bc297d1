/**
 * The operator's everyday work at size, each part beside a raw writer in the same run: cold enforcement, a changed
 * rule, policies deleted at random, a new namespace, a restart. Ratios are what to compare: machines are noisy.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from './run.ts';
import { type Figures, inFlight, percentile, timed } from './support/figures.ts';
import { startOperator } from './support/operator.ts';
import { type RawRequest, Yardstick } from './support/raw.ts';
import { POLICIES_PER_NAMESPACE, Stage } from './support/stage.ts';
import { Witness } from './support/witness.ts';

const DELETED = 500;
const NEW_NAMESPACES = 150;
/** Between two new namespaces on an idle cluster, milliseconds. */
const PAUSE = 60;
const PROFILE = 'bench';

export function run(options: BenchOptions): Promise<Figures> {
  return Stage.use((stage) => measure(stage, options));
}

async function measure(stage: Stage, { namespaces: count }: BenchOptions): Promise<Figures> {
  const total = count * POLICIES_PER_NAMESPACE;
  const ours = await stage.createNamespaces('ours', count, PROFILE);
  const raws = await stage.createNamespaces('raw', count);
  const pattern = await stage.pilot();
  const copies = await stage.copies(pattern, raws);
  const witness = await Witness.start(stage.plane.kubeconfig, `${PROFILE}.`);

  const creates = new Yardstick(stage.kubeconfig, copies);
  await creates.before();

  const operator = await startOperator(stage.kubeconfig);
  const before = { own: operator.cpuSeconds, server: stage.serverCpuSeconds };
  await operator.metrics();
  const coldSeconds = await timed(async () => {
    await stage.createProfile(PROFILE);
    await witness.until('ADDED', total);
  });
  const cold = { own: operator.cpuSeconds - before.own, server: stage.serverCpuSeconds - before.server };
  const lag = await operator.eventLoopDelayP99Ms();
  await stage.ready(PROFILE, 1);
  const coldReadyRss = operator.residentMiB.now;

  const serverBefore = stage.serverCpuSeconds;
  const rawCreate = await creates.after();
  const rawServerMs = ((stage.serverCpuSeconds - serverBefore) * 1000) / creates.left;

  const updates = new Yardstick(stage.kubeconfig, await putsOf(stage, raws));
  await updates.before();
  const editCpu = operator.cpuSeconds;
  const editSeconds = await timed(async () => {
    await stage.editProfile(PROFILE, 9091);
    await witness.until('MODIFIED', count);
  });
  const editCpuMs = ((operator.cpuSeconds - editCpu) * 1000) / count;
  await stage.ready(PROFILE, 2);
  const editWrites = witness.counts.MODIFIED + witness.counts.ADDED + witness.counts.DELETED - total;
  const rawUpdate = await updates.after();

  const repairSeconds = await repair();
  const idle = await newNamespaces();
  const afterAll = witness.counts.ADDED + witness.counts.MODIFIED;
  await stage.ready(PROFILE, 2);
  await operator.stop();

  const again = await startOperator(stage.kubeconfig);
  const filledSeconds = (performance.now() - again.started) / 1000;
  await again.line('all namespaces reconciled');
  const restartSeconds = (performance.now() - again.started) / 1000;
  const restartCpu = again.cpuSeconds;
  const restartWrites = (await again.metrics())('segmentation_policy_writes_total');
  const restartEvents = witness.counts.ADDED + witness.counts.MODIFIED - afterAll;
  await again.stop();
  await witness.stop();

  const coldRate = total / coldSeconds;
  const deleted = Math.min(DELETED, total);
  return {
    namespaces: count,
    policies: total,
    rawCreatesPerSecond: rawCreate.rate,
    rawBestInFlight: rawCreate.flight,
    coldWritesPerSecond: coldRate,
    coldRatio: coldRate / rawCreate.rate,
    rawCpuMsPerWrite: rawCreate.cpuMs,
    coldCpuMsPerWrite: (cold.own * 1000) / total,
    rawServerCpuMsPerWrite: rawServerMs,
    coldServerCpuMsPerWrite: (cold.server * 1000) / total,
    coldEventLoopDelayP99Ms: lag,
    coldRssMiB: coldReadyRss,
    rawUpdatesPerSecond: rawUpdate.rate,
    editWritesPerNamespace: editWrites / count,
    editWritesPerSecond: count / editSeconds,
    editRatio: count / editSeconds / rawUpdate.rate,
    editCpuMsPerWrite: editCpuMs,
    repairWritesPerSecond: deleted / repairSeconds,
    repairRatio: deleted / repairSeconds / rawCreate.rate,
    newNamespaceToDenyP50Ms: percentile(idle, 0.5),
    newNamespaceToDenyP99Ms: percentile(idle, 0.99),
    restartCachesFilledSeconds: filledSeconds,
    restartSeconds,
    restartCpuSeconds: restartCpu,
    restartWrites: Math.max(restartWrites, restartEvents),
  };

  /** Deletes policies while the operator is frozen; seconds from its waking until all are back. */
  async function repair(): Promise<number> {
    const victims = Array.from({ length: deletedCount() }, (_, index) => {
      const pick = (index * 7919) % total;
      return { namespace: ours[pick % count] ?? '', kind: Math.floor(pick / count) };
    });
    const { items } = await stage.policies.listAll({ namespace: ours[0] });
    const names = items.map(({ metadata }) => metadata.name);
    operator.pause();
    await inFlight(victims, 32, ({ namespace, kind }) => stage.policies.delete(names[kind] ?? '', namespace));
    const goal = witness.counts.ADDED + victims.length;
    return timed(async () => {
      operator.resume();
      await witness.until('ADDED', goal);
    });
  }

  function deletedCount(): number {
    return Math.min(DELETED, total);
  }

  /** Milliseconds from each namespace's creation being answered to its deny being seen. */
  async function newNamespaces(): Promise<number[]> {
    const samples: number[] = [];
    for (let index = 0; index < NEW_NAMESPACES; index++) {
      const name = `new-${index}`;
      await stage.createNamespace(name, PROFILE);
      const started = performance.now();
      samples.push((await witness.untilAdded(`${name}/${PROFILE}.default-deny`)) - started);
      await sleep(PAUSE);
    }
    return samples;
  }
}

/** A changed rule for one raw policy of each namespace, as PUTs. */
async function putsOf(stage: Stage, namespaces: readonly string[]): Promise<RawRequest[]> {
  const { items } = await stage.policies.listAll({ labelSelector: 'app.kubernetes.io/managed-by=raw' });
  const wanted = new Set(namespaces);
  return items
    .filter(({ metadata }) => metadata.name.endsWith('.metrics') && wanted.has(metadata.namespace ?? ''))
    .map((policy): RawRequest => {
      const { name, namespace } = policy.metadata;
      const { managedFields: _, ...metadata } = policy.metadata;
      const body = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', ...policy, metadata };
      return {
        method: 'PUT',
        path: `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies/${name}`,
        body: JSON.stringify(body).replaceAll('"port":9090', '"port":9091'),
      };
    });
}
