/**
 * Chooses a proxy from the environment, by the rules of Go's clients. The kubeconfig's proxy has precedence over it.
 */
import { BlockList, isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads HTTPS_PROXY (HTTP_PROXY for an http server) and NO_PROXY, in upper or lower case, as
 * golang.org/x/net/http/httpproxy does: NO_PROXY lists host names (which include their subdomains), addresses and
 * CIDRs, each with an optional port, or `*`. Loopback addresses and localhost are always direct.
 *
 * @returns the proxy's URL; undefined for a direct connection
 */
export function proxyFor(server: URL, env: Environment): string | undefined {
  const variable = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const proxy = read(env, variable);
  if (proxy === undefined) return undefined;
  const host = server.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = server.port || (server.protocol === 'https:' ? '443' : '80');
  if (isLoopback(host)) return undefined;
  const exempt = (read(env, 'NO_PROXY') ?? '').split(/[\s,]+/).some((entry) => matches(entry, host, port));
  if (exempt) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

function read(env: Environment, name: string): string | undefined {
  return env[name] || env[name.toLowerCase()] || undefined;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '') return false;
  if (entry === '*') return true;
  if (entry.includes('/')) return inRange(entry, host);
  const [name, wantedPort] = splitPort(entry.toLowerCase());
  if (wantedPort !== undefined && wantedPort !== port) return false;
  // "example.com" covers itself and its subdomains; ".example.com" and "*.example.com" only the latter.
  const bare = name.replace(/^\*(?=\.)/, '');
  return bare.startsWith('.') ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

function splitPort(entry: string): [string, string | undefined] {
  const bracketed = /^\[(.+)\](?::(\d+))?$/.exec(entry);
  if (bracketed) return [bracketed[1] ?? '', bracketed[2]];
  const plain = /^([^:]+):(\d+)$/.exec(entry);
  return plain ? [plain[1] ?? '', plain[2]] : [entry, undefined];
}

function inRange(cidr: string, host: string): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  const version = isIP(network);
  const prefix = Number(bits);
  if (version === 0 || isIP(host) !== version || !/^\d+$/.test(bits)) return false;
  if (prefix > (version === 4 ? 32 : 128)) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return list.check(host, family);
}
