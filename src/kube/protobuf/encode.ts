/**
 * Writes objects, as JSON has them, as messages. A field that the table of messages lacks is refused: the API server
 * ignores unknown fields of Protocol Buffers, also with fieldValidation=Strict. Pure.
 */
import { UNKNOWN_FIELDS } from './decode.ts';
import { writeScalar } from './scalars.ts';
import type { Field, Message } from './schema.ts';
import type { Writer } from './writer.ts';

/** An object as JSON has it. */
type Encodable = Readonly<Record<string | symbol, unknown>>;

/** The fields of an object that are not in its message, but in its envelope. */
const TYPE_FIELDS: readonly string[] = ['apiVersion', 'kind'];

/**
 * Writes an object with metadata, without tag and length. Its specification, labels, annotations and owners are kept in
 * their encoded form as long as the values exist, as equal objects of many namespaces share them.
 *
 * @throws TypeError for a field or value that the message does not have; the writer is left with a part of the object
 */
export function encodeObject(message: Message, object: object, writer: Writer): void {
  checkNames(message, object, TYPE_FIELDS);
  encodeFields(message, object as Encodable, writer, (field, value) => {
    if (field.name !== 'metadata' || typeof field.type === 'string' || typeof value !== 'object')
      return encodeShared(field, value, writer);
    checkNames(field.type, value);
    const before = writer.length;
    encodeFields(field.type, value as Encodable, writer, (each, part) => encodeShared(each, part, writer));
    writer.endBytes(field.number, before);
  });
}

/** The encoded forms of values, each with the field that it was encoded for. */
const encodedForms = new WeakMap<object, { readonly field: Field; readonly bytes: Buffer }>();

function encodeShared(field: Field, value: object | string | number | boolean, writer: Writer): void {
  if (typeof value !== 'object') return encodeField(field, value, writer);
  const known = encodedForms.get(value);
  if (known?.field === field) return writer.raw(known.bytes);
  const before = writer.length;
  encodeField(field, value, writer);
  encodedForms.set(value, { field, bytes: writer.latest(writer.length - before) });
}

/** Writes a message, without tag and length. @throws TypeError as `encodeObject` */
export function encodeMessage(message: Message, object: object, writer: Writer): void {
  checkNames(message, object);
  encodeFields(message, object as Encodable, writer, (field, value) => encodeField(field, value, writer));
}

function checkNames(message: Message, object: object, others: readonly string[] = []): void {
  for (const name in object)
    if (!message.names.has(name) && !others.includes(name))
      throw new TypeError(`${message.name} has no field ${name}`);
}

type EncodeField = (field: Field, value: object | string | number | boolean) => void;

function encodeFields(message: Message, object: Encodable, writer: Writer, encode: EncodeField): void {
  const unknown = object[UNKNOWN_FIELDS];
  if (unknown instanceof Uint8Array) writer.raw(unknown);
  for (let index = message.fields.length - 1; index >= 0; index--) {
    const field = message.fields[index] as Field;
    if (field.name === '') encodeInline(field, object, writer, encode);
    else {
      const value = object[field.name] as object | string | number | boolean | undefined | null;
      if (value !== undefined && value !== null) encode(field, value);
    }
  }
}

/** Unknown fields of the message are kept with the object that it is part of. */
function encodeInline({ number, type }: Field, object: Encodable, writer: Writer, encode: EncodeField): void {
  const before = writer.length;
  encodeFields(type as Message, { ...object, [UNKNOWN_FIELDS]: undefined }, writer, encode);
  if (writer.length > before) writer.endBytes(number, before);
}

function encodeField(field: Field, value: unknown, writer: Writer): void {
  if (field.shape === 'one') return encodeValue(field, field.number, value, writer);
  if (field.shape === 'list') {
    if (!Array.isArray(value)) throw new TypeError(`${field.name} is no list`);
    for (let index = value.length - 1; index >= 0; index--)
      encodeValue(field, field.number, value[index], writer);
    return;
  }
  // In the order of the keys, as Go's encoder does.
  const entries = Object.entries(value as object).toSorted(([a], [b]) => (a < b ? 1 : -1));
  for (const [key, each] of entries) {
    const before = writer.length;
    encodeValue(field, 2, each, writer);
    writer.textField(1, key);
    writer.endBytes(field.number, before);
  }
}

function encodeValue({ name, type }: Field, number: number, value: unknown, writer: Writer): void {
  if (typeof type === 'string') return writeScalar(type, writer, number, value);
  if (typeof value !== 'object' || value === null) throw new TypeError(`${name} is no object`);
  const before = writer.length;
  encodeMessage(type, value, writer);
  writer.endBytes(number, before);
}
