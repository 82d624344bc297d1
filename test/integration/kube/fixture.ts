/** Helpers of the tests of src/kube: variants of kubeconfigs, transports, proxies, waits. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject } from '../../../src/api/meta.ts';
import { readKubeconfigs } from '../../../src/kube/config/kubeconfig.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { protobuf } from '../../../src/kube/protobuf/protobuf.ts';
import { Resource } from '../../../src/kube/resource.ts';
import { createTransport } from '../../../src/kube/http/transport.ts';
import type { RequestInfo, Transport, TransportOptions } from '../../../src/kube/http/transport.ts';
import { TcpProxy } from './tcp-proxy.ts';

export interface Kubeconfig {
  'current-context'?: string;
  clusters: { name: string; cluster: Record<string, unknown> }[];
  users: { name: string; user: Record<string, unknown> }[];
  contexts: { name: string; context: Record<string, unknown> }[];
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

/** A scratch directory, transports and proxies, which `clean` removes and closes. */
export class Fixture {
  readonly directory = mkdtempSync(join(tmpdir(), 'kube-test-'));
  readonly requests: RequestInfo[] = [];
  readonly #transports: Transport[] = [];
  readonly #proxies: TcpProxy[] = [];

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, content: string, mode = 0o600): string {
    writeFileSync(this.path(name), content, { mode });
    return this.path(name);
  }

  /** Writes a copy of the kubeconfig `from`, changed by `change`, and returns its path. */
  variant(from: string, change: (config: Kubeconfig) => void): string {
    const config = JSON.parse(readFileSync(from, 'utf8')) as Kubeconfig;
    change(config);
    return this.write(`kubeconfig-${Math.random().toString(36).slice(2)}`, JSON.stringify(config));
  }

  /** Writes a copy of the kubeconfig with another server, and returns its path. */
  via(from: string, server: string): string {
    return this.variant(from, (config) => {
      for (const { cluster } of config.clusters) cluster['server'] = server;
    });
  }

  transport(kubeconfig: string, options: Partial<TransportOptions> = {}): Transport {
    const transport = createTransport(readKubeconfigs([kubeconfig]), {
      userAgent: 'kube-test',
      binaryFormat: protobuf,
      env: {},
      onRequest: (info) => this.requests.push(info),
      ...options,
    });
    this.#transports.push(transport);
    return transport;
  }

  /** Starts a proxy in front of `server`. */
  async proxy(server: string): Promise<TcpProxy> {
    const proxy = await TcpProxy.start(server);
    this.#proxies.push(proxy);
    return proxy;
  }

  /** Statuses of the requests since the last call. */
  statuses(): RequestInfo['status'][] {
    return this.requests.splice(0).map(({ status }) => status);
  }

  async clean(): Promise<void> {
    await Promise.all(this.#transports.splice(0).map((transport) => transport.close()));
    await Promise.all(this.#proxies.splice(0).map((proxy) => proxy.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function namespaces(transport: Transport): Resource<KubeObject> {
  return new Resource(transport, { group: '', version: 'v1', plural: 'namespaces', namespaced: false });
}

/** Sends a request that every user may send. */
export function readNamespace(transport: Transport): Promise<KubeObject> {
  return namespaces(transport).get('default');
}

/** Resolves with the error of a request, an ApiError of one line. @throws if the request succeeds */
export async function failure(pending: Promise<unknown>): Promise<ApiError> {
  return pending.then(
    () => assert.fail('it succeeded'),
    (error: unknown) => {
      assert.ok(error instanceof ApiError, String(error));
      assert.doesNotMatch(error.message, /\n/);
      return error;
    },
  );
}

export function configMaps(transport: Transport): Resource<ConfigMap> {
  return new Resource(transport, { group: '', version: 'v1', plural: 'configmaps', namespaced: true });
}

export function configMap(namespace: string, name: string, data: Record<string, string> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data };
}

/** Waits until `probe` is true. @throws after `timeoutMs` */
export async function until(what: string, probe: () => boolean, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!probe()) {
    if (performance.now() > end) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
