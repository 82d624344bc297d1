/** Splits newline-delimited bytes into lines: the framing of a watch. */

/** A line exceeds the longest length. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

const NEWLINE = 0x0a;

/**
 * Splits chunks into lines of UTF-8 text, without newlines and empty lines. A character that two chunks share is
 * decoded as a whole: a newline byte is never part of another character.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  /** Chunks of the unfinished line, joined when it is complete: a long line takes linear time. */
  #parts: Buffer[] = [];
  #pending = 0;

  /** @param maxBytes longest line, bytes without the newline */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of the unfinished line. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Yields the lines that `chunk` completes. Keeps a reference to the chunk's last, unfinished part.
   *
   * @throws LineTooLongError
   */
  *push(chunk: Buffer): Generator<string, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#checkLength(this.#pending + end - start);
      const line = this.#finish(chunk, start, end);
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start < chunk.length) {
      this.#checkLength(this.#pending + chunk.length - start);
      this.#parts.push(chunk.subarray(start));
      this.#pending += chunk.length - start;
    }
  }

  #finish(chunk: Buffer, start: number, end: number): string {
    if (this.#parts.length === 0) return chunk.toString('utf8', start, end);
    const line = Buffer.concat([...this.#parts, chunk.subarray(start, end)]).toString('utf8');
    this.#parts = [];
    this.#pending = 0;
    return line;
  }

  #checkLength(length: number): void {
    if (length > this.#maxBytes) throw new LineTooLongError(`a line of more than ${this.#maxBytes} bytes`);
  }
}
