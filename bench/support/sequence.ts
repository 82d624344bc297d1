/** Takes one operator through its everyday work at size, on a stage of its own, with the raw writer before and after. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender } from './contenders.ts';
import { inFlight, percentile, timed } from './figures.ts';
import { Operator } from './operator.ts';
import type { Program } from './program.ts';
import { type RawSetting, RawWriter } from './raw-writer.ts';
import { POLICIES_PER_NAMESPACE, type PolicyTemplate, Stage } from './stage.ts';
import { Witness } from './witness.ts';
import { Yardstick } from './yardstick.ts';

/** Figures of one operator. */
export interface Measured {
  readonly coldWritesPerSecond: number;
  readonly coldCpuMsPerWrite: number;
  readonly coldServerCpuMsPerWrite: number;
  readonly coldTotalCpuMsPerWrite: number;
  readonly editWritesPerSecond: number;
  readonly editWritesPerNamespace: number;
  readonly newNamespaceP50Ms: number;
  readonly newNamespaceP99Ms: number;
  readonly newNamespaceInBackfillP50Ms: number;
  readonly newNamespaceInBackfillP99Ms: number;
  readonly repairSeconds: number;
  readonly restartCpuSeconds: number;
  readonly restartWrites: number;
  /** After cold enforcement, edit and repair. */
  readonly highestRssMiB: number;
  /** After a backfill of as many namespaces again. */
  readonly highestRssTwiceMiB: number;
  /** NaN for an operator without an event loop. */
  readonly eventLoopDelayP99Ms: number;
}

/** Figures of the raw writer, which creates and updates policies and does nothing else. */
export type RawMeasured = Pick<
  Measured,
  | 'coldWritesPerSecond'
  | 'coldCpuMsPerWrite'
  | 'coldServerCpuMsPerWrite'
  | 'coldTotalCpuMsPerWrite'
  | 'editWritesPerSecond'
>;

export interface SequenceOptions {
  readonly contender: Contender;
  readonly templates: readonly PolicyTemplate[];
  readonly settings: { readonly create: readonly RawSetting[]; readonly update: readonly RawSetting[] };
  /** Namespaces for the operator, and, up to `MOST_RAW`, for the raw writer. */
  readonly namespaces: number;
}

export interface SequenceResult {
  readonly measured: Measured;
  readonly raw: RawMeasured;
}

/** Prefix of the objects that ask for policies, and so of the policies' names. */
const PREFIX = 'bench';
const FIRST = PREFIX;
const SECOND = `${PREFIX}-second`;
/** Most namespaces for the raw writer. Its policies are foreign ones, which the operator watches too, and keeps in memory. */
const MOST_RAW = 1000;
const DELETED = 500;
const NEW_NAMESPACES = 150;
/** Time between two new namespaces on an idle cluster, milliseconds. */
const IDLE_PAUSE_MS = 60;
/** Time between two new namespaces during a backfill, milliseconds. */
const BACKFILL_PAUSE_MS = 25;
/** Part of a backfill in which namespaces are created. */
const BACKFILL_PART = 0.9;

interface Scene {
  readonly stage: Stage;
  readonly witness: Witness;
  readonly contender: Contender;
  readonly program: Program;
  /** Namespaces of the first object. */
  readonly selected: readonly string[];
}

export function runSequence(options: SequenceOptions): Promise<SequenceResult> {
  return Stage.use((stage) => measure(stage, options));
}

async function measure(
  stage: Stage,
  { contender, templates, settings, namespaces: count }: SequenceOptions,
): Promise<SequenceResult> {
  const selected = await stage.createNamespaces('first', count, FIRST);
  const raws = await stage.createNamespaces('raw', Math.min(count, MOST_RAW));
  const writer = await RawWriter.start(stage.kubeconfig, await stage.rawPolicies(templates));
  const witness = await Witness.start(stage.plane.kubeconfig, PREFIX);
  const creates = new Yardstick(stage, writer, {
    method: 'POST',
    settings: settings.create,
    namespaces: raws,
  });
  await creates.before();
  const program = await contender.start(stage);
  const scene: Scene = { stage, witness, contender, program, selected };
  const cold = await coldFigures(scene);
  const rawCreate = await creates.after();

  const updates = new Yardstick(stage, writer, {
    method: 'PUT',
    settings: settings.update,
    namespaces: raws,
  });
  await updates.before();
  const edit = await editFigures(scene);
  const rawUpdate = await updates.after();
  writer.stop();

  const repairSeconds = await secondsOfRepair(scene);
  const highestRssMiB = program.residentMiB.peak;
  const idle = await idleLatencies(scene);
  const busy = await backfillLatencies(scene);
  const highestRssTwiceMiB = program.residentMiB.peak;
  await program.quiet();
  await program.stop();
  const restart = await restartFigures(scene);
  await witness.stop();
  return {
    measured: {
      ...cold,
      ...edit,
      newNamespaceP50Ms: percentile(idle, 0.5),
      newNamespaceP99Ms: percentile(idle, 0.99),
      newNamespaceInBackfillP50Ms: percentile(busy, 0.5),
      newNamespaceInBackfillP99Ms: percentile(busy, 0.99),
      repairSeconds,
      ...restart,
      highestRssMiB,
      highestRssTwiceMiB,
    },
    raw: {
      coldWritesPerSecond: rawCreate.rate,
      coldCpuMsPerWrite: rawCreate.cpuMs,
      coldServerCpuMsPerWrite: rawCreate.serverCpuMs,
      coldTotalCpuMsPerWrite: rawCreate.cpuMs + rawCreate.serverCpuMs,
      editWritesPerSecond: rawUpdate.rate,
    },
  };
}

/** Asks for the policies and waits until all are written. */
async function coldFigures({ stage, witness, contender, program, selected }: Scene) {
  const total = selected.length * POLICIES_PER_NAMESPACE;
  await program.quiet();
  if (program instanceof Operator) await program.metrics(); // resets the event loop's delay
  const before = { own: program.cpuSeconds, server: stage.serverCpuSeconds };
  const seconds = await timed(async () => {
    await contender.create(stage, FIRST);
    await witness.until('ADDED', total);
  });
  const cpuMs = ((program.cpuSeconds - before.own) * 1000) / total;
  const serverCpuMs = ((stage.serverCpuSeconds - before.server) * 1000) / total;
  const eventLoopDelayP99Ms = program instanceof Operator ? await program.eventLoopDelayP99Ms() : Number.NaN;
  await program.quiet();
  return {
    coldWritesPerSecond: total / seconds,
    coldCpuMsPerWrite: cpuMs,
    coldServerCpuMsPerWrite: serverCpuMs,
    coldTotalCpuMsPerWrite: cpuMs + serverCpuMs,
    eventLoopDelayP99Ms,
  };
}

/** Changes one rule and waits until each namespace has it. */
async function editFigures({ stage, witness, contender, program, selected }: Scene) {
  const before = policyEvents(witness);
  const goal = witness.counts.MODIFIED + selected.length;
  const seconds = await timed(async () => {
    await contender.edit(stage, FIRST);
    await witness.until('MODIFIED', goal);
  });
  await program.quiet();
  return {
    editWritesPerSecond: selected.length / seconds,
    editWritesPerNamespace: (policyEvents(witness) - before) / selected.length,
  };
}

/** Deletes policies while the operator is paused. Measures from its resumption until all are restored. */
async function secondsOfRepair({ stage, witness, program, selected }: Scene): Promise<number> {
  const total = selected.length * POLICIES_PER_NAMESPACE;
  const { items } = await stage.policies.listAll({ namespace: selected[0] });
  const names = items.map(({ metadata }) => metadata.name);
  const victims = Array.from({ length: Math.min(DELETED, total) }, (_, index) => {
    const pick = (index * 7919) % total;
    const kind = Math.floor(pick / selected.length);
    return { namespace: selected[pick % selected.length] ?? '', name: names[kind] ?? '' };
  });
  program.pause();
  await inFlight(victims, 32, ({ namespace, name }) => stage.policies.delete(name, namespace));
  const goal = witness.counts.ADDED + victims.length;
  const seconds = await timed(async () => {
    program.resume();
    await witness.until('ADDED', goal);
  });
  await program.quiet();
  return seconds;
}

/** Milliseconds from the answer to each namespace's creation to the event of its default-deny. */
async function idleLatencies({ stage, witness }: Scene): Promise<number[]> {
  const samples: number[] = [];
  for (let index = 0; index < NEW_NAMESPACES; index++) {
    const name = `idle-${index}`;
    await stage.createNamespace(name, FIRST);
    const created = performance.now();
    samples.push((await witness.untilAdded(`${name}/${FIRST}.default-deny`)) - created);
    await sleep(IDLE_PAUSE_MS);
  }
  return samples;
}

/** Measures the backfill of a second object, which selects as many namespaces as the first, and the new ones. */
async function backfillLatencies({ stage, witness, contender, program, selected }: Scene): Promise<number[]> {
  await stage.createNamespaces('second', selected.length, SECOND);
  await program.quiet();
  const before = witness.counts.ADDED;
  await contender.create(stage, SECOND);
  const samples: Promise<number>[] = [];
  const all = () => (selected.length + samples.length) * POLICIES_PER_NAMESPACE;
  while (witness.counts.ADDED - before < all() * BACKFILL_PART) {
    const name = `busy-${samples.length}`;
    await stage.createNamespace(name, SECOND);
    const created = performance.now();
    samples.push(witness.untilAdded(`${name}/${SECOND}.default-deny`).then((added) => added - created));
    await sleep(BACKFILL_PAUSE_MS);
  }
  await witness.until('ADDED', before + all());
  return Promise.all(samples);
}

/** Starts the operator again and waits until it has nothing more to do. */
async function restartFigures({ stage, witness, contender }: Scene) {
  const before = policyEvents(witness);
  const program = await contender.start(stage);
  const restartCpuSeconds = await program.quiet();
  await program.stop();
  return { restartCpuSeconds, restartWrites: policyEvents(witness) - before };
}

function policyEvents({ counts }: Witness): number {
  return counts.ADDED + counts.MODIFIED + counts.DELETED;
}
