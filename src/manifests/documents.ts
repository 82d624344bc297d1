/**
 * Splits a stream of manifests into documents as kubectl does (k8s.io/apimachinery's YAMLOrJSONDecoder): JSON objects
 * one after the other, or YAML documents between lines that begin with `---`. Pure.
 */
import { type DuplicateKey, parseYaml, type Path, YamlError } from './yaml.ts';

export interface ManifestDocument {
  /** The document as JSON; never null. */
  readonly value: unknown;
  /** Line where the content begins, from 1. */
  readonly line: number;
  readonly duplicateKeys: readonly DuplicateKey[];
  /** Line of a value, or of the nearest value around it that the text has. */
  readonly lineOf: (path: Path) => number;
}

/** Text of a file or of standard input, with the byte order mark that kubectl obeys. */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  return new TextDecoder('utf-8').decode(bytes);
}

/** An opening brace behind the white space of Go's unicode.IsSpace, which the byte order mark is not among. */
const JSON_START = /^(?:(?!\uFEFF)[\s\u0085])*\{/;

/** The documents of a stream that are not empty. @throws YamlError with the line in the stream */
export function readDocuments(text: string): readonly ManifestDocument[] {
  if (!JSON_START.test(text)) return yamlDocuments(text, 1);
  const { documents, rest, error } = jsonDocuments(text);
  if (rest === text.length) return documents;
  // kubectl goes on with YAML unless it has seen two JSON objects.
  if (documents.length > 1) throw error;
  const consumed = text.slice(0, rest);
  const blank = /^[^\S\n]*\n?/.exec(text.slice(rest))?.[0] ?? '';
  if (documents.length > 0 && (!blank.endsWith('\n') || /^-(?!--)/.test(text.slice(rest + blank.length))))
    throw error;
  const firstLine = (consumed + blank).split('\n').length;
  try {
    return [...documents, ...yamlDocuments(text.slice(rest + blank.length), firstLine)];
  } catch (yamlError) {
    throw documents.length === 0 && isJson(text) ? error : yamlError;
  }
}

/** True for a text that looks more like JSON than like a flow mapping of YAML. */
function isJson(text: string): boolean {
  return /^\s*\{\s*"/.test(text);
}

interface JsonDocuments {
  readonly documents: readonly ManifestDocument[];
  /** Offset of the first character that belongs to no document. */
  readonly rest: number;
  /** The fault there, if it is not the end of the text. */
  readonly error: YamlError;
}

function jsonDocuments(text: string): JsonDocuments {
  const documents: ManifestDocument[] = [];
  let offset = 0;
  let error = new YamlError('not valid JSON', 1);
  for (;;) {
    const start = offset + (/^[ \t\r\n]*/.exec(text.slice(offset))?.[0].length ?? 0);
    if (start === text.length) return { documents, rest: start, error };
    const end = jsonEnd(text, start);
    const source = text.slice(start, end);
    const line = text.slice(0, start).split('\n').length;
    try {
      const value: unknown = JSON.parse(source);
      offset = end;
      if (value === null) continue;
      documents.push({
        value,
        line,
        duplicateKeys: [],
        lineOf: (path) => lineInJson(source, path) + line - 1,
      });
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      error = new YamlError(message, line + lineOfJsonError(message) - 1);
      return { documents, rest: offset, error };
    }
  }
}

function lineOfJsonError(message: string): number {
  return Number(/\(line (\d+) /.exec(message)?.[1] ?? 1);
}

/** Line of the value at a path in a JSON text, or of the nearest value around it; from 1. */
function lineInJson(text: string, path: Path): number {
  let offset = valueStart(text, 0);
  for (const step of path) {
    const inner = text[offset] === '[' ? itemOffset(text, offset, step) : memberOffset(text, offset, step);
    if (inner === undefined) break;
    offset = inner;
  }
  return text.slice(0, offset).split('\n').length;
}

/** Offset of the next character that is no white space, colon or comma. */
function valueStart(text: string, from: number): number {
  let at = from;
  while (/[\s:,]/.test(text[at] ?? '')) at += 1;
  return at;
}

/** Offset of an item of the array that begins at `start`. */
function itemOffset(text: string, start: number, index: string | number): number | undefined {
  let at = valueStart(text, start + 1);
  for (let position = 0; text[at] !== ']' && at < text.length; position++) {
    if (position === index) return at;
    at = valueStart(text, jsonEnd(text, at));
  }
  return undefined;
}

/** Offset of the value of a key of the object that begins at `start`; the last one if there are several. */
function memberOffset(text: string, start: number, key: string | number): number | undefined {
  if (text[start] !== '{') return undefined;
  let found: number | undefined;
  let at = valueStart(text, start + 1);
  while (text[at] === '"') {
    const end = stringEnd(text, at);
    const name: unknown = JSON.parse(text.slice(at, end + 1));
    const value = valueStart(text, end + 1);
    if (name === key) found = value;
    at = valueStart(text, jsonEnd(text, value));
  }
  return found;
}

/** Offset behind the JSON value that begins at `start`. */
function jsonEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      at = stringEnd(text, at);
      if (depth === 0) return at + 1;
    } else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') {
      depth -= 1;
      if (depth <= 0) return at + 1;
    } else if (depth === 0 && !/[-+.\w]/.test(text[at + 1] ?? '')) return at + 1;
  }
  return text.length;
}

/** Offset of the quotation mark that ends the string at `start`. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

function yamlDocuments(text: string, firstLine: number): ManifestDocument[] {
  const documents: ManifestDocument[] = [];
  let chunk: string[] = [];
  let chunkLine = firstLine;
  const flush = (nextLine: number) => {
    const document = yamlDocument(`${chunk.join('\n')}\n`, chunkLine);
    if (document !== undefined) documents.push(document);
    chunk = [];
    chunkLine = nextLine;
  };
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  for (const [index, line] of lines.entries()) {
    const number = firstLine + index;
    if (!line.startsWith('---')) {
      chunk.push(line);
      continue;
    }
    const behind = line.slice(3).trim();
    if (behind !== '' && !behind.startsWith('#')) {
      throw new YamlError(
        `the document separator --- is followed by "${behind}": begin a new line there`,
        number,
      );
    }
    // kubectl keeps a separator that no document precedes: the parser sees it.
    if (chunk.length === 0) chunk.push(line);
    else flush(number + 1);
  }
  if (chunk.length > 0) flush(0);
  return documents;
}

function yamlDocument(text: string, firstLine: number): ManifestDocument | undefined {
  const shift = firstLine - 1;
  try {
    const { value, line, duplicateKeys, lineOf } = parseYaml(text);
    if (value === null) return undefined;
    return {
      value,
      line: line + shift,
      duplicateKeys: duplicateKeys.map(({ key, line: at }) => ({ key, line: at + shift })),
      lineOf: (path) => lineOf(path) + shift,
    };
  } catch (error) {
    if (error instanceof YamlError) throw new YamlError(error.message, error.line + shift);
    throw error;
  }
}
