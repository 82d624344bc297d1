/**
 * Measures the largest cluster that one replica is meant for, 10,000 namespaces and 50,000 policies by default: new
 * namespaces during the backfill, the event loop's delay, memory, and a restart.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchOptions } from './run.ts';
import { type Figures, percentile } from './support/figures.ts';
import { measureRestart, startOperator } from './support/operator.ts';
import { RawWriter } from './support/raw-writer.ts';
import { POLICIES_PER_NAMESPACE, Stage } from './support/stage.ts';
import { Witness } from './support/witness.ts';
import { bestSettings, Yardstick } from './support/yardstick.ts';

const PROFILE = 'bench';
/** Time between two new namespaces during the backfill, milliseconds. */
const PAUSE = 150;
/** Namespaces of the raw writer, enough to find its best settings, and then to measure its rate. */
const TRIED = 280;
const RAW = 300;

export function run({ namespaces, chosen }: BenchOptions): Promise<Figures> {
  return Stage.use((stage) => measure(stage, chosen ? namespaces : 10_000));
}

async function measure(stage: Stage, count: number): Promise<Figures> {
  await stage.createNamespaces('ours', count, PROFILE);
  const raws = await stage.createNamespaces('raw', RAW);
  const writer = await RawWriter.start(stage.kubeconfig, await stage.rawPolicies(await stage.pilot()));
  const settings = await bestSettings(writer, 'POST', await stage.createNamespaces('tried', TRIED));
  const witness = await Witness.start(stage.plane.kubeconfig, `${PROFILE}.`);
  const creates = new Yardstick(stage, writer, { method: 'POST', settings, namespaces: raws });
  await creates.before();

  const operator = await startOperator(stage.kubeconfig);
  const emptyMiB = operator.residentMiB.now;
  await operator.metrics();
  const total = count * POLICIES_PER_NAMESPACE;
  const cpu = operator.cpuSeconds;
  const started = performance.now();
  await stage.createProfile(PROFILE);
  const during = await denyLatencies(stage, witness, total * 0.97);
  const all = total + during.length * POLICIES_PER_NAMESPACE;
  await witness.until('ADDED', all);
  const seconds = (performance.now() - started) / 1000;
  const cpuMs = ((operator.cpuSeconds - cpu) * 1000) / all;
  const lagMs = await operator.eventLoopDelayP99Ms();
  await stage.ready(PROFILE, 1);
  const memory = operator.residentMiB;
  const raw = await creates.after();
  writer.stop();
  await operator.stop();

  const restart = await measureRestart(stage.kubeconfig);
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
    restartCachesFilledSeconds: restart.cachesFilledSeconds,
    restartSeconds: restart.seconds,
    restartCpuSeconds: restart.cpuSeconds,
    restartWrites: restart.writes,
    restartedRssMiB: restart.residentMiB.now,
    restartedHighestRssMiB: restart.residentMiB.peak,
  };
}

/**
 * Creates namespaces until `writes` policies were added.
 *
 * @returns milliseconds from each namespace's creation to its default-deny
 */
async function denyLatencies(stage: Stage, witness: Witness, writes: number): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; witness.counts.ADDED < writes; index++) {
    const name = `new-${index}`;
    await stage.createNamespace(name, PROFILE);
    const created = performance.now();
    samples.push((await witness.untilAdded(`${name}/${PROFILE}.default-deny`)) - created);
    await sleep(PAUSE);
  }
  return samples;
}
