/**
 * Writes objects as YAML that is unusual and means the same: null for absent fields, numbers in other bases, every style
 * of text, anchors, merge keys, comments, line ends, Lists within Lists. Seeded, so that a failure can be repeated.
 */

/** Fields that may be null, by the field that holds the object. Null is absent there. */
const NULLABLE: Readonly<Record<string, readonly string[]>> = {
  metadata: ['creationTimestamp', 'labels', 'annotations', 'ownerReferences', 'finalizers', 'generateName'],
  ingress: ['from', 'ports'],
  egress: ['to', 'ports'],
  from: ['podSelector', 'namespaceSelector', 'ipBlock'],
  to: ['podSelector', 'namespaceSelector', 'ipBlock'],
  podSelector: ['matchLabels', 'matchExpressions'],
  namespaceSelector: ['matchLabels', 'matchExpressions'],
  ipBlock: ['except'],
  matchExpressions: ['values'],
  containers: ['ports', 'env', 'command', 'resources', 'securityContext'],
  template: ['metadata'],
  endpoints: ['conditions', 'hostname', 'targetRef'],
};
const POLICY_PORT_NULLABLE: readonly string[] = ['protocol', 'endPort', 'port'];

/** mulberry32: https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The object with null in fields that are absent. */
export function withNulls(object: Record<string, unknown>, random: () => number): Record<string, unknown> {
  const isPolicy = object['kind'] === 'NetworkPolicy';
  const nulled = (value: unknown, field: string): unknown => {
    if (Array.isArray(value)) return value.map((item) => nulled(item, field));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(([key, each]) => [key, nulled(each, key)] as const);
    const nullable = field === 'ports' && isPolicy ? POLICY_PORT_NULLABLE : (NULLABLE[field] ?? []);
    const nulls = nullable
      // A range of ports needs its first one, which the object then has.
      .filter((key) => !(key in value) && random() < 0.3)
      .map((key) => [key, null] as const);
    return Object.fromEntries([...nulls, ...entries]);
  };
  return nulled(object, '') as Record<string, unknown>;
}

const WORD = /^[A-Za-z][A-Za-z0-9./-]*$/;
/** Plain texts that YAML 1.1 reads as something else. */
const RESERVED = /^(y|n|yes|no|on|off|true|false|null|~)$/i;

export class HostileWriter {
  readonly #random: () => number;
  /** Anchors of the document by the JSON of their value. */
  #anchors = new Map<string, string>();
  #anchorCount = 0;

  readonly #nestsLists: boolean;

  /** @param options.nestsLists a List may hold a List, which the plugin reads and kubectl refuses */
  constructor(random: () => number, options: { readonly nestsLists?: boolean } = {}) {
    this.#random = random;
    this.#nestsLists = options.nestsLists ?? true;
  }

  /** One document, without a separator. */
  document(value: unknown): string {
    this.#anchors = new Map();
    const text = this.#node(value, 0, false).replace(/^\n/, '');
    return `${this.#maybe(0.3) ? '# comment: [{"\n' : ''}${text}\n`;
  }

  /** A stream of objects: documents, JSON, or Lists. */
  stream(objects: readonly unknown[]): string {
    const parts: string[] = [];
    let rest = [...objects];
    while (rest.length > 0) {
      const take = 1 + Math.floor(this.#random() * rest.length);
      const taken = rest.slice(0, take);
      rest = rest.slice(take);
      if (taken.length === 1) parts.push(this.document(taken[0]));
      else parts.push(this.document(this.#list(taken)));
    }
    const separator = this.#pick(['---\n', '---\n', '--- # next\n', '---\n---\n', '---\n# empty\n---\n']);
    const text = `${this.#pick(['', '', '---\n', '\n\n', '# first\n'])}${parts.join(separator)}`;
    const withEnds = this.#maybe(0.25) ? text.replaceAll('\n', '\r\n') : text;
    return this.#maybe(0.2) ? `\uFEFF${withEnds}` : withEnds;
  }

  #list(items: readonly unknown[]): unknown {
    const nested =
      this.#nestsLists && items.length > 2 && this.#maybe(0.4)
        ? [items[0], this.#list(items.slice(1))]
        : items;
    return { apiVersion: 'v1', kind: 'List', ...(this.#maybe(0.3) && { metadata: null }), items: nested };
  }

  #node(value: unknown, indent: number, isFlow: boolean): string {
    if (value === null) return this.#pick(isFlow ? ['null', '~', 'Null'] : ['null', '~', '', 'NULL']);
    if (typeof value === 'number') return this.#number(value);
    if (typeof value === 'boolean')
      return this.#pick(value ? ['true', 'yes', 'on', 'True', 'y'] : ['false', 'no', 'OFF', 'n']);
    if (typeof value === 'string') return this.#text(value, indent, isFlow);
    const key = JSON.stringify(value);
    const known = this.#anchors.get(key);
    if (known !== undefined && this.#maybe(0.7)) return `*${known} `;
    let anchor = '';
    if (key.length > 4 && known === undefined && this.#maybe(0.3)) {
      const name = `a${(this.#anchorCount += 1)}`;
      anchor = `&${name} `;
      const text = this.#collection(value as object, indent, isFlow);
      // Registered behind its own text: an anchor can't hold an alias of itself.
      this.#anchors.set(key, name);
      return anchor + text;
    }
    return this.#collection(value as object, indent, isFlow);
  }

  #collection(value: object, indent: number, isFlow: boolean): string {
    const inFlow = isFlow || Object.keys(value).length === 0 || this.#maybe(0.2);
    if (Array.isArray(value)) return this.#sequence(value, indent, inFlow);
    const entries = Object.entries(value);
    const pad = ' '.repeat(indent);
    if (inFlow) {
      return `{${entries.map(([key, each]) => `${this.#key(key)}: ${this.#node(each, indent, true)}`).join(', ')}}`;
    }
    if (entries.length > 1 && this.#maybe(0.1)) return this.#merged(entries, indent);
    const comment = this.#maybe(0.1) ? `\n${pad}# on: off` : '';
    return `${comment}${entries.map(([key, each]) => `\n${pad}${this.#key(key)}: ${this.#node(each, indent + 2, false)}`).join('')}`;
  }

  /** A merge key for the first entries; the others are written beside it. */
  #merged(entries: readonly (readonly [string, unknown])[], indent: number): string {
    const pad = ' '.repeat(indent);
    const part = Math.ceil(entries.length / 2);
    const merged = this.#node(Object.fromEntries(entries.slice(0, part)), indent + 2, true);
    const others = entries
      .slice(part)
      .map(([key, each]) => `\n${pad}${this.#key(key)}: ${this.#node(each, indent + 2, false)}`);
    return `\n${pad}<<: ${merged}${others.join('')}`;
  }

  #sequence(items: readonly unknown[], indent: number, inFlow: boolean): string {
    if (inFlow)
      return `[${items.map((item) => this.#node(item, indent, true)).join(', ')}${this.#maybe(0.2) && items.length > 0 ? ',' : ''}]`;
    const pad = ' '.repeat(indent);
    return items.map((item) => `\n${pad}- ${this.#node(item, indent + 2, false)}`).join('');
  }

  #key(key: string): string {
    if (!WORD.test(key) || RESERVED.test(key)) return JSON.stringify(key);
    return this.#pick([key, key, key, `"${key}"`, `'${key}'`]);
  }

  #number(value: number): string {
    const forms = [String(value)];
    if (Number.isInteger(value) && value > 0) {
      forms.push(
        `0x${value.toString(16)}`,
        `0${value.toString(8)}`,
        `0b${value.toString(2)}`,
        `${value}.0`,
        `+${value}`,
      );
      forms.push(String(value).replace(/(\d)(?=\d)/, '$1_'), `0o${value.toString(8)}`);
      if (value % 10 === 0) forms.push(`${value / 10}e1`);
    }
    return this.#pick(forms);
  }

  #text(value: string, indent: number, isFlow: boolean): string {
    const forms = [JSON.stringify(value), `"${value.replaceAll(/[^a-z]/gu, escaped)}"`];
    if (!value.includes('\n')) forms.push(`'${value.replaceAll("'", "''")}'`);
    if (WORD.test(value) && !RESERVED.test(value)) forms.push(value, value, `!!str ${value}`);
    if (!isFlow && /^[^\s#].*[^\s]$/s.test(value) && !value.includes('\n')) {
      const pad = ' '.repeat(indent + 2);
      forms.push(`|-\n${pad}${value}`, `>-\n${pad}${value}`);
    }
    return this.#pick(forms);
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }

  #maybe(probability: number): boolean {
    return this.#random() < probability;
  }
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff
    ? `\\U${code.toString(16).padStart(8, '0')}`
    : `\\u${code.toString(16).padStart(4, '0')}`;
}
