/**
 * Calico's selectors: `app == 'web' && has(team) && tier in {'a', 'b'} && !(role != 'x')`. They are read as Calico reads
 * them: a word after a label is an operator, so that labels may have the names of operators. Pure.
 */
import type { StringMap } from '../../api/meta.ts';

export type LabelTest = (labels: StringMap) => boolean;

/** A text that is no selector, or one of a later version, is undefined. */
export function parseCalicoSelector(text: string): LabelTest | undefined {
  const parser = new Parser(text);
  return parser.isAtEnd() ? () => true : parser.whole();
}

const BLANKS = /[ \t]*/y;
const KEY = /[a-zA-Z0-9_./-]{1,512}/y;
const HAS = /has\([\t\n\f\r ]*([a-zA-Z0-9_./-]{1,512})[\t\n\f\r ]*\)/y;
const ALL = /all\([\t\n\f\r ]*\)/y;
const GLOBAL = /global\([\t\n\f\r ]*\)/y;
const TEXT = /'([^']*)'|"([^"]*)"/y;
const IN = /in\b/y;
const NOT_IN = /not[\t\n\f\r ]*in\b/y;

/** Tests of a label's value with a text. */
const COMPARISONS: readonly (readonly [operator: RegExp, test: (value: string, text: string) => boolean])[] =
  [
    [/==/y, (value, text) => value === text],
    [/contains/y, (value, text) => value.includes(text)],
    [/starts[\t\n\f\r ]*with/y, (value, text) => value.startsWith(text)],
    [/ends[\t\n\f\r ]*with/y, (value, text) => value.endsWith(text)],
  ];

/** Recursive descent: `||` binds less than `&&`, and `&&` less than `!`. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  isAtEnd(): boolean {
    BLANKS.lastIndex = this.#at;
    BLANKS.test(this.#text);
    return BLANKS.lastIndex === this.#text.length;
  }

  whole(): LabelTest | undefined {
    const test = this.#either();
    return this.isAtEnd() ? test : undefined;
  }

  #either(): LabelTest | undefined {
    const tests = this.#joined(/\|\|/y, () => this.#both());
    return tests && ((labels) => tests.some((test) => test(labels)));
  }

  #both(): LabelTest | undefined {
    const tests = this.#joined(/&&/y, () => this.#single());
    return tests && ((labels) => tests.every((test) => test(labels)));
  }

  #joined(mark: RegExp, part: () => LabelTest | undefined): LabelTest[] | undefined {
    const tests: LabelTest[] = [];
    do {
      const test = part();
      if (test === undefined) return undefined;
      tests.push(test);
    } while (this.#takes(mark));
    return tests;
  }

  #single(): LabelTest | undefined {
    if (this.#takes(/!(?!=)/y)) {
      const test = this.#single();
      return test && ((labels) => !test(labels));
    }
    if (this.#takes(/\(/y)) {
      const test = this.#either();
      return this.#takes(/\)/y) ? test : undefined;
    }
    const has = this.#takes(HAS)?.[1];
    if (has !== undefined) return (labels) => Object.hasOwn(labels, has);
    if (this.#takes(ALL) || this.#takes(GLOBAL)) return () => true;
    const key = this.#takes(KEY)?.[0];
    return key === undefined ? undefined : this.#compared(key);
  }

  #compared(key: string): LabelTest | undefined {
    const valueOf = (labels: StringMap) => (Object.hasOwn(labels, key) ? labels[key] : undefined);
    for (const [operator, test] of COMPARISONS) {
      if (!this.#takes(operator)) continue;
      const text = this.#quoted();
      if (text === undefined) return undefined;
      return (labels) => {
        const value = valueOf(labels);
        return value !== undefined && test(value, text);
      };
    }
    if (this.#takes(/!=/y)) {
      const text = this.#quoted();
      return text === undefined ? undefined : (labels) => valueOf(labels) !== text;
    }
    const isIn = this.#takes(IN) !== undefined;
    if (!isIn && this.#takes(NOT_IN) === undefined) return undefined;
    const values = this.#values();
    return values && ((labels) => values.has(valueOf(labels)) === isIn);
  }

  /** `{'a', 'b'}`; a comma may follow the last text. */
  #values(): ReadonlySet<string | undefined> | undefined {
    if (!this.#takes(/\{/y)) return undefined;
    const values = new Set<string | undefined>();
    for (let value = this.#quoted(); value !== undefined; value = this.#quoted()) {
      values.add(value);
      if (!this.#takes(/,/y)) break;
    }
    return this.#takes(/\}/y) ? values : undefined;
  }

  #quoted(): string | undefined {
    const [, single, double] = this.#takes(TEXT) ?? [];
    return single ?? double;
  }

  /** Steps over blanks and a sticky pattern, if it is next. */
  #takes(pattern: RegExp): RegExpExecArray | undefined {
    BLANKS.lastIndex = this.#at;
    BLANKS.test(this.#text);
    pattern.lastIndex = BLANKS.lastIndex;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }
}
