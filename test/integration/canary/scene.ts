// The canary on two nodes with real packets: the API server, the operator and the probes are the real ones, under their own
// ServiceAccounts; the network plugin is the tests' own (enforcer.ts). Clocks run faster than real time.
import assert from 'node:assert/strict';
import { type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';
import type { Condition } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { ANNOTATION_REPORT, CANARY_NAMESPACES, INSIDE, OUTSIDE } from '../../../src/canary/model/names.ts';
import { parseReport, type Report } from '../../../src/canary/model/report.ts';
import type { Lease } from '../../../src/kube/lease.ts';
import type { ControlPlane } from '../../env/index.ts';
import { OPERATOR_PROGRAM } from '../../support/operator.ts';
import { endProcess, ProcessSet } from '../../env/plane/processes.ts';
import { eventually } from '../../support/cluster.ts';
import { type EnforcedPod, enforce, type Faults } from './enforcer.ts';
import { Network, type NodeName } from './network.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** How many times faster the clocks of operator and probes run: a round takes two seconds, a report lasts twelve. */
export const CLOCK_FACTOR = 5;
export const FAST_CLOCK = join(ROOT, 'test/support/clocks/fast-clock.ts');
const POLL_MS = 100;
/** A verdict on flows needs a few rounds. */
export const PATIENCE_MS = 60_000;

interface RunningProbe {
  process: ChildProcess;
  readonly start: () => ChildProcess;
  readonly pod: EnforcedPod;
  readonly log: string;
}

export interface ProbeOptions {
  /** How wrong the wall clock of the probe is, in milliseconds. */
  readonly skewMs?: number;
  /** Targets outside of the cluster. */
  readonly addresses?: readonly string[];
}

export class CanaryScene {
  readonly #plane: ControlPlane;
  readonly #network = new Network();
  readonly #processes = new ProcessSet(join(tmpdir(), `canary-${randomBytes(6).toString('hex')}`));
  readonly #servers: Server[] = [];
  readonly #probes = new Map<string, RunningProbe>();
  #faults: Faults | 'absent' = {};
  /** The state that the filters were made from, as one text. */
  #enforced = '';
  #delayMs = 0;
  #ended = false;
  #loop: Promise<void> | undefined;

  constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  /** Installs the canary's objects without its Deployments, and starts the network plugin. */
  async install(): Promise<void> {
    for (const node of ['node-1', 'node-2']) {
      await this.#plane.admin
        .send('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: node } })
        .catch(() => {});
    }
    for (const file of ['namespaces', 'service_accounts', 'roles', 'operator_roles', 'request', 'profile'])
      await this.#plane.kubectlRun(['apply', '-f', join(ROOT, `config/canary/${file}.yaml`)]);
    for (const node of ['node-1', 'node-2'] as const) await this.#relay(node);
    this.#loop = this.#enforceForever();
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#loop;
    await this.#processes.stop();
    for (const server of this.#servers) server.close();
    this.#network.remove();
    const run = (...args: string[]) =>
      this.#plane.kubectlRun([...args, '--ignore-not-found', '--wait=false']);
    await run('delete', 'segp', 'segmentation-canary');
    await this.#plane.admin
      .send('PATCH', '/apis/segmentation.dev/v1alpha1/segmentationprofiles/segmentation-canary', {
        metadata: { finalizers: null },
      })
      .catch(() => {});
    await run('delete', 'namespace', ...CANARY_NAMESPACES);
    await run('delete', 'node', 'node-1', 'node-2');
    await run('delete', 'clusterrolebinding', 'segmentation-canary-metrics-auth', 'canary-scraper');
  }

  /** Breaks the plugin in these ways; `absent`: it enforces nothing. */
  breakPlugin(faults: Faults | 'absent'): void {
    this.#faults = faults;
  }

  /** Delays the plugin's enforcement of later changes, in milliseconds. */
  slowPlugin(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /** Starts a pod with a probe. */
  async startProbe(
    name: string,
    node: NodeName,
    side: 'inside' | 'outside',
    { skewMs = 0, addresses = [] }: ProbeOptions = {},
  ): Promise<void> {
    const namespace = side === 'inside' ? INSIDE : OUTSIDE;
    const { labels } = template(namespace).metadata;
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const spec = { ...template(namespace).spec, nodeName: node, terminationGracePeriodSeconds: 0 };
    const created = (await eventually(() =>
      this.#plane.admin.send('POST', path, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, labels },
        spec,
      }),
    )) as { metadata: { uid: string } };
    const { uid } = created.metadata;
    const { namespace: netns, ips } = this.#network.addPod(name, node);
    await eventually(async () => {
      const { status } = (await this.#plane.admin.send('GET', `${path}/${name}`)) as {
        status: { phase: string };
      };
      assert.equal(status.phase, 'Running');
    });
    const status = { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) };
    await this.#plane.admin.send('PATCH', `${path}/${name}/status`, { status });
    const kubeconfig = await this.#kubeconfig(namespace, node, name);
    const log = join(this.#processes.directory, `${name}.log`);
    const args = [
      'probe',
      `--kubeconfig=${kubeconfig}`,
      ...addresses.map((address) => `--address=${address}`),
    ];
    const start = () => this.#start(netns, args, { log, POD_UID: uid, CLOCK_SKEW_MS: String(skewMs) });
    this.#probes.set(name, { process: start(), start, pod: { namespace, labels, node, ips }, log });
  }

  /** Starts a target that is no Pod, as on a machine outside of the cluster. @returns its addresses */
  startTarget(name: string, node: NodeName): readonly string[] {
    const { namespace, ips } = this.#network.addPod(name, node);
    this.#start(namespace, ['target'], { log: join(this.#processes.directory, `${name}.log`) });
    return ips;
  }

  /** Starts a process of the canary in a network namespace. */
  #start(
    netns: string,
    args: readonly string[],
    { log, ...environment }: { readonly log: string; readonly [variable: string]: string },
  ): ChildProcess {
    const { PATH, NODE_COMPILE_CACHE } = process.env;
    const program = [process.execPath, '--import', FAST_CLOCK, OPERATOR_PROGRAM];
    return this.#processes.start('ip', ['netns', 'exec', netns, ...program, 'canary', ...args], {
      log,
      environment: {
        PATH,
        NODE_COMPILE_CACHE,
        HOME: this.#processes.directory,
        CLOCK_FACTOR: String(CLOCK_FACTOR),
        ...environment,
      },
    });
  }

  /** Kills the process of a probe; its Pod stays. */
  async killProbe(name: string): Promise<void> {
    const probe = this.#probes.get(name);
    if (probe !== undefined) await endProcess(probe.process, 'SIGKILL');
  }

  /** Kills the process of a probe, and starts another one in its Pod, as the kubelet does. */
  async restartProbe(name: string): Promise<void> {
    await this.killProbe(name);
    const probe = this.#probes.get(name);
    if (probe !== undefined) probe.process = probe.start();
  }

  /**
   * Starts processes of probes again, and waits until each has tried its flows twice. What the reports say since when stays:
   * the time of the oldest leak, or since when there is none.
   *
   * @param always holds all the time
   */
  async restarted(names: readonly string[], always: () => Promise<void>): Promise<void> {
    const pick = (reports: readonly Report[], name: string) => {
      const found = reports.find(({ pod }) => pod.endsWith(`/${name}`));
      assert.ok(found, `no report of ${name}`);
      return found;
    };
    const sinceOf = ({ since, findings }: Report) => since ?? findings.map((each) => each.since).sort()[0];
    const before = await this.reports();
    for (const name of names) await this.restartProbe(name);
    const until = performance.now() + PATIENCE_MS;
    for (let isDone = false; !isDone; await sleep(POLL_MS)) {
      assert.ok(performance.now() < until, `${names.join()} did not report again`);
      await always();
      const after = await this.reports();
      for (const name of names) assert.equal(sinceOf(pick(after, name)), sinceOf(pick(before, name)), name);
      isDone = names.every((name) => pick(after, name).round >= pick(before, name).round + 2);
    }
  }

  /** Ends a probe, and deletes its Pod. */
  async removeProbe(name: string): Promise<void> {
    await this.killProbe(name);
    const namespace = this.#probes.get(name)?.pod.namespace ?? '';
    this.#probes.delete(name);
    this.#network.removePod(name);
    await this.#plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, {
      gracePeriodSeconds: 0,
    });
  }

  /** The address of a probe's metrics, as the tests' own namespace reaches it. */
  metrics(name: string): string {
    return `https://${this.#probes.get(name)?.pod.ips[0]}:8080`;
  }

  logs(): string {
    return [...this.#probes].map(([name, { log }]) => `--- ${name}\n${readFileSync(log, 'utf8')}`).join('\n');
  }

  async condition(type: string): Promise<Condition> {
    const path = '/apis/segmentation.dev/v1alpha1/segmentationprofiles/segmentation-canary';
    const { status } = (await this.#plane.admin.send('GET', path)) as SegmentationProfile;
    const found = status?.conditions?.find((each) => each.type === type);
    assert.ok(found, `no condition ${type}`);
    return found;
  }

  /** Waits until the condition EnforcementVerified is so. */
  async verified(status: string, reason: string, message = /./): Promise<Condition> {
    return eventually(async () => {
      const condition = await this.condition('EnforcementVerified');
      const { status: is, reason: why, message: text } = condition;
      assert.equal(`${is} ${why}`, `${status} ${reason}`, text);
      assert.match(text, message);
      return condition;
    }, PATIENCE_MS);
  }

  async reports(): Promise<Report[]> {
    const lists = await Promise.all(
      CANARY_NAMESPACES.map(
        async (namespace) =>
          (await this.#plane.admin.send(
            'GET',
            `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`,
          )) as { items: Lease[] },
      ),
    );
    return lists
      .flatMap(({ items }) => items)
      .map(({ metadata }) => parseReport(metadata.annotations?.[ANNOTATION_REPORT]))
      .filter((report) => report !== undefined);
  }

  /** A kubeconfig of a user with these Roles, each in its namespace. */
  async userWith(role: string): Promise<string> {
    const name = `user-of-${role}`;
    await this.#plane.kubectlRun(['create', 'serviceaccount', name, '-n', OUTSIDE]);
    for (const namespace of CANARY_NAMESPACES)
      await this.#plane.kubectlRun(
        `create rolebinding ${name} -n ${namespace} --role=${role} --serviceaccount=${OUTSIDE}:${name}`.split(
          ' ',
        ),
      );
    return this.#plane.serviceAccountKubeconfig(OUTSIDE, name);
  }

  async #enforceForever(): Promise<void> {
    while (!this.#ended) {
      const policies = await this.#policies().catch(() => undefined);
      const state = JSON.stringify([policies, this.#faults, [...this.#probes.keys()]]);
      if (policies !== undefined && state !== this.#enforced) {
        if (this.#delayMs > 0 && this.#enforced !== '') await sleep(this.#delayMs);
        const isAbsent = this.#faults === 'absent';
        const pods = isAbsent ? [] : [...this.#probes.values()].map(({ pod }) => pod);
        enforce(this.#network, pods, policies, this.#faults === 'absent' ? {} : this.#faults);
        this.#enforced = state;
      }
      await sleep(POLL_MS);
    }
  }

  async #policies(): Promise<NetworkPolicy[]> {
    const lists = await Promise.all(
      CANARY_NAMESPACES.map(
        async (namespace) =>
          (await this.#plane.admin.send(
            'GET',
            `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`,
          )) as { items: NetworkPolicy[] },
      ),
    );
    return lists.flatMap(({ items }) => items);
  }

  /** Relays connections from pods of the node to the API server, which listens on loopback only. */
  async #relay(node: NodeName): Promise<void> {
    const { port } = new URL(this.#plane.server);
    const server = createServer((client) => {
      const upstream = connect(Number(port), '127.0.0.1');
      client.pipe(upstream).pipe(client);
      client.on('error', () => upstream.destroy());
      upstream.on('error', () => client.destroy());
    });
    await new Promise<void>((resolve) => server.listen(6443, this.#network.apiAddress(node), resolve));
    server.unref();
    this.#servers.push(server);
  }

  async #kubeconfig(namespace: string, node: NodeName, name: string): Promise<string> {
    const path = await this.#plane.serviceAccountKubeconfig(namespace, 'segmentation-canary');
    const config = JSON.parse(readFileSync(path, 'utf8')) as {
      clusters: [{ cluster: Record<string, string> }];
    };
    Object.assign(config.clusters[0].cluster, {
      server: `https://${this.#network.apiAddress(node)}:6443`,
      'tls-server-name': 'localhost',
    });
    const own = join(this.#processes.directory, `${name}.kubeconfig`);
    writeFileSync(own, JSON.stringify(config), { mode: 0o600 });
    return own;
  }
}

/** The template of the pods in a namespace, from config/canary. */
function template(namespace: string): PodTemplate {
  const text = readFileSync(join(ROOT, 'config/canary/deployments.yaml'), 'utf8');
  const found = parseAllDocuments(text)
    .map((document) => document.toJS() as Workload)
    .find(({ metadata }) => metadata.namespace === namespace);
  if (found === undefined) throw new Error(`config/canary has no Deployment in ${namespace}`);
  return found.spec.template;
}

interface Workload {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly template: PodTemplate };
}

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: object;
}
