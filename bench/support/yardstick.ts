/** Finds the highest rate at which the API server takes writes: the limit of any operator. */
import type { RawPhase, RawResult, RawSetting, RawWriter } from './raw-writer.ts';
import type { Stage } from './stage.ts';

/** The raw writer's result with its best setting. */
export interface Best {
  readonly setting: RawSetting;
  /** Requests per second. */
  readonly rate: number;
  /** The raw writer's CPU time for each request, milliseconds. */
  readonly cpuMs: number;
  /** The control plane's CPU time for each request, milliseconds. */
  readonly serverCpuMs: number;
}

const SETTINGS: readonly RawSetting[] = [1, 2, 4, 8, 16, 32, 64].flatMap((inFlight) => [
  { encoding: 'protobuf' as const, inFlight },
  { encoding: 'json' as const, inFlight },
]);

/** Settings that are measured again, after all of them were measured briefly. */
const CONTENDERS = 2;

/**
 * Tries all encodings and numbers in flight, each in its share of the namespaces.
 *
 * @returns the settings with the highest rates
 */
export async function bestSettings(
  writer: RawWriter,
  method: RawPhase['method'],
  namespaces: readonly string[],
): Promise<RawSetting[]> {
  const results = await sendShares(writer, method, namespaces, SETTINGS);
  return results
    .toSorted((a, b) => b.requests / b.seconds - a.requests / a.seconds)
    .slice(0, CONTENDERS)
    .map(({ setting }) => setting);
}

type SettingResult = RawResult & { readonly setting: RawSetting };

async function sendShares(
  writer: RawWriter,
  method: RawPhase['method'],
  namespaces: readonly string[],
  settings: readonly RawSetting[],
): Promise<SettingResult[]> {
  const share = Math.ceil(namespaces.length / settings.length);
  const results: SettingResult[] = [];
  for (const [index, setting] of settings.entries()) {
    const own = namespaces.slice(index * share, (index + 1) * share);
    if (own.length === 0) continue;
    results.push({ setting, ...(await writer.send({ method, ...setting, namespaces: own })) });
  }
  return results;
}

/**
 * Measures the raw writer's rate before and after a benchmark, so that a machine that slows down or speeds up affects
 * both. The settings were chosen with other requests: the best of many short measurements would be a result of chance.
 */
export class Yardstick {
  readonly #stage: Stage;
  readonly #writer: RawWriter;
  readonly #method: RawPhase['method'];
  readonly #settings: readonly RawSetting[];
  readonly #namespaces: readonly string[];
  readonly #results: SettingResult[] = [];
  #serverCpuSeconds = 0;

  /** @param namespaces half of them for each of the two measurements */
  constructor(
    stage: Stage,
    writer: RawWriter,
    {
      method,
      settings,
      namespaces,
    }: Pick<RawPhase, 'method' | 'namespaces'> & { settings: readonly RawSetting[] },
  ) {
    this.#stage = stage;
    this.#writer = writer;
    this.#method = method;
    this.#settings = settings;
    this.#namespaces = namespaces;
  }

  async before(): Promise<void> {
    await this.#measure(this.#namespaces.slice(0, this.#namespaces.length / 2));
  }

  async after(): Promise<Best> {
    await this.#measure(this.#namespaces.slice(this.#namespaces.length / 2));
    const rates = [...Map.groupBy(this.#results, ({ setting }) => setting)].map(([setting, results]) => ({
      setting,
      rate: sum(results, 'requests') / sum(results, 'seconds'),
      cpuMs: (sum(results, 'cpuSeconds') * 1000) / sum(results, 'requests'),
    }));
    const best = rates.reduce((a, b) => (b.rate > a.rate ? b : a));
    return { ...best, serverCpuMs: (this.#serverCpuSeconds * 1000) / sum(this.#results, 'requests') };
  }

  async #measure(namespaces: readonly string[]): Promise<void> {
    const before = this.#stage.serverCpuSeconds;
    this.#results.push(...(await sendShares(this.#writer, this.#method, namespaces, this.#settings)));
    this.#serverCpuSeconds += this.#stage.serverCpuSeconds - before;
  }
}

function sum(results: readonly RawResult[], figure: keyof RawResult): number {
  return results.reduce((total, each) => total + each[figure], 0);
}
