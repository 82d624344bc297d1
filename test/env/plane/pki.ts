// Creates the credentials of a control plane in its directory: an authority, the API server's certificate, client
// certificates of the administrator and the controller manager, and the key that signs ServiceAccount tokens.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createAuthority,
  issueClient,
  issueServing,
  newKey,
  privatePem,
  publicPem,
  type Certificate,
} from './x509.ts';

export interface Pki {
  /** PEM of the authority. */
  readonly authority: string;
  readonly admin: ClientCredentials;
  readonly controllerManager: ClientCredentials;
  /** Paths of PEM files. */
  readonly files: {
    readonly authority: string;
    readonly serving: string;
    readonly servingKey: string;
    readonly serviceAccountKey: string;
    readonly serviceAccountPublicKey: string;
  };
}

/** PEM. */
export interface ClientCredentials {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Creates the credentials and writes the PEM files to `directory`.
 *
 * @param serverNames names and addresses of the API server
 */
export function createPki(directory: string, serverNames: readonly string[]): Pki {
  const authority = createAuthority('local-control-plane');
  const serving = issueServing(authority, { commonName: 'kube-apiserver' }, serverNames);
  const serviceAccountKey = newKey();
  const write = (name: string, pem: string) => {
    const path = join(directory, name);
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  };
  return {
    authority: authority.certificate,
    admin: credentials(issueClient(authority, { commonName: 'admin', organization: 'system:masters' })),
    controllerManager: credentials(issueClient(authority, { commonName: 'system:kube-controller-manager' })),
    files: {
      authority: write('ca.crt', authority.certificate),
      serving: write('apiserver.crt', serving.certificate),
      servingKey: write('apiserver.key', privatePem(serving.key)),
      serviceAccountKey: write('service-account.key', privatePem(serviceAccountKey)),
      serviceAccountPublicKey: write('service-account.pub', publicPem(serviceAccountKey)),
    },
  };
}

function credentials({ certificate, key }: Certificate): ClientCredentials {
  return { certificate, key: privatePem(key) };
}
