/**
 * Measures the operator's everyday work at size beside two others in the same run: the raw writer, which is the limit of
 * the API server, and a peer in Go. The operator and the peer take turns, in pairs whose order alternates, each on a
 * control plane of its own. The figures are medians. Compare ratios: machines are noisy.
 */
import type { BenchOptions } from './run.ts';
import { comparisonTable, type Row } from './support/comparison.ts';
import { type Contender, OPERATOR, peer } from './support/contenders.ts';
import { type Figures, percentile } from './support/figures.ts';
import { peerBinary, rawWriterBinary } from './support/peers.ts';
import { RawWriter } from './support/raw-writer.ts';
import {
  type Measured,
  type RawMeasured,
  runSequence,
  type SequenceOptions,
  type SequenceResult,
} from './support/sequence.ts';
import { Stage } from './support/stage.ts';
import { bestSettings } from './support/yardstick.ts';

/** Namespaces in which the raw writer tries its settings: enough for a few hundred requests with each. */
const TRIED = 700;

interface Pair {
  readonly operator: SequenceResult;
  readonly peer: SequenceResult;
}

export async function run({ namespaces, pairs: count }: BenchOptions): Promise<Figures> {
  // Builds that are necessary come before all measurements.
  await rawWriterBinary();
  await peerBinary();
  const prepared = await Stage.use((stage) => prepare(stage, namespaces));
  const pairs: Pair[] = [];
  for (let index = 0; index < count; index++) {
    console.error(`enforce: pair ${index + 1} of ${count}`);
    pairs.push(await runPair(prepared, index % 2 === 0));
  }
  return figuresOf(pairs, prepared.settings);
}

type Prepared = Omit<SequenceOptions, 'contender'>;

/** Reads the policies that the operator writes, and finds the raw writer's best settings. */
async function prepare(stage: Stage, namespaces: number): Promise<Prepared> {
  const templates = await stage.pilot();
  const writer = await RawWriter.start(stage.kubeconfig, await stage.rawPolicies(templates));
  const warming = await stage.createNamespaces('warming', TRIED / 7);
  await writer.send({ method: 'POST', encoding: 'protobuf', inFlight: 16, namespaces: warming });
  const tried = await stage.createNamespaces('tried', TRIED);
  const create = await bestSettings(writer, 'POST', tried);
  const update = await bestSettings(writer, 'PUT', tried);
  writer.stop();
  return { templates, settings: { create, update }, namespaces };
}

async function runPair(prepared: Prepared, operatorFirst: boolean): Promise<Pair> {
  const runOne = (contender: Contender) => runSequence({ ...prepared, contender });
  const other = peer(prepared.templates);
  if (operatorFirst) return { operator: await runOne(OPERATOR), peer: await runOne(other) };
  const before = await runOne(other);
  return { operator: await runOne(OPERATOR), peer: before };
}

/** Figures by name: `operator.NAME`, `peer.NAME`, `raw.NAME`, and the ratios `toPeer.NAME` and `toRaw.NAME`. */
function figuresOf(pairs: readonly Pair[], settings: Prepared['settings']): Figures {
  const figures: Record<string, number> = {
    pairs: pairs.length,
    rawCreatesInFlight: settings.create[0]?.inFlight ?? 0,
    rawUpdatesInFlight: settings.update[0]?.inFlight ?? 0,
  };
  const add = (name: string, samples: readonly number[]) => {
    const known = samples.filter(Number.isFinite);
    if (known.length > 0) figures[name] = percentile(known, 0.5);
  };
  for (const { figure } of ROWS) {
    add(
      `operator.${figure}`,
      pairs.map(({ operator }) => operator.measured[figure]),
    );
    add(
      `peer.${figure}`,
      pairs.map((pair) => pair.peer.measured[figure]),
    );
    add(
      `toPeer.${figure}`,
      pairs.map(({ operator, peer: other }) => operator.measured[figure] / other.measured[figure]),
    );
    if (!isRaw(figure)) continue;
    add(
      `raw.${figure}`,
      pairs.flatMap(({ operator, peer: other }) => [operator.raw[figure], other.raw[figure]]),
    );
    // Each is compared with the raw writer on its own control plane, immediately before and after.
    add(
      `toRaw.${figure}`,
      pairs.map(({ operator }) => operator.measured[figure] / operator.raw[figure]),
    );
    add(
      `peerToRaw.${figure}`,
      pairs.map(({ peer: other }) => other.measured[figure] / other.raw[figure]),
    );
  }
  return figures;
}

const RAW_FIGURES: ReadonlySet<keyof Measured> = new Set<keyof RawMeasured>([
  'coldWritesPerSecond',
  'coldCpuMsPerWrite',
  'coldServerCpuMsPerWrite',
  'coldTotalCpuMsPerWrite',
  'editWritesPerSecond',
]);

function isRaw(figure: keyof Measured): figure is keyof RawMeasured {
  return RAW_FIGURES.has(figure);
}

const ROWS: readonly Row<keyof Measured>[] = [
  { figure: 'coldWritesPerSecond', title: 'cold enforcement, writes a second' },
  { figure: 'coldCpuMsPerWrite', title: 'CPU of the writer for each write, ms' },
  { figure: 'coldServerCpuMsPerWrite', title: 'CPU of the control plane for each write, ms' },
  { figure: 'coldTotalCpuMsPerWrite', title: 'CPU of both for each write, ms' },
  { figure: 'editWritesPerSecond', title: 'one changed rule, writes a second' },
  { figure: 'editWritesPerNamespace', title: 'one changed rule, writes for each namespace' },
  { figure: 'newNamespaceP50Ms', title: 'new namespace to deny, idle, p50, ms' },
  { figure: 'newNamespaceP99Ms', title: 'new namespace to deny, idle, p99, ms' },
  { figure: 'newNamespaceInBackfillP50Ms', title: 'new namespace to deny, in a backfill, p50, ms' },
  { figure: 'newNamespaceInBackfillP99Ms', title: 'new namespace to deny, in a backfill, p99, ms' },
  { figure: 'repairSeconds', title: '500 deleted policies restored, s' },
  { figure: 'restartCpuSeconds', title: 'restart with nothing to do, CPU, s' },
  { figure: 'restartWrites', title: 'restart with nothing to do, writes' },
  { figure: 'highestRssMiB', title: 'resident at most, MiB' },
  { figure: 'highestRssTwiceMiB', title: 'resident at most, with twice as many policies, MiB' },
  { figure: 'eventLoopDelayP99Ms', title: 'event loop delay, p99, ms' },
];

/** The figures as a table, with a row for each figure. */
export function table(figures: Figures): string {
  return comparisonTable(figures, ROWS);
}
