/**
 * Reads YAML as kubectl, the API server and client-go read it (sigs.k8s.io/yaml), so that a manifest means here what it
 * means there. The `yaml` package parses the syntax; scalars, aliases and merge keys follow go-yaml. Pure.
 */
import {
  Composer,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { findDeparture } from './dialect.ts';
import { floatKey, type Resolved, resolvePlain, resolveTagged } from './scalars.ts';

/** A text that is not YAML, or has no value in JSON. The message is for the user. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  /** Line of the fault in the text, from 1. */
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

export interface DuplicateKey {
  readonly key: string;
  /** Line of the second occurrence, from 1. */
  readonly line: number;
}

export type Path = readonly (string | number)[];

export interface YamlDocument {
  /** JSON: null, booleans, numbers, strings, arrays and plain objects. */
  readonly value: unknown;
  /** Keys that appear twice in one mapping: the last one counts, as for kubectl. */
  readonly duplicateKeys: readonly DuplicateKey[];
  /** Line where the content begins, from 1. */
  readonly line: number;
  /** Line of a value, or of the nearest value around it that the text has. */
  readonly lineOf: (path: Path) => number;
}

/**
 * Reads the first document of a text. Like kubectl, it ignores whatever follows a document end marker (`...`).
 *
 * @throws YamlError
 */
export function parseYaml(text: string): YamlDocument {
  // go-yaml ends lines at CR and NEL as well.
  const source = text.replaceAll(/\r\n?|\u0085/g, '\n');
  const departure = findDeparture(source);
  if (departure !== undefined) {
    throw new YamlError(departure.message, source.slice(0, departure.offset).split('\n').length);
  }
  const lineCounter = new LineCounter();
  const lineAt = (offset: number) => Math.max(1, lineCounter.linePos(offset).line);
  try {
    const content = firstDocument(source, lineCounter);
    // The least indentation of such a block is 1 in go-yaml and 0 in YAML 1.2.
    if (isScalar(content) && content.type?.startsWith('BLOCK_') === true) {
      throw new YamlError('the document is a block of text', lineAt(content.range?.[0] ?? 0));
    }
    const decoder = new Decoder(lineAt);
    const value = decoder.decode(content);
    return {
      value,
      duplicateKeys: decoder.duplicateKeys,
      line: lineAt(content?.range?.[0] ?? 0),
      lineOf: (path) => lineAt(decoder.find(content, path)?.range?.[0] ?? 0),
    };
  } catch (error) {
    if (error instanceof RangeError) throw new YamlError('the document is nested too deeply', 1);
    throw error;
  }
}

/** The syntax tree of the first document; null if it is empty. @throws YamlError */
function firstDocument(text: string, lineCounter: LineCounter): Node | null {
  const composer = new Composer({
    schema: 'failsafe',
    version: '1.1',
    merge: false,
    uniqueKeys: false,
    logLevel: 'silent',
    lineCounter,
  });
  const tokens = new Parser(lineCounter.addNewLine).parse(text);
  for (const document of composer.compose(tokens, true, text.length)) {
    const [error] = document.errors;
    if (error !== undefined) {
      const [first = ''] = error.message.split('\n');
      if (/call stack/.test(first)) throw new RangeError(first);
      throw new YamlError(first.replace(/:$/, ''), Math.max(1, lineCounter.linePos(error.pos[0]).line));
    }
    return document.contents;
  }
  return null;
}

/** Limits of go-yaml on values that come from aliases: their share of all values, by the number of values. */
const ALIAS_RANGE = { low: 400_000, high: 4_000_000 } as const;

function allowedAliasRatio(count: number): number {
  if (count <= ALIAS_RANGE.low) return 0.99;
  if (count >= ALIAS_RANGE.high) return 0.1;
  return 0.99 - (0.89 * (count - ALIAS_RANGE.low)) / (ALIAS_RANGE.high - ALIAS_RANGE.low);
}

/** A mapping by the texts of its keys. The kind of each key tells 1 from "1". */
type Entries = Map<string, { readonly kind: Resolved['kind']; readonly value: unknown }>;

class Decoder {
  readonly duplicateKeys: DuplicateKey[] = [];
  readonly #lineAt: (offset: number) => number;
  readonly #targets = new Map<Node, Node>();
  readonly #expanding = new Set<Node>();
  #count = 0;
  #aliased = 0;

  constructor(lineAt: (offset: number) => number) {
    this.#lineAt = lineAt;
  }

  decode(content: Node | null): unknown {
    if (content === null) return null;
    this.#resolveAliases(content, new Map());
    return this.#value(content);
  }

  /** The node at a path; the nearest node around it if the path leads out of the text. */
  find(content: Node | null, path: Path): Node | undefined {
    let node: Node | undefined = content ?? undefined;
    for (const step of path) {
      const inner: Node | undefined = this.#child(node && this.#target(node), step);
      if (inner === undefined) break;
      node = inner;
    }
    return node;
  }

  #child(node: Node | undefined, step: string | number): Node | undefined {
    if (isSeq<Node>(node) && typeof step === 'number') return node.items[step];
    if (!isMap<Node, Node | null>(node)) return undefined;
    const pair = node.items.findLast(
      ({ key }) => !isMergeKey(key) && isScalar(key) && this.#key(key).text === step,
    );
    // A key is a better place than a value that the text leaves out.
    return pair === undefined ? undefined : (pair.value ?? pair.key);
  }

  #target(node: Node): Node {
    return this.#targets.get(node) ?? node;
  }

  /** Finds the anchor of each alias: the last one of its name before it. @throws YamlError */
  #resolveAliases(node: Node | null, anchors: Map<string, Node>): void {
    if (node === null) return;
    if (isAlias(node)) {
      const target = anchors.get(node.source);
      if (target === undefined) throw this.#error(`unknown anchor "${node.source}"`, node);
      this.#targets.set(node, target);
      return;
    }
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
    if (isMap<Node, Node | null>(node)) {
      for (const { key, value } of node.items) {
        this.#resolveAliases(key, anchors);
        this.#resolveAliases(value, anchors);
      }
    } else if (isSeq<Node>(node)) {
      for (const item of node.items) this.#resolveAliases(item, anchors);
    }
  }

  #value(node: Node | null): unknown {
    this.#countValue(node);
    if (node === null) return null;
    if (isAlias(node)) return this.#expanded(node, (target) => this.#value(target));
    if (isMap<Node, Node | null>(node)) {
      const entries: Entries = new Map();
      this.#fill(node, entries);
      return Object.fromEntries([...entries].map(([key, { value }]) => [key, value]));
    }
    if (isSeq<Node>(node)) return node.items.map((item) => this.#value(item));
    return this.#json(node as Scalar);
  }

  #countValue(node: Node | null): void {
    this.#count += 1;
    if (this.#expanding.size > 0) this.#aliased += 1;
    if (
      this.#aliased > 100 &&
      this.#count > 1000 &&
      this.#aliased / this.#count > allowedAliasRatio(this.#count)
    ) {
      throw this.#error('too many values come from aliases', node);
    }
  }

  #expanded<T>(alias: Node, use: (target: Node) => T): T {
    const target = this.#target(alias);
    if (this.#expanding.has(alias)) throw this.#error('an anchor contains itself', alias);
    this.#expanding.add(alias);
    try {
      return use(target);
    } finally {
      this.#expanding.delete(alias);
    }
  }

  #fill(map: YAMLMap<Node, Node | null>, entries: Entries): void {
    const own = new Set<string>();
    for (const pair of map.items) {
      if (isMergeKey(pair.key)) {
        this.#merge(pair, entries);
        continue;
      }
      this.#countValue(pair.key);
      const { kind, text: key } = this.#key(pair.key);
      if ((entries.get(key)?.kind ?? kind) !== kind) {
        // Go visits keys in random order, so either of the two may win.
        throw this.#error(`the key ${key} appears twice, in two types: leave one out`, pair.key);
      }
      if (own.has(key)) this.duplicateKeys.push({ key, line: this.#lineOf(pair.key) });
      own.add(key);
      entries.set(key, { kind, value: this.#value(pair.value) });
    }
  }

  /** Merged values replace earlier keys and are replaced by later ones; the first mapping of a list comes last. */
  #merge({ key, value }: Pair<Node, Node | null>, entries: Entries): void {
    const sources = isSeq<Node>(value) ? value.items.toReversed() : [value];
    for (const source of sources) {
      const target = source === null ? null : this.#target(source);
      if (source === null || !isMap<Node, Node | null>(target)) {
        throw this.#error('a merge key (<<) takes a mapping, or a list of mappings', source ?? key);
      }
      this.#countValue(source);
      if (isAlias(source)) this.#expanded(source, () => this.#fill(target, entries));
      else this.#fill(target, entries);
    }
  }

  #key(node: Node): { readonly kind: Resolved['kind']; readonly text: string } {
    const target = this.#target(node);
    if (!isScalar(target)) throw this.#error('a key is a mapping or a list', node);
    const resolved = this.#resolve(target);
    return { kind: resolved.kind, text: this.#keyText(resolved, node) };
  }

  #keyText(resolved: Resolved, node: Node): string {
    switch (resolved.kind) {
      case 'string':
        return resolved.value;
      case 'boolean':
        return String(resolved.value);
      case 'integer':
        if (resolved.value < 2n ** 63n) return String(resolved.value);
        throw this.#error('a key is too large a number', node);
      case 'float':
        return floatKey(resolved.value);
      case 'null':
        throw this.#error('a key is null', node);
    }
  }

  #json(node: Scalar): unknown {
    const resolved = this.#resolve(node);
    switch (resolved.kind) {
      case 'null':
        return null;
      case 'integer':
        return Number(resolved.value);
      case 'float':
        if (Number.isFinite(resolved.value)) return resolved.value;
        throw this.#error('infinity and NaN have no JSON', node);
      default:
        return resolved.value;
    }
  }

  #resolve(node: Scalar): Resolved {
    const text = node.source ?? '';
    const tag = node.tag ?? '';
    if (tag === '')
      return node.type === 'PLAIN' || node.type === undefined
        ? resolvePlain(text)
        : { kind: 'string', value: text };
    try {
      return resolveTagged(tag, text);
    } catch (error) {
      throw this.#error(error instanceof Error ? error.message : String(error), node);
    }
  }

  #lineOf(node: Node | null): number {
    return this.#lineAt(node?.range?.[0] ?? 0);
  }

  #error(message: string, node: Node | null): YamlError {
    return new YamlError(message, this.#lineOf(node));
  }
}

function isMergeKey(key: Node): boolean {
  if (!isScalar(key) || key.source !== '<<') return false;
  return (
    key.tag === 'tag:yaml.org,2002:merge' ||
    key.tag === '!' ||
    (key.tag === undefined && key.type === 'PLAIN')
  );
}
