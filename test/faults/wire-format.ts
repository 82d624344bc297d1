/**
 * Turns what passes the proxy into JSON, which interceptors read and forge, and back into the format that the operator asked
 * for. Text that is no object, such as a page of a load balancer, is sent as it is, whatever the format.
 */
import { FrameSplitter } from '../../src/kube/http/stream/frames.ts';
import { LineSplitter } from '../../src/kube/http/stream/lines.ts';
import { protobuf } from '../../src/kube/protobuf/protobuf.ts';
import { encodeAnswer, encodeEvent, framed } from '../support/protobuf.ts';

const JSON_TYPE = 'application/json';
const MAX_BYTES = 2 ** 26;

export interface WireFormat {
  readonly contentType: string;
  /** The JSON of an answer. */
  textOf(answer: Buffer): string;
  /** The answer of a text. */
  answerOf(text: string): Buffer;
  /** An event of a watch on the wire, with its separator or length. */
  eventOf(line: string): Buffer;
  /** Splits a watch into events: each as JSON, and as it came. */
  splitter(): (chunk: Buffer) => Iterable<{ readonly line: string; readonly bytes: Buffer }>;
}

const JSON_FORMAT: WireFormat = {
  contentType: JSON_TYPE,
  textOf: (answer) => answer.toString(),
  answerOf: (text) => Buffer.from(text),
  eventOf: (line) => Buffer.from(`${line}\n`),
  splitter: () => {
    const lines = new LineSplitter(MAX_BYTES);
    return (chunk) => [...lines.push(chunk)].map((line) => ({ line, bytes: Buffer.from(`${line}\n`) }));
  },
};

const PROTOBUF_FORMAT: WireFormat = {
  contentType: protobuf.mediaType,
  textOf: (answer) => JSON.stringify(protobuf.decode(answer)),
  answerOf: (text) => encoded(text, encodeAnswer),
  eventOf: (line) =>
    framed(encoded(line, (event) => encodeEvent(event as Parameters<typeof encodeEvent>[0]))),
  splitter: () => {
    const frames = new FrameSplitter(MAX_BYTES);
    return (chunk) =>
      [...frames.push(chunk)].map((frame) => ({
        line: JSON.stringify(protobuf.decodeEvent(frame)),
        bytes: framed(frame),
      }));
  },
};

/** The format of an answer with this type, or of one to a request that accepts these types. */
export function formatOf(contentType: string | undefined): WireFormat {
  return contentType?.startsWith(protobuf.mediaType) === true ? PROTOBUF_FORMAT : JSON_FORMAT;
}

function encoded(text: string, encode: (value: object) => Buffer): Buffer {
  try {
    return encode(JSON.parse(text) as object);
  } catch {
    return Buffer.from(text);
  }
}
