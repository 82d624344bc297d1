/** Writes Protocol Buffers from the end to the beginning, so that the length of a message is known before it is written. Pure. */
import { BYTES, VARINT } from './wire.ts';

const INITIAL_BYTES = 16 * 1024;

/** Each method writes before everything that was written so far. */
export class Writer {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = INITIAL_BYTES;

  /** How many bytes were written. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** A copy of everything that was written. The writer is empty afterwards. */
  take(): Buffer {
    const copy = Buffer.from(this.#bytes.subarray(this.#at));
    this.clear();
    return copy;
  }

  clear(): void {
    this.#at = this.#bytes.length;
  }

  /** A copy of the last `length` bytes that were written, to be kept: it shares memory with no other buffer. */
  latest(length: number): Buffer {
    const copy = Buffer.allocUnsafeSlow(length);
    copy.set(this.#bytes.subarray(this.#at, this.#at + length));
    return copy;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#at -= bytes.length;
    this.#bytes.set(bytes, this.#at);
  }

  text(value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length);
    this.#at -= length;
    this.#bytes.write(value, this.#at, length, 'utf8');
  }

  /** A signed whole number. */
  int(value: number): void {
    if (value < 0 || value > 0xffff_ffff) return this.#bigInt(value);
    const length =
      value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    this.#reserve(length);
    this.#at -= length;
    let rest = value;
    for (let index = this.#at; index < this.#at + length - 1; index++) {
      this.#bytes[index] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at + length - 1] = rest;
  }

  #bigInt(value: number): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    const bytes: number[] = [];
    for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    bytes.push(Number(rest));
    this.raw(Uint8Array.from(bytes));
  }

  /** Tag and length of a value that was just written: everything since `length` was `before`. */
  endBytes(number: number, before: number): void {
    this.int(this.length - before);
    this.int(number * 8 + BYTES);
  }

  textField(number: number, value: string): void {
    const before = this.length;
    this.text(value);
    this.endBytes(number, before);
  }

  intField(number: number, value: number): void {
    this.int(value);
    this.int(number * 8 + VARINT);
  }

  #reserve(length: number): void {
    if (length <= this.#at) return;
    const written = this.length;
    const larger = Buffer.allocUnsafeSlow(2 * (written + length));
    this.#bytes.copy(larger, larger.length - written, this.#at);
    this.#at = larger.length - written;
    this.#bytes = larger;
  }
}
