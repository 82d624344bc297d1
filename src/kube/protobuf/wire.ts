/**
 * Reads the fields of a Protocol Buffers message, without knowing its schema
 * (https://protobuf.dev/programming-guides/encoding/). Pure.
 */

/** The bytes are no message of Protocol Buffers. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const FIXED32 = 5;

/** Walks over the fields of a message. Each field is skipped unless its value is read. */
export class Fields {
  readonly bytes: Buffer;
  /** The current field. */
  number = 0;
  type = VARINT;
  /** Index of the field's first byte, its tag. */
  start = 0;
  /** The range of its value, for a value of type BYTES without the length. */
  from = 0;
  to = 0;
  #end: number;

  /** @param end the message's last byte is the one before */
  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.to = start;
    this.#end = end;
  }

  /** Goes on to the next field; false at the end. @throws WireError */
  next(): boolean {
    const start = this.to;
    if (start >= this.#end) return false;
    this.start = start;
    this.to = start;
    const tag = this.#small();
    this.number = tag >>> 3;
    this.type = tag & 7;
    this.from = this.to;
    switch (this.type) {
      case VARINT:
        while ((this.bytes[this.to++] ?? 0) >= 0x80);
        break;
      case BYTES: {
        const length = this.#small();
        this.from = this.to;
        this.to += length;
        break;
      }
      case FIXED64:
        this.to += 8;
        break;
      case FIXED32:
        this.to += 4;
        break;
      default:
        throw new WireError(`a field of type ${this.type}`);
    }
    if (this.to > this.#end) throw new WireError('the message ends within a field');
    return true;
  }

  /** A tag or length: 32 bits without a sign. */
  #small(): number {
    let value = 0;
    for (let shift = 0; shift <= 28; shift += 7) {
      const byte = this.bytes[this.to++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError('a tag or length of more than 32 bits');
  }

  /** The value as a signed whole number. Beyond 2^53 it is rounded, as in JSON. @throws WireError for another type */
  int(): number {
    this.#expect(VARINT);
    if (this.to - this.from > 7) return this.#bigInt();
    let value = 0;
    let scale = 1;
    for (let index = this.from; index < this.to; index++) {
      value += ((this.bytes[index] ?? 0) & 0x7f) * scale;
      scale *= 128;
    }
    return value;
  }

  #bigInt(): number {
    let value = 0n;
    for (let index = this.to - 1; index >= this.from; index--)
      value = (value << 7n) | BigInt((this.bytes[index] ?? 0) & 0x7f);
    return Number(BigInt.asIntN(64, value));
  }

  /** The value as UTF-8 text. @throws WireError for another type */
  text(): string {
    this.#expect(BYTES);
    return this.bytes.toString('utf8', this.from, this.to);
  }

  /** The value as a message. @throws WireError for another type */
  message(): Fields {
    this.#expect(BYTES);
    return new Fields(this.bytes, this.from, this.to);
  }

  #expect(type: number): void {
    if (this.type !== type) throw new WireError(`field ${this.number} has type ${this.type}, not ${type}`);
  }
}
