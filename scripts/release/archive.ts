/** Writes tar archives: the same files give the same bytes on every machine. Pure. */
import { gzipSync } from 'node:zlib';

export interface ArchivedFile {
  /** At most 100 bytes. */
  readonly name: string;
  readonly content: Buffer;
  readonly isExecutable: boolean;
}

const BLOCK = 512;

/** A gzipped archive in the ustar format (POSIX.1-1988), owned by root, dated 1970. */
export function tarGz(files: readonly ArchivedFile[]): Buffer {
  const entries = files.flatMap((file) => [header(file), file.content, padding(file.content.length)]);
  return gzipSync(Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]), { level: 9 });
}

function header({ name, content, isExecutable }: ArchivedFile): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is longer than an archive allows`);
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, '0');
  block.write(name, 0);
  block.write(octal(isExecutable ? 0o755 : 0o644, 8), 100);
  block.write(octal(0, 8), 108); // owner
  block.write(octal(0, 8), 116); // group
  block.write(octal(content.length, 12), 124);
  block.write(octal(0, 12), 136); // modified
  block.write(' '.repeat(8), 148); // the checksum counts itself as spaces
  block.write('0', 156); // a regular file
  block.write('ustar\u000000', 257);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${octal(checksum, 7)}\u0000 `, 148);
  return block;
}

function padding(length: number): Buffer {
  return Buffer.alloc((BLOCK - (length % BLOCK)) % BLOCK);
}
