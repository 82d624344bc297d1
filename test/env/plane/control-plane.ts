// A local Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager as plain processes on loopback,
// with real certificates and RBAC. There is no kubelet, no scheduler and no container.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient, ApiError } from './api-client.ts';
import { type Binaries, locateBinaries } from '../tooling/binaries.ts';
import {
  apiServerArguments,
  type ComponentName,
  controllerManagerArguments,
  etcdArguments,
  etcdSocket,
  SERVER_NAMES,
} from './components.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { createPki, type Pki } from './pki.ts';
import { endProcess, isRunning, ProcessSet, signalProcess } from './processes.ts';
import type { Progress } from '../tooling/progress.ts';

export interface ControlPlaneOptions {
  /** Writes an audit log: level Metadata, one JSON line for each completed request. */
  readonly auditLog?: boolean;
  /**
   * Runs the controller that checks the types of the expressions of admission policies, for their status. It costs seconds of
   * processor time for each installation of policies.
   */
  readonly checksExpressions?: boolean;
  /** Additional flags of kube-apiserver. */
  readonly apiServerArguments?: readonly string[];
  /** Called about long steps (a build, a download); by default they are shown on stderr. */
  readonly onProgress?: Progress;
}

export interface KubectlOptions {
  readonly stdin?: string;
  /** Path of a kubeconfig; the administrator's by default. */
  readonly kubeconfig?: string;
}

/** `npm test` sets CONTROL_PLANE_GOGC: the garbage collection of the components (https://pkg.go.dev/runtime, GOGC). */
const { CONTROL_PLANE_GOGC: GOGC } = process.env;
const ENVIRONMENT = GOGC === undefined ? process.env : { ...process.env, GOGC };
const START_TIMEOUT = 60_000; // ms; about 4 s on an idle machine
const POLL_INTERVAL = 25; // ms
const PORT_ATTEMPTS = 5;

/**
 * Starts a control plane. Resolves when the API server answers and the namespace `default` has its ServiceAccount.
 * `stop()` removes processes and data, and so does the end of this process, even by SIGKILL.
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const binaries = await locateBinaries({ onProgress: options.onProgress });
  for (let attempt = 1; ; attempt++) {
    const plane = new ControlPlane(binaries, await freePort(), options);
    try {
      await plane.start();
      return plane;
    } catch (error) {
      await plane.stop();
      // Another process may have taken the free port before the API server listened on it.
      const portWasTaken = error instanceof Error && error.message.includes('address already in use');
      if (!portWasTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

export class ControlPlane {
  /** https://127.0.0.1:PORT */
  readonly server: string;
  /** Path of the administrator's kubeconfig, with a client certificate of the group system:masters. */
  readonly kubeconfig: string;
  /** Path of the kubectl binary. */
  readonly kubectl: string;
  /** Path of the data directory, which has each component's log too. `stop()` removes it. */
  readonly directory: string;
  /** Path of the audit log, if there is one. */
  readonly auditLog: string | undefined;
  /** Sends requests as the administrator. */
  readonly admin: ApiClient;

  readonly #binaries: Binaries;
  readonly #arguments: Readonly<Record<ComponentName, readonly string[]>>;
  readonly #pki: Pki;
  readonly #processes: ProcessSet;
  readonly #components = new Map<ComponentName, ChildProcess>();

  /** Prepares the data directory. Nothing runs until `start()`. */
  constructor(binaries: Binaries, port: number, options: ControlPlaneOptions) {
    const { auditLog = false, checksExpressions = false, apiServerArguments: more = [] } = options;
    const directory = join(tmpdir(), `control-plane-${randomBytes(6).toString('hex')}`);
    this.#binaries = binaries;
    this.#processes = new ProcessSet(directory);
    this.#pki = createPki(directory, SERVER_NAMES);
    this.server = `https://127.0.0.1:${port}`;
    this.directory = directory;
    this.kubectl = binaries.kubectl;
    this.auditLog = auditLog ? join(directory, 'audit.log') : undefined;
    this.kubeconfig = join(directory, 'admin.kubeconfig');
    const admin = { server: this.server, authority: this.#pki.authority, user: this.#pki.admin };
    writeKubeconfig(this.kubeconfig, admin);
    this.admin = new ApiClient(admin);
    this.#arguments = {
      etcd: etcdArguments(directory),
      'kube-apiserver': [
        ...apiServerArguments({ directory, port, pki: this.#pki, auditLog: this.auditLog }),
        ...more,
      ],
      'kube-controller-manager': controllerManagerArguments({
        directory,
        server: this.server,
        pki: this.#pki,
        checksExpressions,
      }),
    };
  }

  /** Starts all components. `startControlPlane` calls it. */
  async start(): Promise<void> {
    await this.startComponent('etcd');
    await this.startComponent('kube-apiserver');
    await this.startComponent('kube-controller-manager');
    await this.#until('kube-controller-manager', () =>
      this.admin.send('GET', '/api/v1/namespaces/default/serviceaccounts/default'),
    );
    await this.#until('kube-apiserver', () => this.#createDNSService());
  }

  /** Creates the DNS Service that every cluster has. It has no endpoints. */
  async #createDNSService(): Promise<void> {
    try {
      await this.admin.send('POST', '/api/v1/namespaces/kube-system/services', DNS_SERVICE);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    }
  }

  /** Starts or restarts a component with the same port and data. Resolves when it answers. */
  async startComponent(name: ComponentName): Promise<void> {
    const running = this.#components.get(name);
    if (running && isRunning(running)) throw new Error(`${name} is running`);
    const log = this.#logOf(name);
    this.#components.set(
      name,
      this.#processes.start(this.#binaries[name], this.#arguments[name], { log, environment: ENVIRONMENT }),
    );
    if (name === 'etcd') await this.#until(name, () => reachable(etcdSocket(this.directory)));
    if (name === 'kube-apiserver') await this.#until(name, () => this.admin.send('GET', '/readyz'));
  }

  /** Kills a component with SIGKILL: after SIGTERM the API server would wait a minute for open watches. */
  async stopComponent(name: ComponentName): Promise<void> {
    await endProcess(this.#component(name), 'SIGKILL');
  }

  /** Pauses a component: its connections stay open, and it does not answer. */
  pauseComponent(name: ComponentName): void {
    signalProcess(this.#component(name), 'SIGSTOP');
  }

  resumeComponent(name: ComponentName): void {
    signalProcess(this.#component(name), 'SIGCONT');
  }

  /**
   * Writes a kubeconfig with a token of the ServiceAccount, and resolves with its path.
   *
   * @param expirationSeconds lifetime of the token, at least 600
   */
  async serviceAccountKubeconfig(namespace: string, name: string, expirationSeconds = 3600): Promise<string> {
    const answer = await this.admin.send(
      'POST',
      `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}/token`,
      { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds } },
    );
    const { token } = (answer as { readonly status: { readonly token: string } }).status;
    const path = join(this.directory, `${namespace}.${name}.${randomBytes(4).toString('hex')}.kubeconfig`);
    writeKubeconfig(path, { server: this.server, authority: this.#pki.authority, user: { token } });
    return path;
  }

  /** Runs kubectl. Resolves with its output; rejects with its stderr. */
  async kubectlRun(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    const child = spawn(this.kubectl, args, {
      env: {
        ...process.env,
        KUBECONFIG: options.kubeconfig ?? this.kubeconfig,
        KUBECACHEDIR: join(this.directory, 'kubectl-cache'),
        KUBERC: 'off', // the user's preferences must not change its output
      },
    });
    child.stdin.on('error', () => {}); // kubectl may fail before it has read all input
    child.stdin.end(options.stdin ?? '');
    const exited = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    if (code !== 0) throw new Error(errors.trim() || `kubectl ${args.join(' ')} failed with code ${code}`);
    return output;
  }

  /** Resolves with the failure of the first component that ends; stays pending as long as all of them run. */
  async ended(): Promise<Error> {
    const ends = [...this.#components].map(async ([name, component]) => {
      if (isRunning(component)) await once(component, 'exit');
      return name;
    });
    const name = await Promise.race(ends);
    return new Error(`${name} ended:\n${this.#endOfLog(name)}`);
  }

  /** Kills all components and removes the data directory. */
  async stop(): Promise<void> {
    await this.admin.close();
    await this.#processes.stop();
  }

  #component(name: ComponentName): ChildProcess {
    const component = this.#components.get(name);
    if (!component) throw new Error(`${name} was never started`);
    return component;
  }

  #logOf(name: ComponentName): string {
    return join(this.directory, `${name}.log`);
  }

  #endOfLog(name: ComponentName): string {
    return readFileSync(this.#logOf(name), 'utf8').trim().split('\n').slice(-5).join('\n');
  }

  /** Repeats `probe` until it succeeds. Rejects if the component ends, or after START_TIMEOUT. */
  async #until(name: ComponentName, probe: () => Promise<unknown>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT;
    for (;;) {
      try {
        await probe();
        return;
      } catch (error) {
        const ended = !isRunning(this.#component(name));
        if (ended || performance.now() > deadline) {
          const message = `${name} ${ended ? 'ended' : 'did not get ready'}:\n${this.#endOfLog(name)}`;
          throw new Error(message, { cause: error });
        }
      }
      await sleep(POLL_INTERVAL);
    }
  }
}

const DNS_SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'kube-dns', labels: { 'k8s-app': 'kube-dns' } },
  spec: {
    selector: { 'k8s-app': 'kube-dns' },
    ports: [
      { name: 'dns', protocol: 'UDP', port: 53, targetPort: 53 },
      { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: 53 },
    ],
  },
};

/** Finds a port of 127.0.0.1 that is free at the moment. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port was assigned');
  return address.port;
}

/** Resolves if a process accepts connections on the socket; rejects otherwise. */
function reachable(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}
