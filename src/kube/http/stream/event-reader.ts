/** Reads the events of a watch from its answer: lines of JSON, or frames of a binary format. */
import type { RequestName } from '../../errors.ts';
import type { BinaryFormat, ReadObject } from '../binary-format.ts';
import { readBinary } from '../bodies.ts';
import { malformed, parseJson } from '../wire.ts';
import { FrameSplitter } from './frames.ts';
import { LineSplitter } from './lines.ts';

/** Longest event, bytes: etcd limits objects to 1.5 MiB, aggregated API servers may have higher limits. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

export class EventReader {
  readonly #name: RequestName;
  readonly #splitter: LineSplitter | FrameSplitter;
  readonly #read: (event: string | Buffer) => unknown;

  /** @param format that of the answer; undefined for lines of JSON */
  constructor(name: RequestName, format: BinaryFormat | undefined, readObject: ReadObject | undefined) {
    this.#name = name;
    this.#splitter =
      format === undefined ? new LineSplitter(MAX_EVENT_BYTES) : new FrameSplitter(MAX_EVENT_BYTES);
    this.#read = (event) => {
      if (typeof event === 'string') return parseJson(name, event);
      return readBinary(name, () => format?.decodeEvent(event, readObject));
    };
  }

  /** Yields the events that the chunk completes at once; before an error, those before it. @throws ApiError */
  *push(chunk: Buffer): Generator<readonly unknown[], void, undefined> {
    const events: unknown[] = [];
    try {
      for (const event of this.#splitter.push(chunk)) events.push(this.#read(event));
    } catch (error) {
      if (events.length > 0) yield events;
      throw error;
    }
    if (events.length > 0) yield events;
  }

  /** Called at the end of the answer. @throws ApiError if it ended within an event */
  end(): void {
    if (this.#splitter.pending > 0) throw malformed(this.#name, 'the stream ended within an event');
  }
}
