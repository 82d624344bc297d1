// Writes kubeconfigs with one cluster and one user, and embedded credentials. They are JSON, which is also YAML.
import { writeFileSync } from 'node:fs';
import type { ClientCredentials } from './pki.ts';

export interface KubeconfigOptions {
  readonly server: string;
  /** PEM. */
  readonly authority: string;
  readonly user: ClientCredentials | { readonly token: string };
}

/** Writes a kubeconfig that only this user can read. */
export function writeKubeconfig(path: string, { server, authority, user }: KubeconfigOptions): void {
  const base64 = (pem: string) => Buffer.from(pem).toString('base64');
  const credentials =
    'token' in user
      ? { token: user.token }
      : { 'client-certificate-data': base64(user.certificate), 'client-key-data': base64(user.key) };
  const name = 'local';
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(authority) } }],
    users: [{ name, user: credentials }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
}
