/**
 * Kubernetes' own kinds in Protocol Buffers (application/vnd.kubernetes.protobuf): requests, answers, lists and the events
 * of watches, as the objects that JSON has. No I/O.
 *
 * Custom resources, and kinds that no reconcile needs often, stay JSON.
 */
import type { BinaryFormat, ReadObject } from '../http/binary-format.ts';
import { decodeMessage } from './decode.ts';
import { encodeObject } from './encode.ts';
import { closeEnvelope, type Envelope, type ObjectType, openEnvelope } from './envelope.ts';
import { type Message, messageOf } from './schema.ts';
import { Fields, WireError } from './wire.ts';
import { Writer } from './writer.ts';

/** By the API server's path of group and version. */
const RESOURCES: Readonly<Record<string, readonly string[]>> = {
  'api/v1': ['namespaces', 'nodes', 'pods', 'services'],
  'apis/coordination.k8s.io/v1': ['leases'],
  'apis/discovery.k8s.io/v1': ['endpointslices'],
  'apis/networking.k8s.io/v1': ['networkpolicies', 'servicecidrs'],
};

/**
 * The paths of collections and objects of these resources, in one expression, as it judges every request. Subresources are
 * not covered: `/api/v1/namespaces/NAME/status` reads as one of "status" in the namespace.
 */
const COVERED = new RegExp(
  `^/(?:${Object.entries(RESOURCES)
    .map(([version, plurals]) => `${version}/(?:namespaces/[^/]+/)?(?:${plurals.join('|')})`)
    .join('|')})(?:/[^/]+)?$`,
);

const LIST_META = required('meta.v1.ListMeta');
const writer = new Writer();

export const protobuf: BinaryFormat = {
  mediaType: 'application/vnd.kubernetes.protobuf',
  covers: (path) => COVERED.test(path),
  encode,
  decode: (bytes, readObject) => decodeObject(openEnvelope(bytes), readObject),
  decodeEvent,
};

/** @throws TypeError for a kind, field or value that the table of messages lacks */
function encode(object: object): Buffer {
  const { apiVersion = '', kind = '' } = object as { readonly apiVersion?: string; readonly kind?: string };
  const message = messageFor(apiVersion, kind);
  if (message === undefined) throw new TypeError(`${apiVersion} ${kind} has no known message`);
  writer.clear();
  encodeObject(message, object, writer);
  closeEnvelope(writer, apiVersion, kind);
  return writer.take();
}

function decodeObject({ type, message: bytes }: Envelope, readObject?: ReadObject): object {
  const message = messageOfType(type);
  if (message !== undefined) {
    const decode = () => ({ ...type, ...decodeMessage(message, bytes) });
    // A Status comes in the place of any object.
    return readObject === undefined || type.kind === 'Status' ? decode() : readObject(bytes, decode);
  }
  const { apiVersion, kind } = type;
  const element = kind.endsWith('List') ? messageFor(apiVersion, kind.slice(0, -'List'.length)) : undefined;
  if (element === undefined) throw new WireError(`${apiVersion} ${kind} has no known message`);
  return { apiVersion, kind, ...decodeList(element, bytes, readObject) };
}

/** The messages of the types of envelopes. */
const messages = new WeakMap<ObjectType, Message>();

function messageOfType(type: ObjectType): Message | undefined {
  const known = messages.get(type);
  if (known !== undefined) return known;
  const message = messageFor(type.apiVersion, type.kind);
  if (message !== undefined) messages.set(type, message);
  return message;
}

/** Items have no apiVersion and kind, as in JSON. */
function decodeList(element: Message, bytes: Buffer, readObject?: ReadObject): object {
  const fields = new Fields(bytes);
  const items: object[] = [];
  let metadata: object = {};
  while (fields.next()) {
    const { from, to } = fields;
    if (fields.number === 1) metadata = decodeMessage(LIST_META, bytes, from, to);
    else if (fields.number === 2) {
      const item = bytes.subarray(from, to);
      const decode = () => decodeMessage(element, item);
      items.push(readObject === undefined ? decode() : readObject(item, decode));
    }
  }
  return { metadata, items };
}

/** A metav1.WatchEvent, whose object is a runtime.RawExtension with an envelope of its own. */
function decodeEvent(frame: Buffer, readObject?: ReadObject): object {
  const fields = new Fields(frame);
  let type = '';
  let object: object | undefined;
  while (fields.next()) {
    if (fields.number === 1) type = fields.text();
    else if (fields.number === 2) {
      const extension = fields.message();
      while (extension.next())
        if (extension.number === 1)
          object = decodeObject(openEnvelope(frame, extension.from, extension.to), readObject);
    }
  }
  return { type, object };
}

/** The message of a kind: that of networking.k8s.io/v1 NetworkPolicy is networking.v1.NetworkPolicy. */
function messageFor(apiVersion: string, kind: string): Message | undefined {
  if (kind === 'Status') return messageOf('meta.v1.Status');
  const [version = '', group = 'core'] = apiVersion.split('/').toReversed();
  return messageOf(`${group.split('.', 1)[0]}.${version}.${kind}`);
}

function required(name: string): Message {
  const message = messageOf(name);
  if (message === undefined) throw new Error(`the table of messages lacks ${name}`);
  return message;
}
