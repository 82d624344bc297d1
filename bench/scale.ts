/**
 * The largest cluster that one replica is meant for: 10,000 namespaces and 50,000 policies, unless `--namespaces` says
 * otherwise. New namespaces during the backfill, how long the event loop was held up, memory, and a restart.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from './run.ts';
import { type Figures, percentile } from './support/figures.ts';
import { startOperator } from './support/operator.ts';
import { Yardstick } from './support/raw.ts';
import { POLICIES_PER_NAMESPACE, Stage } from './support/stage.ts';
import { Witness } from './support/witness.ts';

const PROFILE = 'bench';
/** Between two new namespaces during the backfill, milliseconds. */
const PAUSE = 150;
/** Namespaces of the raw writer, whose rate needs no more to be known. */
const RAW = 300;

export function run({ namespaces, chosen }: BenchOptions): Promise<Figures> {
  return Stage.use((stage) => measure(stage, chosen ? namespaces : 10_000));
}

async function measure(stage: Stage, count: number): Promise<Figures> {
  await stage.createNamespaces('ours', count, PROFILE);
  const raws = await stage.createNamespaces('raw', RAW);
  const copies = await stage.copies(await stage.pilot(), raws);
  const witness = await Witness.start(stage.plane.kubeconfig, `${PROFILE}.`);
  const creates = new Yardstick(stage.kubeconfig, copies);
  await creates.before();

  const operator = await startOperator(stage.kubeconfig);
  const emptyMiB = operator.residentMiB.now;
  await operator.metrics();
  const total = count * POLICIES_PER_NAMESPACE;
  const cpu = operator.cpuSeconds;
  const started = performance.now();
  await stage.createProfile(PROFILE);
  const during: number[] = [];
  for (let index = 0; witness.counts.ADDED < total * 0.97; index++) {
    const name = `new-${index}`;
    await stage.createNamespace(name, PROFILE);
    const created = performance.now();
    during.push((await witness.untilAdded(`${name}/${PROFILE}.default-deny`)) - created);
    await sleep(PAUSE);
  }
  const all = total + during.length * POLICIES_PER_NAMESPACE;
  await witness.until('ADDED', all);
  const seconds = (performance.now() - started) / 1000;
  const cpuMs = ((operator.cpuSeconds - cpu) * 1000) / all;
  const lagMs = await operator.eventLoopDelayP99Ms();
  await stage.ready(PROFILE, 1);
  const memory = operator.residentMiB;
  const raw = await creates.after();
  await operator.stop();

  const again = await startOperator(stage.kubeconfig);
  const filledSeconds = (performance.now() - again.started) / 1000;
  await again.line('all namespaces reconciled');
  const restartSeconds = (performance.now() - again.started) / 1000;
  const restartCpuSeconds = again.cpuSeconds;
  const restartWrites = (await again.metrics())('segmentation_policy_writes_total');
  const restarted = again.residentMiB;
  await again.stop();
  await witness.stop();
  return {
    namespaces: count + during.length,
    policies: all,
    rawCreatesPerSecond: raw.rate,
    rawCpuMsPerWrite: raw.cpuMs,
    backfillWritesPerSecond: all / seconds,
    backfillRatio: all / seconds / raw.rate,
    backfillCpuMsPerWrite: cpuMs,
    newNamespaceToDenyP50Ms: percentile(during, 0.5),
    newNamespaceToDenyP99Ms: percentile(during, 0.99),
    newNamespaceSamples: during.length,
    eventLoopDelayP99Ms: lagMs,
    startedRssMiB: emptyMiB,
    rssMiB: memory.now,
    highestRssMiB: memory.peak,
    restartCachesFilledSeconds: filledSeconds,
    restartSeconds,
    restartCpuSeconds,
    restartWrites,
    restartedRssMiB: restarted.now,
    restartedHighestRssMiB: restarted.peak,
  };
}
