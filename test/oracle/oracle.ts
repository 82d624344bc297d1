/**
 * The independent evaluator as a child process. It reads one JSON case a line, and writes one JSON answer a line, in
 * the order of the cases (test/env/tools/cyclonus/main.go).
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { LabelSelector, StringMap } from '../../src/api/meta.ts';
import type { Protocol } from '../../src/api/network-policy.ts';
import type { ClusterView, Endpoint, Flow } from '../../src/analysis/cluster.ts';
import type { IPFamily } from '../../src/policy/semantics/cidr.ts';

/** The index of a pod, or an address. */
type EndpointReference = { readonly pod: number } | { readonly ip: string };

export interface OracleCase extends Partial<ClusterView> {
  readonly flows?: readonly {
    readonly from: EndpointReference;
    readonly to: EndpointReference;
    readonly port: number;
    readonly protocol: Protocol;
    readonly family: IPFamily;
  }[];
  readonly selectors?: readonly { readonly selector: LabelSelector; readonly labels: StringMap }[];
  readonly cidrs?: readonly { readonly cidr: string; readonly ip: string }[];
}

export interface OracleAnswer {
  /** The errors of the API server's validation. */
  readonly invalid?: readonly string[];
  readonly panic?: string;
  readonly flows?: readonly { readonly egress: boolean; readonly ingress: boolean }[];
  readonly selectors?: readonly boolean[];
  /** `canonical` is empty for a CIDR that the API server can't read. */
  readonly cidrs?: readonly { readonly canonical: string; readonly contains: boolean }[];
}

/** The case of these flows. Each must have a family, and its pods must be objects of the view. */
export function flowCase(view: ClusterView, flows: readonly Flow[]): OracleCase {
  const reference = (endpoint: Endpoint): EndpointReference =>
    endpoint.kind === 'external' ? { ip: endpoint.ip } : { pod: view.pods.indexOf(endpoint.pod) };
  return {
    ...view,
    flows: flows.map(({ from, to, port, protocol, family }) => {
      if (family === undefined) throw new TypeError('The oracle needs to know the family of each flow.');
      return { from: reference(from), to: reference(to), port, protocol, family };
    }),
  };
}

export class Oracle implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #waiting: { resolve: (answer: OracleAnswer) => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  constructor(binary: string) {
    this.#child = spawn(binary, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#lines.on('line', (line) => this.#waiting.shift()?.resolve(JSON.parse(line) as OracleAnswer));
    this.#child.on('error', (error) => this.#fail(error));
    this.#child.on('exit', (code, signal) => this.#fail(new Error(`the oracle ended (${signal ?? code})`)));
    // A broken pipe is reported by `exit`, with the reason.
    this.#child.stdin.on('error', () => {});
  }

  /** @throws if the process has ended */
  ask(question: OracleCase): Promise<OracleAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.stdin.end();
    await once(this.#child, 'exit');
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
