/**
 * Reads messages as the objects that JSON has: the same names, types and omissions. Fields that the table of messages
 * lacks are kept as bytes, so that an object that is changed and sent back does not lose them. Pure.
 */
import { emptyScalar, readScalar } from './scalars.ts';
import type { Field, Message } from './schema.ts';
import { Fields } from './wire.ts';

/** The key of an object's unknown fields, which are copied with the object's other properties. */
export const UNKNOWN_FIELDS = Symbol('unknown fields');

type Decoded = Record<string | symbol, unknown>;

const NOTHING = Buffer.alloc(0);

/** @throws WireError */
export function decodeMessage(message: Message, bytes: Buffer, start = 0, end = bytes.length): object {
  const object: Decoded = {};
  decodeInto(object, message, new Fields(bytes, start, end));
  return object;
}

function decodeInto(object: Decoded, message: Message, fields: Fields): void {
  while (fields.next()) {
    const field = message.byNumber[fields.number];
    if (field === undefined) keepUnknown(object, fields);
    else if (field.shape !== 'one') addTo(object, field, fields);
    else if (field.name === '') decodeInto(object, field.type as Message, fields.message());
    else {
      const value = valueOf(field, fields);
      const isEmpty = value === '' || value === 0 || value === false || value === null;
      if (!isEmpty || field.isPointer || !field.isOmitted) object[field.name] = value;
    }
  }
  for (const field of message.always) object[field.name] ??= emptyValue(field);
}

/** Adds an element or entry. */
function addTo(object: Decoded, field: Field, fields: Fields): void {
  const { name, shape } = field;
  if (shape === 'list') {
    const list = object[name] as unknown[] | undefined;
    if (list === undefined) object[name] = [valueOf(field, fields)];
    else list.push(valueOf(field, fields));
    return;
  }
  const entry = fields.message();
  let key = '';
  let value: unknown;
  while (entry.next()) {
    if (entry.number === 1) key = entry.text();
    else if (entry.number === 2) value = valueOf(field, entry);
  }
  if (value === undefined) value = elementOf(field);
  const map = (object[name] ??= {}) as Decoded;
  if (key !== '__proto__') map[key] = value;
  else Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
}

function valueOf({ type }: Field, fields: Fields): unknown {
  if (typeof type === 'string') return readScalar(type, fields);
  const object: Decoded = {};
  decodeInto(object, type, fields.message());
  return object;
}

/** The value in JSON of a field that is not in the message: Go writes null for an absent list or map. */
function emptyValue(field: Field): unknown {
  return field.shape === 'one' ? elementOf(field) : null;
}

function elementOf({ type }: Field): unknown {
  return typeof type === 'string' ? emptyScalar(type) : decodeMessage(type, NOTHING);
}

function keepUnknown(object: Decoded, { bytes, start, to }: Fields): void {
  const before = (object[UNKNOWN_FIELDS] ?? NOTHING) as Buffer;
  object[UNKNOWN_FIELDS] = Buffer.concat([before, bytes.subarray(start, to)]);
}
