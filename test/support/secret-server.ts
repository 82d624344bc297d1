/**
 * Certificates for Envoy: a server of the secret discovery service
 * (https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret) by gRPC over plain HTTP/2, as far as Envoy needs
 * it. Node has no gRPC, and its framing is five bytes.
 */
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface Secrets {
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: string;
  readonly authority: string;
}

export class SecretServer {
  readonly #server: Http2Server;

  private constructor(server: Http2Server) {
    this.#server = server;
  }

  static async start(secrets: Secrets): Promise<SecretServer> {
    const server = createServer();
    server.on('stream', (stream) => answer(stream, secrets));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new SecretServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Envoy, which keeps its connection, must have ended. */
  async stop(): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const SECRET = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

function answer(stream: ServerHttp2Stream, secrets: Secrets): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.on('error', () => {});
  let received = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 5 && received.length >= 5 + received.readUInt32BE(1)) {
      const end = 5 + received.readUInt32BE(1);
      const fields = parse(received.subarray(5, end));
      received = received.subarray(end);
      // A request with the nonce of an answer acknowledges it.
      if (fields.some(([number]) => number === 5)) continue;
      const names = fields.filter(([number]) => number === 3).map(([, value]) => value.toString());
      stream.write(frame(response(names, secrets)));
    }
  });
}

/** DiscoveryResponse: version_info, resources, type_url, nonce. */
function response(names: readonly string[], secrets: Secrets): Buffer {
  const resources = names.map((name) => field(2, [field(1, SECRET), field(2, secret(name, secrets))]));
  return Buffer.concat([field(1, '1'), ...resources, field(4, SECRET), field(5, '1')]);
}

/** Secret: name, and tls_certificate or validation_context. */
function secret(name: string, { certificate, privateKey, authority }: Secrets): Buffer {
  const inline = (text: string) => [field(3, text)];
  const value = name.startsWith('ROOTCA')
    ? field(4, [field(1, inline(authority))])
    : field(2, [field(1, inline(certificate)), field(2, inline(privateKey))]);
  return Buffer.concat([field(1, name), value]);
}

function frame(message: Buffer): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** A field with a length: text, bytes or a message. */
function field(number: number, value: string | Buffer | readonly Buffer[]): Buffer {
  const bytes =
    typeof value === 'string' ? Buffer.from(value) : Buffer.isBuffer(value) ? value : Buffer.concat(value);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

/** The fields with a length of a message whose other fields, if any, are varints. */
function parse(message: Buffer): (readonly [number: number, value: Buffer])[] {
  const fields: (readonly [number, Buffer])[] = [];
  let at = 0;
  const next = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = next();
    const length = next();
    if ((tag & 7) !== 2) continue;
    fields.push([tag >>> 3, message.subarray(at, at + length)]);
    at += length;
  }
  return fields;
}
