/** Reads logs line by line in bounded memory: files, directories and standard input, plain or packed by gzip. */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import { JsonObjects } from '../../flows/json-objects.ts';
import { errorMessage } from '../../util/error-message.ts';
import { CliError } from '../shell/failure.ts';
import type { Process } from '../shell/terminal.ts';

export interface LogSource {
  /** For messages: the path as the user gave it, or `standard input`. */
  readonly name: string;
  /** In bytes, packed; undefined if it is not known. */
  readonly size: number | undefined;
  /** True for a file of a directory that the user named, which may hold other files than logs. */
  readonly isListed?: boolean;
  readonly open: () => Readable;
}

/** Some lines that follow each other, and how many bytes of the source have been read so far. */
export interface LineBatch {
  readonly lines: readonly string[];
  readonly bytesRead: number;
}

/** The sources that paths name; those of a directory in order of their names. @throws CliError if a path does not exist */
export async function logSources(paths: readonly string[], process: Process): Promise<LogSource[]> {
  const lists = await Promise.all(
    paths.map(async (path) =>
      path === '-'
        ? [{ name: 'standard input', size: undefined, open: () => process.stdin }]
        : await fileSources(path, process.cwd),
    ),
  );
  return lists.flat();
}

async function fileSources(path: string, cwd: string): Promise<LogSource[]> {
  try {
    const found = await stat(resolve(cwd, path));
    if (!found.isDirectory()) return [fileSource(path, resolve(cwd, path), found.size)];
    const entries = await readdir(resolve(cwd, path), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const sources = await Promise.all(
      files
        .sort()
        .map(async (file) => ({ ...fileSource(file, file, (await stat(file)).size), isListed: true })),
    );
    if (sources.length === 0) throw new CliError(`${path}: the directory has no files`);
    return sources;
  } catch (error) {
    if (error instanceof CliError) throw error;
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CliError(`${path}: ${isMissing ? 'no such file or directory' : errorMessage(error)}`);
  }
}

/** Larger chunks are no faster, and leave more garbage at once. */
const CHUNK_BYTES = 1 << 16;

function fileSource(name: string, path: string, size: number): LogSource {
  return { name, size, open: () => createReadStream(path, { highWaterMark: CHUNK_BYTES }) };
}

/** Longest line, or object, in characters. Text beyond is no log. */
const MAX_LINE = 16 * 1024 * 1024;

/** The lines of a source without their line breaks; of JSON with line breaks, the objects. @throws CliError if it can't be read */
export async function* linesOf(source: LogSource): AsyncGenerator<LineBatch> {
  let bytesRead = 0;
  let splitter: LineSplitter | undefined;
  const stream = source.open();
  try {
    const counted = counting(stream, (bytes) => {
      bytesRead += bytes;
    });
    for await (const chunk of await unpacked(counted)) {
      splitter ??= splitterFor(chunk);
      if (splitter.pending > MAX_LINE)
        throw new CliError(`${source.name}: has no line breaks, so it is no log`);
      yield { lines: splitter.push(chunk), bytesRead };
    }
    const rest = splitter?.end() ?? [];
    if (rest.length > 0) yield { lines: rest, bytesRead };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(`${source.name}: can't be read: ${errorMessage(error)}`);
  } finally {
    if (source.size !== undefined) stream.destroy();
  }
}

async function* counting(stream: Readable, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer);
    count(bytes.length);
    yield bytes;
  }
}

/** Unpacks gzip, which its first two bytes tell (RFC 1952). */
async function unpacked(chunks: AsyncGenerator<Buffer>): Promise<AsyncIterable<Buffer>> {
  const first = await chunks.next();
  if (first.done === true) return chunks;
  const all = (async function* () {
    yield first.value;
    yield* chunks;
  })();
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) return all;
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // An error of the source destroys gunzip, so that its reader gets the error.
  pipeline(all, gunzip, () => undefined);
  return gunzip as AsyncIterable<Buffer>;
}

interface LineSplitter {
  push(bytes: Buffer): readonly string[];
  /** The last line, if it has no line break. */
  end(): readonly string[];
  /** Length of the line that has begun. */
  readonly pending: number;
}

/** JSON whose objects have line breaks, or are in an array, is cut by its braces. */
function splitterFor(bytes: Buffer): LineSplitter {
  return /^\s*(?:\[\s*\{|\{\s*\n)/.test(bytes.toString('latin1', 0, 4096))
    ? new ObjectSplitter()
    : new BreakSplitter();
}

class ObjectSplitter implements LineSplitter {
  readonly #objects = new JsonObjects();
  readonly #decoder = new StringDecoder('utf8');

  push(bytes: Buffer): readonly string[] {
    return this.#objects.push(this.#decoder.write(bytes));
  }

  end(): readonly string[] {
    const objects = this.#objects.push(this.#decoder.end());
    // An object that never ends is malformed.
    return this.#objects.pending > 0 ? [...objects, '{'] : objects;
  }

  get pending(): number {
    return this.#objects.pending;
  }
}

const LINE_BREAK = 0x0a;

/**
 * Decodes each line by itself. Lines that are cut from a larger string would keep the whole of it in memory, as long as an
 * address or a name of a line is remembered.
 */
class BreakSplitter implements LineSplitter {
  #rest: Buffer[] = [];
  #restLength = 0;

  push(bytes: Buffer): readonly string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = bytes.indexOf(LINE_BREAK); end >= 0; end = bytes.indexOf(LINE_BREAK, start)) {
      const line = bytes.subarray(start, end);
      lines.push(this.#restLength > 0 ? this.#withRest(line) : line.toString('utf8'));
      start = end + 1;
    }
    if (start < bytes.length) {
      this.#rest.push(bytes.subarray(start));
      this.#restLength += bytes.length - start;
    }
    return lines;
  }

  end(): readonly string[] {
    return this.#restLength === 0 ? [] : [this.#withRest(Buffer.alloc(0))];
  }

  get pending(): number {
    return this.#restLength;
  }

  #withRest(line: Buffer): string {
    const text = Buffer.concat([...this.#rest, line]).toString('utf8');
    this.#rest = [];
    this.#restLength = 0;
    return text;
  }
}
