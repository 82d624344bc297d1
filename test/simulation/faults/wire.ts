/**
 * Bodies and events as they pass the wire between replicas and the model: encoded and decoded by the operator's own formats,
 * Protocol Buffers where the operator uses them.
 */
import type { Request, WatchRequest } from '../../../src/kube/http/transport.ts';
import { protobuf } from '../../../src/kube/protobuf/protobuf.ts';
import { encodeAnswer, encodeEvent } from '../../support/protobuf.ts';

/** The body of a request, as the server reads it. */
export function sentBody({ path, body, contentType }: Request): unknown {
  if (body === undefined) return undefined;
  if (protobuf.covers(path) && contentType === undefined) return protobuf.decode(protobuf.encode(body));
  return JSON.parse(JSON.stringify(body));
}

/** The body of a successful answer, as the client reads it. */
export function receivedAnswer({ path, readObject }: Request, body: object): object {
  if (!protobuf.covers(path)) return body;
  return protobuf.decode(encodeAnswer(body), readObject) as object;
}

/** Encoded events: all replicas receive the same. */
const encoded = new WeakMap<object, Buffer>();

/** An event of a watch, as the client reads it. */
export function receivedEvent({ path, readObject }: WatchRequest, event: object): unknown {
  if (!protobuf.covers(path)) return event;
  let bytes = encoded.get(event);
  if (bytes === undefined) {
    bytes = encodeEvent(event as Parameters<typeof encodeEvent>[0]);
    encoded.set(event, bytes);
  }
  return protobuf.decodeEvent(bytes, readObject);
}
