/**
 * The envelope of every object in Protocol Buffers: four bytes, and a runtime.Unknown with the object's type and its message
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding-idl). Pure.
 */
import { Fields, WireError } from './wire.ts';
import type { Writer } from './writer.ts';

const MAGIC = Buffer.from('k8s\0');

export interface ObjectType {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface Envelope {
  /** The type of the message. Nearly all envelopes of a type share one object. */
  readonly type: ObjectType;
  /** The bytes of the message. */
  readonly message: Buffer;
}

/** Reads the envelope in a part of `bytes`. @throws WireError */
export function openEnvelope(bytes: Buffer, start = 0, end = bytes.length): Envelope {
  if (end - start < MAGIC.length || MAGIC.compare(bytes, start, start + MAGIC.length) !== 0)
    throw new WireError('the envelope of an object is missing');
  const fields = new Fields(bytes, start + MAGIC.length, end);
  let type: ObjectType = { apiVersion: '', kind: '' };
  let message: Buffer | undefined;
  while (fields.next()) {
    if (fields.number === 1) type = readType(fields);
    else if (fields.number === 2) message = bytes.subarray(fields.from, fields.to);
  }
  if (message === undefined) throw new WireError('the envelope has no object');
  return { type, message };
}

/** The types of earlier envelopes, by their bytes: a client meets few. */
const types = new Map<string, ObjectType>();
const MAX_TYPES = 256;

function readType({ bytes, from, to }: Fields): ObjectType {
  const text = bytes.toString('latin1', from, to);
  const known = types.get(text);
  if (known !== undefined) return known;
  const fields = new Fields(bytes, from, to);
  let apiVersion = '';
  let kind = '';
  while (fields.next()) {
    if (fields.number === 1) apiVersion = fields.text();
    else if (fields.number === 2) kind = fields.text();
  }
  if (types.size >= MAX_TYPES) types.clear();
  const type = { apiVersion, kind };
  types.set(text, type);
  return type;
}

/** Puts everything that was written into an envelope. */
export function closeEnvelope(writer: Writer, apiVersion: string, kind: string): void {
  writer.endBytes(2, 0);
  const before = writer.length;
  writer.textField(2, kind);
  writer.textField(1, apiVersion);
  writer.endBytes(1, before);
  writer.raw(MAGIC);
}
