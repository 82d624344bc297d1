// The command lines of the three components of a control plane.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeKubeconfig } from './kubeconfig.ts';
import type { Pki } from './pki.ts';

export type ComponentName = 'etcd' | 'kube-apiserver' | 'kube-controller-manager';

/**
 * The control plane's address in the endpoints of the Service `kubernetes`, which may not be a loopback address. It is
 * from a range for documentation (RFC 5737): nothing connects to it.
 */
const ADVERTISED_ADDRESS = '192.0.2.1';
const SERVICE_RANGE = '10.96.0.0/16';

/** Names and addresses of the API server's certificate; 10.96.0.1 is the ClusterIP of the Service `kubernetes`. */
export const SERVER_NAMES = [
  '127.0.0.1',
  'localhost',
  '10.96.0.1',
  ADVERTISED_ADDRESS,
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

/** etcd's socket in the data directory. Unlike a port, no other process can take it and no other user can reach it. */
export function etcdSocket(directory: string): string {
  return join(directory, 'etcd.sock');
}

export function etcdArguments(directory: string): string[] {
  const neverDialled = 'http://127.0.0.1:2380'; // a single member has no peers, but must advertise an address
  return [
    `--data-dir=${join(directory, 'etcd')}`,
    `--listen-client-urls=unix://${etcdSocket(directory)}`,
    '--advertise-client-urls=http://127.0.0.1:2379',
    `--listen-peer-urls=unix://${join(directory, 'peer.sock')}`,
    `--initial-advertise-peer-urls=${neverDialled}`,
    `--initial-cluster=default=${neverDialled}`,
    // Without fsync the data survives a killed process but not a crash of the machine, which suffices for tests.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

export interface ApiServerOptions {
  readonly directory: string;
  readonly port: number;
  readonly pki: Pki;
  readonly auditLog: string | undefined;
}

export function apiServerArguments({ directory, port, pki, auditLog }: ApiServerOptions): string[] {
  return [
    `--etcd-servers=unix://${etcdSocket(directory)}`,
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    `--advertise-address=${ADVERTISED_ADDRESS}`,
    `--cert-dir=${directory}`,
    `--client-ca-file=${pki.files.authority}`,
    `--tls-cert-file=${pki.files.serving}`,
    `--tls-private-key-file=${pki.files.servingKey}`,
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki.files.serviceAccountPublicKey}`,
    `--service-account-signing-key-file=${pki.files.serviceAccountKey}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    '--authorization-mode=Node,RBAC',
    '--allow-privileged=true',
    ...(auditLog === undefined ? [] : auditArguments(directory, auditLog)),
  ];
}

/** Audits user, verb and object: one line for each request, written before the answer. */
function auditArguments(directory: string, log: string): string[] {
  const policy = join(directory, 'audit-policy.json');
  const content = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [{ level: 'Metadata' }],
  };
  writeFileSync(policy, JSON.stringify(content));
  return [`--audit-policy-file=${policy}`, `--audit-log-path=${log}`, '--audit-log-mode=blocking'];
}

export interface ControllerManagerOptions {
  readonly directory: string;
  readonly server: string;
  readonly pki: Pki;
  /** Runs the controller that writes the status of ValidatingAdmissionPolicies. */
  readonly checksExpressions: boolean;
}

export function controllerManagerArguments({
  directory,
  server,
  pki,
  checksExpressions,
}: ControllerManagerOptions): string[] {
  const without = [
    'node-lifecycle-controller', // without a kubelet's leases, it would make Nodes unready
    ...(checksExpressions ? [] : ['validatingadmissionpolicy-status-controller']),
  ];
  const kubeconfig = join(directory, 'kube-controller-manager.kubeconfig');
  writeKubeconfig(kubeconfig, { server, authority: pki.authority, user: pki.controllerManager });
  return [
    `--kubeconfig=${kubeconfig}`,
    '--secure-port=0', // no metrics are read
    '--leader-elect=false',
    `--controllers=${['*', ...without.map((name) => `-${name}`)].join()}`,
    '--kube-api-qps=500', // with the default of 20 its start takes seconds
    '--kube-api-burst=500',
    '--use-service-account-credentials=true', // each controller under its own RBAC, as in a real cluster
    `--service-account-private-key-file=${pki.files.serviceAccountKey}`,
    `--root-ca-file=${pki.files.authority}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
  ];
}
