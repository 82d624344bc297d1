// A Kubernetes control plane of this machine's own: etcd, kube-apiserver and kube-controller-manager as plain
// processes on loopback, with real certificates and RBAC. No kubelet, no scheduler, no containers.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
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
  /** Flags of kube-apiserver beside the usual ones. */
  readonly apiServerArguments?: readonly string[];
  /** Told about the steps that take long (a build, a download); by default they are shown on stderr. */
  readonly onProgress?: Progress;
}

export interface KubectlOptions {
  readonly stdin?: string;
  /** Path; the administrator's by default. */
  readonly kubeconfig?: string;
}

const START_TIMEOUT = 60_000; // ms; about 4 s on an idle machine
const POLL_INTERVAL = 25; // ms
const PORT_ATTEMPTS = 5;

/**
 * Starts a control plane and resolves when it answers and the namespace `default` has its ServiceAccount. Its
 * processes and data vanish with `stop()`, and with this process, however that ends.
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
      // Between finding a free port and listening on it, another process may take it.
      const portWasTaken = error instanceof Error && error.message.includes('address already in use');
      if (!portWasTaken || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

export class ControlPlane {
  /** https://127.0.0.1:PORT */
  readonly server: string;
  /** Path of a kubeconfig of the administrator: a client certificate of the group system:masters. */
  readonly kubeconfig: string;
  /** Path of the kubectl binary. */
  readonly kubectl: string;
  /** Path of the data directory, which also holds each component's log; removed by `stop()`. */
  readonly directory: string;
  /** Path of the audit log, when it was asked for. */
  readonly auditLog: string | undefined;
  /** The administrator's requests. */
  readonly admin: ApiClient;

  readonly #binaries: Binaries;
  readonly #arguments: Readonly<Record<ComponentName, readonly string[]>>;
  readonly #pki: Pki;
  readonly #processes: ProcessSet;
  readonly #components = new Map<ComponentName, ChildProcess>();

  /** Lays out the data directory; nothing runs until `start()`. */
  constructor(binaries: Binaries, port: number, options: ControlPlaneOptions) {
    const { auditLog = false, apiServerArguments: more = [] } = options;
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
      }),
    };
  }

  /** Starts all components; `startControlPlane` has done so. */
  async start(): Promise<void> {
    await this.startComponent('etcd');
    await this.startComponent('kube-apiserver');
    await this.startComponent('kube-controller-manager');
    await this.#until('kube-controller-manager', () =>
      this.admin.send('GET', '/api/v1/namespaces/default/serviceaccounts/default'),
    );
    await this.#until('kube-apiserver', () => this.#createDNSService());
  }

  /** Every cluster has a Service of its DNS. No pods are behind this one. */
  async #createDNSService(): Promise<void> {
    try {
      await this.admin.send('POST', '/api/v1/namespaces/kube-system/services', DNS_SERVICE);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) throw error;
    }
  }

  /** Starts one component (again), on the same port and data, and resolves when it answers. */
  async startComponent(name: ComponentName): Promise<void> {
    const running = this.#components.get(name);
    if (running && isRunning(running)) throw new Error(`${name} is running`);
    const log = this.#logOf(name);
    this.#components.set(name, this.#processes.start(this.#binaries[name], this.#arguments[name], { log }));
    if (name === 'etcd') await this.#until(name, () => reachable(etcdSocket(this.directory)));
    if (name === 'kube-apiserver') await this.#until(name, () => this.admin.send('GET', '/readyz'));
  }

  /** Crashes one component (an orderly end of the API server would wait a minute for open watches). */
  async stopComponent(name: ComponentName): Promise<void> {
    await endProcess(this.#component(name), 'SIGKILL');
  }

  /** Freezes one component: its connections stay open and nothing answers. */
  pauseComponent(name: ComponentName): void {
    signalProcess(this.#component(name), 'SIGSTOP');
  }

  resumeComponent(name: ComponentName): void {
    signalProcess(this.#component(name), 'SIGCONT');
  }

  /**
   * Writes a kubeconfig with a token of the ServiceAccount (a TokenRequest) and resolves its path. The API server
   * takes no less than 600 seconds.
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

  /** Runs kubectl and resolves what it prints; rejects with what it prints to stderr. */
  async kubectlRun(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
    const child = spawn(this.kubectl, args, {
      env: {
        ...process.env,
        KUBECONFIG: options.kubeconfig ?? this.kubeconfig,
        KUBECACHEDIR: join(this.directory, 'kubectl-cache'),
        KUBERC: 'off', // the user's own preferences must not change what a test sees
      },
    });
    child.stdin.on('error', () => {}); // kubectl may fail before it has read everything
    child.stdin.end(options.stdin ?? '');
    const exited = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
    if (code !== 0) throw new Error(errors.trim() || `kubectl ${args.join(' ')} failed with code ${code}`);
    return output;
  }

  /** Ends everything and removes the data directory. */
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

  /** Tries `probe` until it succeeds. Rejects when the component ends, or after START_TIMEOUT. */
  async #until(name: ComponentName, probe: () => Promise<unknown>): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT;
    for (;;) {
      try {
        await probe();
        return;
      } catch (error) {
        const ended = !isRunning(this.#component(name));
        if (ended || performance.now() > deadline) {
          const log = readFileSync(this.#logOf(name), 'utf8').trim().split('\n').slice(-5).join('\n');
          throw new Error(`${name} ${ended ? 'ended' : 'did not get ready'}:\n${log}`, { cause: error });
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

/** A port of 127.0.0.1 that nobody listens on right now. */
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

/** Resolves when something accepts connections on the socket; rejects otherwise. */
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
