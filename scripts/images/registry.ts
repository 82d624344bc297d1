/**
 * Looks up tags of container images in their registries, by the OCI Distribution Specification, without credentials.
 * https://github.com/opencontainers/distribution-spec/blob/main/spec.md
 */
import { createHash } from 'node:crypto';

/** An index is preferred: it covers all platforms. */
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');
const PATIENCE = 30_000; // ms, for each request
const REFERENCE = /^(?<host>[\w.-]+(?::\d+)?)\/(?<name>[a-z0-9._/-]+):(?<tag>\w[\w.-]{0,127})(?:@|$)/;

/**
 * The digest (`sha256:...`) of the manifest to which HOST/NAME:TAG points now. A digest behind the tag is ignored.
 *
 * @throws Error that names the reference, for what is no such reference, what the registry does not have, and an answer
 * that is not what it says it is
 */
export async function digestOf(reference: string): Promise<string> {
  try {
    return await resolveTag(reference);
  } catch (error) {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? `: ${cause.message}` : '';
    throw new Error(`${reference.replace(/@.*/, '')}: ${message}${why}`, { cause: error });
  }
}

async function resolveTag(reference: string): Promise<string> {
  const { host = '', name = '', tag = '' } = REFERENCE.exec(reference)?.groups ?? {};
  if (host === '') throw new Error('is not HOST/NAME:TAG');
  // Like container engines, without TLS only for a registry on this machine.
  const scheme = /^(localhost|127\.\d+\.\d+\.\d+)(:|$)/.test(host) ? 'http' : 'https';
  const server = host === 'docker.io' ? 'registry-1.docker.io' : host;
  const url = `${scheme}://${server}/v2/${name}/manifests/${tag}`;

  let answer = await get(url, {});
  if (answer.status === 401) {
    const token = await tokenFor(answer.headers.get('www-authenticate') ?? '');
    answer = await get(url, { authorization: `Bearer ${token}` });
  }
  if (!answer.ok) throw new Error(`the registry answers ${answer.status}`);
  const content = Buffer.from(await answer.arrayBuffer());
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  const told = answer.headers.get('docker-content-digest');
  if (told !== null && told !== digest) {
    throw new Error(`the registry says ${told}, but what it sends is ${digest}`);
  }
  return digest;
}

/** An anonymous token. @see https://distribution.github.io/distribution/spec/auth/token/ */
async function tokenFor(challenge: string): Promise<string> {
  const parameters = new Map(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
  );
  const realm = parameters.get('realm');
  if (!/^bearer /i.test(challenge) || realm === undefined) {
    throw new Error('the registry wants credentials: pin this one by hand');
  }
  const url = new URL(realm);
  for (const key of ['service', 'scope']) {
    const value = parameters.get(key);
    if (value !== undefined) url.searchParams.set(key, value);
  }
  const answer = await get(url.href, {});
  if (!answer.ok)
    throw new Error(`${url.host} gives no token without credentials: it answers ${answer.status}`);
  const { token, access_token: other } = (await answer.json()) as { token?: string; access_token?: string };
  const given = token ?? other;
  if (given === undefined) throw new Error(`${url.host} answers without a token`);
  return given;
}

function get(url: string, headers: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(url, { headers: { accept: ACCEPT, ...headers }, signal: AbortSignal.timeout(PATIENCE) });
}
