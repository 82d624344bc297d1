/**
 * A small HTTP or HTTPS server for scrapes and probes: GET and HEAD on fixed paths. Timeouts and a bound on connections
 * protect it from slow clients.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { BIND_ADDRESS_FORMS, parseBindAddress } from '../../options/bind-address.ts';
import type { CertificatePair } from './x509.ts';

export interface RouteRequest {
  /** The path of the request. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly accept: string | undefined;
  /** GET or HEAD. */
  readonly method: string;
  /** The Authorization header. */
  readonly authorization: string | undefined;
}

export interface RouteReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Route = (request: RouteRequest) => RouteReply | Promise<RouteReply>;

export interface ServerOptions {
  /** ":8080", "127.0.0.1:0" (any free port), "[::1]:8080", or "0" for no server. */
  readonly bindAddress: string;
  /** The flag that sets `bindAddress`, for messages. */
  readonly flag: string;
  /** By path; a path that ends in "/*" stands for all paths below it. */
  readonly routes: Readonly<Record<string, Route>>;
  /** The longest time in which a client may send its request, in milliseconds. Default 10 s. */
  readonly requestTimeout?: number;
  /** The server's certificate; without it, the server speaks plain HTTP. */
  readonly certificate?: CertificatePair;
  /** Called for a route that throws; the client gets status 500 without details. */
  readonly onError?: (error: unknown, path: string) => void;
}

export interface RunningServer {
  /** Without a trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Uses the certificate for new connections; open ones go on. Without effect on a server without certificate. */
  useCertificate(pair: CertificatePair): void;
  /** Stops listening, completes responses under way, and drops idle connections. */
  close(): Promise<void>;
}

const PLAIN = 'text/plain; charset=utf-8';
const REQUEST_TIMEOUT = 10_000;
const MAX_CONNECTIONS = 256;
/** Compression does not pay for shorter bodies, in bytes. */
const MIN_GZIP = 1024;
const CLOSE_GRACE = 2000;
const TLS = { minVersion: 'TLSv1.2' } as const;

const compress = promisify(gzip);

/**
 * Undefined if the address is "0".
 *
 * @throws Error with one line that names the flag, if the address can't be listened on
 */
export async function startServer(options: ServerOptions): Promise<RunningServer | undefined> {
  const { bindAddress, flag, requestTimeout = REQUEST_TIMEOUT } = options;
  const address = parseBindAddress(bindAddress);
  if (address === 'off') return undefined;
  if (address === undefined)
    throw new Error(`${flag}: "${bindAddress}" is no address to listen on; write ${BIND_ADDRESS_FORMS}`);
  const limits = {
    headersTimeout: requestTimeout,
    requestTimeout,
    connectionsCheckingInterval: requestTimeout / 10,
    keepAliveTimeout: 60_000,
    maxHeaderSize: 16 * 1024,
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(options, request, response).catch((error: unknown) => {
      options.onError?.(error, request.url ?? '');
      if (!response.headersSent)
        send(response, request, { status: 500, contentType: PLAIN, body: 'internal error\n' });
      else response.destroy();
    });
  };
  const { certificate } = options;
  const secure =
    certificate &&
    createSecureServer({ ...limits, ...TLS, ...certificate, handshakeTimeout: requestTimeout }, listener);
  const server = secure ?? createServer(limits, listener);
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, address.host, address.port, options);
  const { port } = server.address() as AddressInfo;
  const host = address.host ?? '127.0.0.1';
  return {
    url: `${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    useCertificate: (pair) => secure?.setSecureContext({ ...TLS, ...pair }),
    close: () => close(server),
  };
}

async function answer(
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const target = request.url ?? '/';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const route = findRoute(options.routes, path);
  if (route === undefined) {
    const body = `404: nothing at this path. There are:\n${Object.keys(options.routes).join('\n')}\n`;
    return send(response, request, { status: 404, contentType: PLAIN, body });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, request, { status: 405, contentType: PLAIN, body: '405: only GET and HEAD\n' });
  }
  const query = new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1));
  const { accept, authorization } = request.headers;
  const reply = await route({ path, query, accept, method: request.method, authorization });
  const encodings = request.headers['accept-encoding'] ?? '';
  response.setHeader('vary', 'accept, accept-encoding');
  if (reply.body.length >= MIN_GZIP && acceptsGzip(encodings)) {
    response.setHeader('content-encoding', 'gzip');
    return send(response, request, reply, await compress(reply.body));
  }
  return send(response, request, reply);
}

function send(response: ServerResponse, request: IncomingMessage, reply: RouteReply, encoded?: Buffer): void {
  const body = encoded ?? Buffer.from(reply.body);
  response.writeHead(reply.status, {
    ...reply.headers,
    'content-type': reply.contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function findRoute(routes: ServerOptions['routes'], path: string): Route | undefined {
  if (Object.hasOwn(routes, path) && !path.endsWith('/*')) return routes[path];
  const parent = `${path.slice(0, path.lastIndexOf('/'))}/*`;
  return Object.hasOwn(routes, parent) ? routes[parent] : undefined;
}

function acceptsGzip(encodings: string): boolean {
  return encodings.split(',').some((each) => {
    const [coding = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase());
    return coding === 'gzip' && !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter));
  });
}

function listen(
  server: Server,
  host: string | undefined,
  port: number,
  options: ServerOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, options)));
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      // A failed accept (too many open files) loses one client, and must not end the operator.
      server.on('error', (error) => options.onError?.(error, ''));
      resolve();
    });
  });
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'ports below 1024 need a privilege',
  EADDRNOTAVAIL: 'no interface of this machine has that address',
  ENOTFOUND: 'the host name cannot be resolved',
};

function bindError(error: NodeJS.ErrnoException, { bindAddress, flag }: ServerOptions): Error {
  const problem = BIND_PROBLEMS[error.code ?? ''] ?? error.message;
  return new Error(
    `cannot listen on ${bindAddress}: ${problem}; choose another address with ${flag}, or ${flag}=0 for none`,
    {
      cause: error,
    },
  );
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
