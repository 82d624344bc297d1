/**
 * Values whose JSON is not what Protocol Buffers make of their messages: times, quantities, and numbers that may be names.
 * Pure.
 */
import type { ScalarType } from './schema.ts';
import { type Fields, WireError } from './wire.ts';
import type { Writer } from './writer.ts';

/** The value of the current field in JSON; null for a time that is not set. @throws WireError, SyntaxError */
export function readScalar(type: ScalarType, field: Fields): unknown {
  switch (type) {
    case 'string':
      return field.text();
    case 'bool':
      return field.int() !== 0;
    case 'int':
      return field.int();
    case 'bytes':
      return field.bytes.toString('base64', field.from, field.to);
    case 'time':
    case 'microTime':
      return readTime(type, field.message());
    case 'quantity':
      return innerText(field.message());
    case 'json':
      return JSON.parse(innerText(field.message()) || 'null');
    case 'intOrString':
      return readIntOrString(field.message());
  }
}

/** The empty value of a type in JSON. */
export function emptyScalar(type: ScalarType): unknown {
  switch (type) {
    case 'bool':
      return false;
    case 'int':
    case 'intOrString':
      return 0;
    case 'time':
    case 'microTime':
    case 'json':
      return null;
    case 'quantity':
      return '0';
    default:
      return '';
  }
}

/** The text of field 1. */
function innerText(fields: Fields): string {
  let text = '';
  while (fields.next()) if (fields.number === 1) text = fields.text();
  return text;
}

/** From google.protobuf.Timestamp to RFC 3339 with whole seconds or, for MicroTime, microseconds. */
function readTime(type: 'time' | 'microTime', fields: Fields): string | null {
  let seconds = 0;
  let nanos = 0;
  while (fields.next()) {
    if (fields.number === 1) seconds = fields.int();
    else if (fields.number === 2) nanos = fields.int();
  }
  if (seconds === 0 && nanos === 0) return null;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw new WireError(`a time of ${seconds} seconds`);
  const text = date.toISOString().slice(0, -'.000Z'.length);
  return type === 'time' ? `${text}Z` : `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

/** k8s.io/apimachinery/pkg/util/intstr: type 1 is text. */
function readIntOrString(fields: Fields): number | string {
  let isText = false;
  let number = 0;
  let text = '';
  while (fields.next()) {
    if (fields.number === 1) isText = fields.int() === 1;
    else if (fields.number === 2) number = fields.int();
    else if (fields.number === 3) text = fields.text();
  }
  return isText ? text : number;
}

/** Writes a field with a value as JSON has it. @throws TypeError for a value that the type does not have */
export function writeScalar(type: ScalarType, writer: Writer, number: number, value: unknown): void {
  switch (type) {
    case 'bool':
      return writer.intField(number, expect(value, 'boolean') ? 1 : 0);
    case 'int':
      return writer.intField(number, wholeNumber(value));
    case 'string':
      return writer.textField(number, expect(value, 'string'));
    default: {
      const before = writer.length;
      writeContent(type, writer, value);
      writer.endBytes(number, before);
    }
  }
}

function writeContent(type: ScalarType, writer: Writer, value: unknown): void {
  switch (type) {
    case 'bytes':
      return writer.raw(Buffer.from(expect(value, 'string'), 'base64'));
    case 'json':
      return writer.textField(1, JSON.stringify(value));
    case 'intOrString':
      if (typeof value === 'number') return writer.intField(2, wholeNumber(value));
      writer.textField(3, expect(value, 'string'));
      return writer.intField(1, 1);
    case 'time':
    case 'microTime':
      return writeTime(writer, expect(value, 'string'));
    default:
      // A quantity may be a number in JSON.
      return writer.textField(1, typeof value === 'number' ? String(value) : expect(value, 'string'));
  }
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

function writeTime(writer: Writer, text: string): void {
  const [, date, fraction = '', zone] = TIME.exec(text) ?? [];
  const milliseconds = Date.parse(`${date}${zone}`);
  if (Number.isNaN(milliseconds)) throw new TypeError(`"${text}" is no time of RFC 3339`);
  const nanos = Number(fraction.padEnd(9, '0'));
  if (nanos > 0) writer.intField(2, nanos);
  writer.intField(1, milliseconds / 1000);
}

function wholeNumber(value: unknown): number {
  if (!Number.isSafeInteger(value)) throw new TypeError(`${JSON.stringify(value)} is no whole number`);
  return value as number;
}

interface Types {
  readonly boolean: boolean;
  readonly string: string;
}

function expect<T extends keyof Types>(value: unknown, type: T): Types[T] {
  if (typeof value !== type) throw new TypeError(`${JSON.stringify(value)} is no ${type}`);
  return value as Types[T];
}
