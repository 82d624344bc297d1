/** Runs the raw writer, which sends prepared requests to one API server and does nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { readKubeconfigs } from '../../src/kube/config/kubeconfig.ts';
import { rawWriterBinary } from './peers.ts';

export interface RawSetting {
  readonly encoding: 'json' | 'protobuf';
  readonly inFlight: number;
}

/** Writes all raw policies to each of the namespaces. */
export interface RawPhase extends RawSetting {
  readonly method: 'POST' | 'PUT';
  readonly namespaces: readonly string[];
}

export interface RawResult {
  readonly requests: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** Policies without a namespace: those that POST creates, and their changed form for PUT. */
export interface RawPolicies {
  readonly created: readonly NetworkPolicy[];
  readonly updated: readonly NetworkPolicy[];
}

/** The raw writer's process, on one API server. */
export class RawWriter {
  readonly #child: ChildProcess;
  readonly #results: AsyncIterator<string>;

  private constructor(child: ChildProcess & { readonly stdout: Readable }) {
    this.#child = child;
    this.#results = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Starts the raw writer with the credentials of a kubeconfig that has a token. */
  static async start(kubeconfig: string, policies: RawPolicies): Promise<RawWriter> {
    const child = spawn(await rawWriterBinary(), { stdio: ['pipe', 'pipe', 'inherit'] });
    const writer = new RawWriter(child);
    writer.#write({ ...(await targetOf(kubeconfig)), ...policies });
    return writer;
  }

  async send(phase: RawPhase): Promise<RawResult> {
    this.#write(phase);
    const { value, done } = await this.#results.next();
    if (done === true) throw new Error('the raw writer ended');
    return JSON.parse(value) as RawResult;
  }

  stop(): void {
    this.#child.kill();
  }

  #write(value: object): void {
    (this.#child.stdin as Writable).write(`${JSON.stringify(value)}\n`);
  }
}

async function targetOf(kubeconfig: string): Promise<{ address: string; ca: string; token: string }> {
  const config = readKubeconfigs([kubeconfig]);
  const { headers, tls } = await config.load().credentials();
  const authorization = headers.find(([name]) => name === 'authorization')?.[1] ?? '';
  const token = authorization.replace(/^Bearer /, '');
  return { address: new URL(config.server).host, ca: String(tls.ca), token };
}
