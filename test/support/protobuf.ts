/** Answers and events in Protocol Buffers, as the API server sends them. */
import { encodeMessage, encodeObject } from '../../src/kube/protobuf/encode.ts';
import { closeEnvelope } from '../../src/kube/protobuf/envelope.ts';
import { protobuf } from '../../src/kube/protobuf/protobuf.ts';
import { messageOf } from '../../src/kube/protobuf/schema.ts';
import { Writer } from '../../src/kube/protobuf/writer.ts';

interface ListBody {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: object;
  readonly items?: readonly object[];
}

/** The bytes of an object, a list or a Status. */
export function encodeAnswer(body: object): Buffer {
  const { apiVersion, kind, metadata, items } = body as ListBody;
  if (items === undefined) return protobuf.encode(body);
  const writer = new Writer();
  for (const item of items.toReversed()) {
    const before = writer.length;
    encodeObject(messageFor(apiVersion, kind.slice(0, -'List'.length)), item, writer);
    writer.endBytes(2, before);
  }
  const before = writer.length;
  encodeMessage(messageFor('meta/v1', 'ListMeta'), metadata, writer);
  writer.endBytes(1, before);
  closeEnvelope(writer, apiVersion, kind);
  return writer.take();
}

/** A frame of a watch, without its length. */
export function encodeEvent({ type, object }: { readonly type: string; readonly object: object }): Buffer {
  const writer = new Writer();
  writer.raw(protobuf.encode(object));
  writer.endBytes(1, 0);
  writer.endBytes(2, 0);
  writer.textField(1, type);
  return writer.take();
}

/** A frame with its length. */
export function framed(bytes: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(bytes.length);
  return Buffer.concat([header, bytes]);
}

function messageFor(apiVersion: string, kind: string) {
  const [version = '', group = 'core'] = apiVersion.split('/').toReversed();
  const message = messageOf(`${group.split('.', 1)[0]}.${version}.${kind}`);
  if (message === undefined) throw new Error(`no message for ${apiVersion} ${kind}`);
  return message;
}
