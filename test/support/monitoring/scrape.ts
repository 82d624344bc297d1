// Scrapes metrics with TLS and a token, as Prometheus does.
import { once } from 'node:events';
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import type { Sandbox } from '../cluster.ts';

export interface Scrape {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** SHA-256 fingerprint of the server's certificate. */
  readonly certificate: string;
}

export interface ScrapeOptions {
  readonly token?: string;
  /** PEM of the authority that verifies the server's certificate, which is not verified without it. */
  readonly ca?: string;
  readonly path?: string;
  readonly method?: string;
  /** Agent whose connections are used; a new connection for each scrape by default. */
  readonly agent?: Agent;
}

export async function scrape(url: string, options: ScrapeOptions = {}): Promise<Scrape> {
  const { token, ca, path = '/metrics', method = 'GET', agent = new Agent() } = options;
  const sent = request(new URL(path, url), {
    method,
    agent,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
  }).end();
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  const certificate = (response.socket as TLSSocket).getPeerCertificate().fingerprint256;
  for await (const chunk of response) chunks.push(chunk);
  const { statusCode: status = 0, headers } = response;
  return { status, headers, text: Buffer.concat(chunks).toString(), certificate };
}

/** Creates a ServiceAccount in the namespace default, which is removed with the sandbox, and returns a token of it. */
export async function serviceAccountToken(box: Sandbox, name: string): Promise<string> {
  const path = '/api/v1/namespaces/default/serviceaccounts';
  await box.create(path, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } });
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const { status } = (await box.plane.admin.send('POST', `${path}/${name}/token`, review)) as {
    status: { token: string };
  };
  return status.token;
}
