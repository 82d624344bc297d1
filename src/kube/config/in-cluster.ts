/**
 * The ServiceAccount of the Pod: a token, the API server's certificate authority and the namespace, in files that the
 * kubelet mounts and rotates.
 */
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '../../util/error-message.ts';
import type { ClusterConfig, RequestCredentials } from './cluster-config.ts';

export interface InClusterOptions {
  /** Mount path of the ServiceAccount. */
  readonly root: string;
  /** The API server's URL, without a trailing slash. */
  readonly server: string;
}

/** Returns the configuration of a Pod. Reads the files of each user when credentials are asked for. */
export function inClusterConfig({ root, server }: InClusterOptions): ClusterConfig {
  const namespaceFile = join(root, 'namespace');
  const namespace = existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : '';
  return {
    source: 'in-cluster ServiceAccount',
    context: 'in-cluster',
    server,
    namespace: namespace || undefined,
    proxyUrl: undefined,
    load: () => ({ keepsSecrets: false, credentials: () => readCredentials(root) }),
  };
}

/** @throws Error with one line, if a file is missing, unreadable or empty */
async function readCredentials(root: string): Promise<RequestCredentials> {
  // A projected token lives for an hour by default, and the kubelet replaces it earlier.
  const [token, ca] = await Promise.all([read(join(root, 'token')), read(join(root, 'ca.crt'))]);
  return { headers: [['authorization', `Bearer ${token}`]], tls: { ca } };
}

async function read(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`the Pod's ServiceAccount can't be read: ${errorMessage(error)}`, { cause: error });
  }
  // As client-go: an empty file is being replaced, or broken.
  if (text.trim() === '') throw new Error(`the Pod's ServiceAccount can't be read: ${path} is empty`);
  return text.trim();
}
