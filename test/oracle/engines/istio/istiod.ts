/** istiod beside a control plane: it reads Istio's objects there, and answers on ports of this machine. */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { ControlPlane } from '../../../env/index.ts';
import { ISTIOD } from '../../../env/istio.ts';
import type { ProcessSet } from '../../../env/plane/processes.ts';
import { goTool } from '../../../env/tooling/go-tool.ts';
import { eventually } from '../../../support/cluster.ts';

/** Time limit of a start, milliseconds. */
export const START = 120_000;

export interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly monitoring: number;
  readonly admin: number;
  readonly workload: number;
  readonly inbound: number;
}

export async function freePorts(): Promise<Ports> {
  const servers = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const [http = 0, grpc = 0, monitoring = 0, admin = 0, workload = 0, inbound = 0] = servers.map(
    (server) => (server.address() as AddressInfo).port,
  );
  await Promise.all(
    servers.map(async (server) => {
      server.close();
      await once(server, 'close');
    }),
  );
  return { http, grpc, monitoring, admin, workload, inbound };
}

export interface IstiodOptions {
  /** Its API server serves Istio's kinds already. */
  readonly plane: ControlPlane;
  /** The namespace of istiod. */
  readonly root: string;
  readonly trustDomain: string;
  readonly processes: ProcessSet;
  readonly ports: Ports;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Starts istiod among the processes, and resolves when it is ready. */
export async function startIstiod(options: IstiodOptions): Promise<void> {
  const { plane, root, trustDomain, processes, ports, environment } = options;
  const { directory } = processes;
  const mesh = join(directory, 'mesh.yaml');
  writeFileSync(mesh, `rootNamespace: ${root}\ntrustDomain: ${trustDomain}\n`);
  const log = join(directory, 'istiod.log');
  processes.start(await goTool(ISTIOD), argumentsOf(plane.kubeconfig, mesh, ports), {
    log,
    environment: { ...process.env, ...ENVIRONMENT, ...environment, POD_NAMESPACE: root, HOME: directory },
  });
  await eventually(async () => {
    const { ok } = await fetch(`http://127.0.0.1:${ports.http}/ready`);
    if (!ok) throw new Error(readFileSync(log, 'utf8').slice(-2000));
  }, START);
}

/** Removes the ConfigMaps that istiod, which has stopped, has written in each namespace. Others go with their namespaces. */
export async function removeConfigMaps(plane: ControlPlane): Promise<void> {
  const names = ['istio-ca-root-cert', 'istio-ca-crl'];
  await plane.kubectlRun(['delete', 'configmaps', '--namespace=default', '--ignore-not-found', ...names]);
}

const ENVIRONMENT = {
  INJECTION_WEBHOOK_CONFIG_NAME: '',
  VALIDATION_WEBHOOK_CONFIG_NAME: '',
  PILOT_ENABLE_METADATA_EXCHANGE: 'false',
  PILOT_ENABLE_ALPN_FILTER: 'false',
  XDS_AUTH: 'false',
  ENABLE_LEADER_ELECTION: 'false',
};

function argumentsOf(kubeconfig: string, mesh: string, { http, grpc, monitoring }: Ports): string[] {
  const flags = {
    kubeconfig,
    meshConfig: mesh,
    networksConfig: 'none',
    httpAddr: `127.0.0.1:${http}`,
    httpsAddr: '',
    grpcAddr: `127.0.0.1:${grpc}`,
    secureGRPCAddr: '',
    monitoringAddr: `127.0.0.1:${monitoring}`,
  };
  return ['discovery', ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])];
}
