/** Splits the binary answer of a watch into frames: four bytes of length (big-endian), and as many bytes. */

/** A frame exceeds the longest length. */
export class FrameTooLongError extends Error {
  override readonly name = 'FrameTooLongError';
}

const HEADER_BYTES = 4;

export class FrameSplitter {
  readonly #maxBytes: number;
  /** Chunks of the unfinished frame, joined when it is complete: a long frame takes linear time. */
  #parts: Buffer[] = [];
  #pending = 0;
  /** Bytes that the unfinished frame needs, with its header. */
  #needed = HEADER_BYTES;

  /** @param maxBytes longest frame, bytes without the header */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the unfinished frame. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Yields the frames that `chunk` completes, as views of it where possible. Keeps a reference to its unfinished part.
   *
   * @throws FrameTooLongError
   */
  *push(chunk: Buffer): Generator<Buffer, void, undefined> {
    this.#parts.push(chunk);
    this.#pending += chunk.length;
    if (this.#pending < this.#needed) return;
    let bytes = this.#parts.length === 1 ? chunk : Buffer.concat(this.#parts);
    while (bytes.length >= HEADER_BYTES) {
      const length = bytes.readUInt32BE(0);
      if (length > this.#maxBytes) throw new FrameTooLongError(`a frame of ${length} bytes`);
      this.#needed = HEADER_BYTES + length;
      if (bytes.length < this.#needed) break;
      const frame = bytes.subarray(HEADER_BYTES, this.#needed);
      bytes = bytes.subarray(this.#needed);
      this.#needed = HEADER_BYTES;
      if (length > 0) yield frame;
    }
    this.#pending = bytes.length;
    this.#parts = bytes.length > 0 ? [bytes] : [];
  }
}
