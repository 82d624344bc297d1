/**
 * Measures the operator's everyday work at size, each part beside a raw writer in the same run: cold enforcement, a
 * changed rule, deleted policies, new namespaces, a restart. Compare the ratios: machines are noisy.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from './run.ts';
import { type Figures, inFlight, percentile, timed } from './support/figures.ts';
import { measureRestart, type Operator, startOperator } from './support/operator.ts';
import { type RawRequest, Yardstick } from './support/raw.ts';
import { POLICIES_PER_NAMESPACE, Stage } from './support/stage.ts';
import { Witness } from './support/witness.ts';

const DELETED = 500;
const NEW_NAMESPACES = 150;
/** Time between two new namespaces on an idle cluster, milliseconds. */
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
  const scene: Scene = { stage, witness, operator, ours, total };
  const cold = await coldFigures(scene);
  const serverBefore = stage.serverCpuSeconds;
  const rawCreate = await creates.after();
  const rawServerMs = ((stage.serverCpuSeconds - serverBefore) * 1000) / creates.left;

  const updates = new Yardstick(stage.kubeconfig, await putsOf(stage, raws));
  await updates.before();
  const edit = await editFigures(scene);
  const rawUpdate = await updates.after();

  const repairRate = await repairsPerSecond(scene);
  const idle = await denyLatencies(scene);
  const written = witness.counts.ADDED + witness.counts.MODIFIED;
  await stage.ready(PROFILE, 2);
  await operator.stop();

  const restart = await measureRestart(stage.kubeconfig);
  const restartEvents = witness.counts.ADDED + witness.counts.MODIFIED - written;
  await witness.stop();
  return {
    namespaces: count,
    policies: total,
    rawCreatesPerSecond: rawCreate.rate,
    rawBestInFlight: rawCreate.flight,
    coldWritesPerSecond: cold.rate,
    coldRatio: cold.rate / rawCreate.rate,
    rawCpuMsPerWrite: rawCreate.cpuMs,
    coldCpuMsPerWrite: cold.cpuMs,
    rawServerCpuMsPerWrite: rawServerMs,
    coldServerCpuMsPerWrite: cold.serverCpuMs,
    coldEventLoopDelayP99Ms: cold.eventLoopDelayP99Ms,
    coldRssMiB: cold.rssMiB,
    rawUpdatesPerSecond: rawUpdate.rate,
    editWritesPerNamespace: edit.writes / count,
    editWritesPerSecond: edit.rate,
    editRatio: edit.rate / rawUpdate.rate,
    editCpuMsPerWrite: edit.cpuMs,
    repairWritesPerSecond: repairRate,
    repairRatio: repairRate / rawCreate.rate,
    newNamespaceToDenyP50Ms: percentile(idle, 0.5),
    newNamespaceToDenyP99Ms: percentile(idle, 0.99),
    restartCachesFilledSeconds: restart.cachesFilledSeconds,
    restartSeconds: restart.seconds,
    restartCpuSeconds: restart.cpuSeconds,
    restartWrites: Math.max(restart.writes, restartEvents),
  };
}

interface Scene {
  readonly stage: Stage;
  readonly witness: Witness;
  readonly operator: Operator;
  /** Namespaces that the profile selects. */
  readonly ours: readonly string[];
  /** Policies of the profile in these namespaces. */
  readonly total: number;
}

/** Creates the profile and waits until all policies are written. */
async function coldFigures({ stage, witness, operator, total }: Scene) {
  const before = { own: operator.cpuSeconds, server: stage.serverCpuSeconds };
  await operator.metrics(); // resets the event loop's delay
  const seconds = await timed(async () => {
    await stage.createProfile(PROFILE);
    await witness.until('ADDED', total);
  });
  const used = { own: operator.cpuSeconds - before.own, server: stage.serverCpuSeconds - before.server };
  const eventLoopDelayP99Ms = await operator.eventLoopDelayP99Ms();
  await stage.ready(PROFILE, 1);
  return {
    rate: total / seconds,
    cpuMs: (used.own * 1000) / total,
    serverCpuMs: (used.server * 1000) / total,
    eventLoopDelayP99Ms,
    rssMiB: operator.residentMiB.now,
  };
}

/** Changes one rule of the profile and waits until each namespace has it. */
async function editFigures({ stage, witness, operator, ours, total }: Scene) {
  const cpuBefore = operator.cpuSeconds;
  const seconds = await timed(async () => {
    await stage.editProfile(PROFILE, 9091);
    await witness.until('MODIFIED', ours.length);
  });
  const cpuMs = ((operator.cpuSeconds - cpuBefore) * 1000) / ours.length;
  await stage.ready(PROFILE, 2);
  const writes = witness.counts.MODIFIED + witness.counts.ADDED + witness.counts.DELETED - total;
  return { rate: ours.length / seconds, cpuMs, writes };
}

/** Deletes policies while the operator is paused. Measures from its resumption until all are restored. */
async function repairsPerSecond({ stage, witness, operator, ours, total }: Scene): Promise<number> {
  const victims = Array.from({ length: Math.min(DELETED, total) }, (_, index) => {
    const pick = (index * 7919) % total;
    return { namespace: ours[pick % ours.length] ?? '', kind: Math.floor(pick / ours.length) };
  });
  const { items } = await stage.policies.listAll({ namespace: ours[0] });
  const names = items.map(({ metadata }) => metadata.name);
  operator.pause();
  await inFlight(victims, 32, ({ namespace, kind }) => stage.policies.delete(names[kind] ?? '', namespace));
  const goal = witness.counts.ADDED + victims.length;
  const seconds = await timed(async () => {
    operator.resume();
    await witness.until('ADDED', goal);
  });
  return victims.length / seconds;
}

/** Milliseconds from the answer to each namespace's creation to the event of its default-deny. */
async function denyLatencies({ stage, witness }: Scene): Promise<number[]> {
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

/** Requests that change a rule of one raw policy in each namespace. */
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
