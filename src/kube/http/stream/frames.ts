/** Splits the binary answer of a watch into frames: four bytes of length (big-endian), and as many bytes. */

/** A frame exceeds the longest length. */
export class FrameTooLongError extends Error {
  override readonly name = 'FrameTooLongError';
}

const HEADER_BYTES = 4;

export class FrameSplitter {
  readonly #maxBytes: number;
  /** The parts of the unfinished frame with its header, joined when it is complete: a long frame takes linear time. */
  #parts: Buffer[] = [];
  #pending = 0;

  /** @param maxBytes longest frame, bytes without the header */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the unfinished frame. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Yields the frames that `chunk` completes, as views of it but for the first. Keeps a reference to its last, unfinished
   * part.
   *
   * @throws FrameTooLongError
   */
  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    let start = 0;
    if (this.#pending > 0) {
      const frame = this.#complete(chunk);
      if (frame === undefined) return;
      start = frame.used;
      if (frame.bytes.length > HEADER_BYTES) yield frame.bytes.subarray(HEADER_BYTES);
    }
    while (chunk.length - start >= HEADER_BYTES) {
      const end = start + HEADER_BYTES + this.#lengthAt(chunk, start);
      if (end > chunk.length) break;
      if (end > start + HEADER_BYTES) yield chunk.subarray(start + HEADER_BYTES, end);
      start = end;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /**
   * Completes the unfinished frame with the beginning of `chunk`.
   *
   * @returns the frame with its header, and how many bytes of the chunk are part of it; undefined if it needs more
   */
  #complete(chunk: Buffer): { readonly bytes: Buffer; readonly used: number } | undefined {
    const missing = Math.max(0, HEADER_BYTES - this.#pending);
    const header = Buffer.concat([...this.#parts, chunk.subarray(0, missing)], HEADER_BYTES);
    if (missing > chunk.length) return this.#keep(chunk);
    const used = HEADER_BYTES + this.#lengthAt(header, 0) - this.#pending;
    if (used > chunk.length) return this.#keep(chunk);
    const bytes = Buffer.concat([...this.#parts, chunk.subarray(0, used)]);
    this.#parts = [];
    this.#pending = 0;
    return { bytes, used };
  }

  #keep(part: Buffer): undefined {
    this.#parts.push(part);
    this.#pending += part.length;
  }

  #lengthAt(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length > this.#maxBytes) throw new FrameTooLongError(`a frame of ${length} bytes`);
    return length;
  }
}
