/** A Loki that runs in one process, built from its Go module. It stores on disk, and has tenants. */
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { isRunning, ProcessSet } from '../env/plane/processes.ts';
import { goTool } from '../env/tooling/go-tool.ts';
import { eventually } from './cluster.ts';

/** Lines of one stream, each with its time in nanoseconds since 1970. */
export interface LokiStream {
  readonly labels: Readonly<Record<string, string>>;
  readonly lines: readonly (readonly [time: bigint, line: string])[];
}

const START = 120_000; // ms until it is ready; some seconds on an idle machine

export class Loki {
  readonly url: string;
  readonly #processes: ProcessSet;
  readonly #child: ChildProcess;
  readonly #log: string;

  private constructor(url: string, processes: ProcessSet, child: ChildProcess, log: string) {
    this.url = url;
    this.#processes = processes;
    this.#child = child;
    this.#log = log;
  }

  /** Builds Loki if it is missing, and starts it. @throws Error with its log if it does not become ready */
  static async start(): Promise<Loki> {
    const binary = await goTool({
      name: 'loki',
      module: 'loki',
      package: 'github.com/grafana/loki/v3/cmd/loki',
      title: 'Loki 3.7.8',
      usualTime: 'Loki takes about 7 minutes on 2 cores',
    });
    const [http, grpc] = [await freePort(), await freePort()];
    const processes = new ProcessSet(join(tmpdir(), `loki-${randomBytes(6).toString('hex')}`));
    const { directory } = processes;
    const file = join(directory, 'loki.yaml');
    writeFileSync(file, stringify(configuration(directory, http, grpc)));
    const log = join(directory, 'log');
    const child = processes.start(binary, [`-config.file=${file}`], { log });
    const loki = new Loki(`http://127.0.0.1:${http}`, processes, child, log);
    try {
      await eventually(() => loki.#ready(), START);
    } catch (error) {
      await loki.stop();
      throw error;
    }
    return loki;
  }

  async #ready(): Promise<void> {
    if (!isRunning(this.#child)) throw new Error(`Loki has ended:\n${readFileSync(this.#log, 'utf8')}`);
    const response = await fetch(`${this.url}/ready`);
    if (!response.ok) throw new Error(`Loki is not ready: ${await response.text()}`);
  }

  /** @throws Error with Loki's answer if it refuses a line */
  async push(tenant: string, streams: readonly LokiStream[]): Promise<void> {
    const body = streams.map(({ labels, lines }) => ({
      stream: labels,
      values: lines.map(([time, line]) => [String(time), line]),
    }));
    const response = await fetch(`${this.url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-scope-orgid': tenant },
      body: JSON.stringify({ streams: body }),
    });
    if (!response.ok) throw new Error(`Loki answered ${response.status}: ${await response.text()}`);
  }

  async stop(): Promise<void> {
    await this.#processes.stop();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function configuration(directory: string, http: number, grpc: number): object {
  return {
    auth_enabled: true,
    analytics: { reporting_enabled: false },
    server: {
      http_listen_address: '127.0.0.1',
      http_listen_port: http,
      grpc_listen_address: '127.0.0.1',
      grpc_listen_port: grpc,
      log_level: 'warn',
    },
    common: {
      instance_addr: '127.0.0.1',
      path_prefix: directory,
      replication_factor: 1,
      ring: { kvstore: { store: 'inmemory' } },
      storage: {
        filesystem: {
          chunks_directory: join(directory, 'chunks'),
          rules_directory: join(directory, 'rules'),
        },
      },
    },
    ingester: { lifecycler: { min_ready_duration: '0s', final_sleep: '0s' } },
    limits_config: { ingestion_rate_mb: 100, ingestion_burst_size_mb: 100 },
    schema_config: {
      configs: [
        {
          from: '2024-04-01',
          store: 'tsdb',
          object_store: 'filesystem',
          schema: 'v13',
          index: { prefix: 'index_', period: '24h' },
        },
      ],
    },
  };
}
