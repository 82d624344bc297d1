/**
 * A sidecar with real parts: istiod reads AuthorizationPolicies and PeerAuthentications from an API server and configures
 * Envoy, through which clients connect with certificates of their own, or in plaintext.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTLS } from 'node:tls';
import type { ControlPlane } from '../../../env/index.ts';
import { ProcessSet } from '../../../env/plane/processes.ts';
import { createAuthority, issueWorkload, privatePem } from '../../../env/plane/x509.ts';
import { envoyBinary } from '../../../env/tooling/envoy.ts';
import { eventually } from '../../../support/cluster.ts';
import { SecretServer } from '../../../support/secret-server.ts';
import { freePorts, type Ports, START, startIstiod } from './istiod.ts';

export const TRUST_DOMAIN = 'shop.example';
/** Each address of the loopback network is there, and the sidecar's is not that of its clients. */
const ADDRESS = '127.0.0.2';
const ANSWER = 5000;

export class IstioJudge {
  /** The port of the workload. */
  readonly port: number;
  readonly #processes: ProcessSet;
  readonly #secrets: SecretServer;
  readonly #workload: Server;
  readonly #admin: number;

  private constructor(parts: {
    readonly processes: ProcessSet;
    readonly secrets: SecretServer;
    readonly workload: Server;
    readonly ports: Ports;
  }) {
    this.#processes = parts.processes;
    this.#secrets = parts.secrets;
    this.#workload = parts.workload;
    this.#admin = parts.ports.admin;
    this.port = parts.ports.inbound;
  }

  /** The sidecar of a workload with the label app=web in `namespace`. The API server serves Istio's kinds already. */
  static async start(plane: ControlPlane, namespace: string, root: string): Promise<IstioJudge> {
    const envoy = await envoyBinary();
    const ports = await freePorts();
    const processes = new ProcessSet(join(tmpdir(), `istio-${randomBytes(6).toString('hex')}`));
    const { certificate, key } = issueWorkload(AUTHORITY, identity(namespace, 'web'));
    const secrets = await SecretServer.start({
      certificate,
      privateKey: privatePem(key),
      authority: AUTHORITY.certificate,
    });
    const workload = createServer((socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    }).listen(ports.workload, '127.0.0.1');
    const judge = new IstioJudge({ processes, secrets, workload, ports });
    try {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(sidecar(namespace, ports)) });
      const { directory } = processes;
      await startIstiod({ plane, root, trustDomain: TRUST_DOMAIN, processes, ports });
      const bootstrap = join(directory, 'envoy.json');
      writeFileSync(bootstrap, JSON.stringify(envoyBootstrap(namespace, ports, secrets.port)));
      processes.start(envoy, ['-c', bootstrap, '--disable-hot-restart', '--concurrency', '1'], {
        log: join(directory, 'envoy.log'),
      });
      await eventually(async () => {
        if (!(await judge.connects()))
          throw new Error(readFileSync(join(directory, 'envoy.log'), 'utf8').slice(-2000));
      }, START);
    } catch (error) {
      await judge.stop();
      throw error;
    }
    return judge;
  }

  async stop(): Promise<void> {
    await this.#processes.stop();
    await this.#secrets.stop();
    this.#workload.close();
  }

  /** True if the workload answers a client of the account NAMESPACE/NAME, or one in plaintext. */
  connects(account?: string): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket =
      account === undefined ? connect({ host: ADDRESS, port: this.port }) : this.#secure(account);
    const end = (isAnswered: boolean) => {
      resolve(isAnswered);
      socket.destroy();
    };
    socket.setTimeout(ANSWER, () => end(false));
    socket.on('error', () => end(false));
    socket.on('close', () => end(false));
    socket.on('data', () => end(true));
    // Long enough for Envoy to see that it is no TLS.
    socket.on(account === undefined ? 'connect' : 'secureConnect', () => socket.write('hello\n'.repeat(100)));
    return promise;
  }

  /** The configuration of Envoy's listeners, as text. */
  async listeners(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.#admin}/config_dump?resource=dynamic_listeners`)).text();
  }

  #secure(account: string): Socket {
    const [namespace = '', name = ''] = account.split('/');
    const { certificate, key } = issueWorkload(AUTHORITY, identity(namespace, name));
    return connectTLS({
      host: ADDRESS,
      port: this.port,
      cert: certificate,
      key: privatePem(key),
      ca: AUTHORITY.certificate,
      // The certificate has no name of a host, but an identity.
      checkServerIdentity: () => undefined,
      ALPNProtocols: ['istio'],
    });
  }
}

const AUTHORITY = createAuthority('mesh');

export function identity(namespace: string, account: string): string {
  return `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${account}`;
}

/** Without iptables, Envoy listens on the address of the workload itself. */
function sidecar(namespace: string, { inbound, workload }: Ports): object {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: { name: 'web', namespace },
    spec: {
      workloadSelector: { labels: { app: 'web' } },
      ingress: [
        {
          bind: ADDRESS,
          port: { number: inbound, protocol: 'TCP', name: 'tcp' },
          defaultEndpoint: `127.0.0.1:${workload}`,
        },
      ],
      egress: [{ hosts: ['./*'] }],
    },
  };
}

function envoyBootstrap(namespace: string, { grpc, admin }: Ports, secretsPort: number): object {
  const socket = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
  const http2 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  const internal = 'envoy.extensions.bootstrap.internal_listener.v3.InternalListener';
  const typed = (name: string) => ({ '@type': `type.googleapis.com/${name}` });
  const cluster = (name: string, port: number) => ({
    name,
    type: 'STATIC',
    typed_extension_protocol_options: {
      [http2]: { ...typed(http2), explicit_http_config: { http2_protocol_options: {} } },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(port) } }] }],
    },
  });
  const ads = { ads: {}, initial_fetch_timeout: '5s', resource_api_version: 'V3' };
  return {
    node: {
      id: `sidecar~${ADDRESS}~web.${namespace}~${namespace}.svc.cluster.local`,
      cluster: `web.${namespace}`,
      metadata: {
        NAMESPACE: namespace,
        SERVICE_ACCOUNT: 'web',
        CLUSTER_ID: 'Kubernetes',
        ISTIO_VERSION: '1.31.0',
        INTERCEPTION_MODE: 'NONE',
        LABELS: { app: 'web' },
        NAME: 'web',
        MESH_ID: TRUST_DOMAIN,
        INSTANCE_IPS: ADDRESS,
      },
    },
    admin: { address: socket(admin) },
    dynamic_resources: {
      lds_config: ads,
      cds_config: ads,
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds-grpc' } }],
      },
    },
    static_resources: { clusters: [cluster('xds-grpc', grpc), cluster('sds-grpc', secretsPort)] },
    bootstrap_extensions: [{ name: 'envoy.bootstrap.internal_listener', typed_config: typed(internal) }],
  };
}
