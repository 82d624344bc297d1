/**
 * Calico's selectors: `app == 'web' && has(team) && tier in {'a', 'b'} && !(role != 'x')`. Pure.
 */
import type { StringMap } from '../../../api/meta.ts';

export type LabelTest = (labels: StringMap) => boolean;

const TOKEN =
  /\s*(?:(\(|\)|&&|\|\||==|!=|!|\{|\}|,)|'([^']*)'|"([^"]*)"|(starts\s+with|ends\s+with|not\s+in|contains|in)(?![\w./-])|([A-Za-z0-9_./-]+))/gy;

interface Token {
  readonly kind: 'mark' | 'text' | 'operator' | 'word';
  readonly value: string;
}

/** @returns undefined for a text that is no selector, or one of a later version */
export function parseCalicoSelector(text: string): LabelTest | undefined {
  if (text.trim() === '') return () => true;
  const tokens = tokensOf(text);
  return tokens && new Parser(tokens).whole();
}

function tokensOf(text: string): Token[] | undefined {
  const tokens: Token[] = [];
  const trimmed = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < trimmed.length) {
    const match = TOKEN.exec(trimmed);
    if (match === null) return undefined;
    const [, mark, single, double, operator, word] = match;
    if (mark !== undefined) tokens.push({ kind: 'mark', value: mark });
    else if (operator !== undefined) tokens.push({ kind: 'operator', value: operator.replace(/\s+/, ' ') });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word });
    else tokens.push({ kind: 'text', value: single ?? double ?? '' });
  }
  return tokens;
}

/** Recursive descent: `||` binds less than `&&`, and `&&` less than `!`. */
class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): LabelTest | undefined {
    const test = this.#either();
    return this.#at === this.#tokens.length ? test : undefined;
  }

  #either(): LabelTest | undefined {
    return this.#joined(
      '||',
      () => this.#both(),
      (tests) => (labels) => tests.some((test) => test(labels)),
    );
  }

  #both(): LabelTest | undefined {
    return this.#joined(
      '&&',
      () => this.#single(),
      (tests) => (labels) => tests.every((test) => test(labels)),
    );
  }

  #joined(
    mark: string,
    part: () => LabelTest | undefined,
    join: (tests: readonly LabelTest[]) => LabelTest,
  ): LabelTest | undefined {
    const tests: LabelTest[] = [];
    do {
      const test = part();
      if (test === undefined) return undefined;
      tests.push(test);
    } while (this.#takes(mark));
    return join(tests);
  }

  #single(): LabelTest | undefined {
    if (this.#takes('!')) {
      const test = this.#single();
      return test && ((labels) => !test(labels));
    }
    if (this.#takes('(')) {
      const test = this.#either();
      return this.#takes(')') ? test : undefined;
    }
    const key = this.#next('word');
    if (key === undefined) return undefined;
    return this.#takes('(') ? this.#called(key) : this.#compared(key);
  }

  /** `has(KEY)`, `all()` and `global()`, which selects no pod. */
  #called(name: string): LabelTest | undefined {
    const key = this.#next('word');
    if (!this.#takes(')')) return undefined;
    if (name === 'has' && key !== undefined) return (labels) => Object.hasOwn(labels, key);
    if (name === 'all' && key === undefined) return () => true;
    return name === 'global' && key === undefined ? () => false : undefined;
  }

  #compared(key: string): LabelTest | undefined {
    const valueOf = (labels: StringMap) => (Object.hasOwn(labels, key) ? labels[key] : undefined);
    for (const mark of ['==', '!='] as const) {
      if (!this.#takes(mark)) continue;
      const value = this.#next('text');
      if (value === undefined) return undefined;
      return (labels) => (valueOf(labels) === value) === (mark === '==');
    }
    const operator = this.#next('operator');
    if (operator === 'in' || operator === 'not in') {
      const values = this.#values();
      return values && ((labels) => values.has(valueOf(labels)) === (operator === 'in'));
    }
    const part = this.#next('text');
    if (part === undefined) return undefined;
    if (operator === 'contains') return (labels) => valueOf(labels)?.includes(part) === true;
    if (operator === 'starts with') return (labels) => valueOf(labels)?.startsWith(part) === true;
    return operator === 'ends with' ? (labels) => valueOf(labels)?.endsWith(part) === true : undefined;
  }

  #values(): ReadonlySet<string | undefined> | undefined {
    if (!this.#takes('{')) return undefined;
    const values = new Set<string | undefined>();
    while (!this.#takes('}')) {
      const value = this.#next('text');
      if (value === undefined) return undefined;
      values.add(value);
      this.#takes(',');
    }
    return values;
  }

  /** Steps over the next token if it is this mark. True if it was. */
  #takes(mark: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'mark' || token.value !== mark) return false;
    this.#at += 1;
    return true;
  }

  #next(kind: Token['kind']): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== kind) return undefined;
    this.#at += 1;
    return token.value;
  }
}
