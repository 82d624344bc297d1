/**
 * Finds syntax that go-yaml, which kubectl reads with, takes for something else than YAML 1.2 does, or refuses. Such
 * text is an error here, with the way to write it that means the same everywhere. Pure.
 */
import { Lexer } from 'yaml';

export interface Departure {
  readonly message: string;
  readonly offset: number;
}

/** Characters that go-yaml refuses anywhere, comments included, and those that it takes for the end of a line. */
const FORBIDDEN =
  // oxlint-disable-next-line no-control-regex
  /[\0-\x08\x0B\x0C\x0E-\x1F\x7F-\x84\x86-\x9F\u2028\u2029\uFEFF\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

const LEXEME = { document: '\u0002', flowEnd: '\u0018', scalar: '\u001F' } as const;
/** An escape of half a character, as JSON writes characters beyond U+FFFF. */
const SURROGATE_ESCAPE = /(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]/;
const NAME = /^[&*][\dA-Za-z_-]+$/;
const TAG = /^!([A-Za-z-]*!)?[\dA-Za-z._-]*$|^!<[\dA-Za-z:,./_-]+>$/;

/** The first departure of a text in which every line ends in `\n`; undefined if there is none. */
export function findDeparture(text: string): Departure | undefined {
  const forbidden = FORBIDDEN.exec(text);
  if (forbidden !== null) {
    const code = (text.codePointAt(forbidden.index) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    return {
      message: `the character U+${code} is not allowed; write "\\u${code}" in double quotes`,
      offset: forbidden.index,
    };
  }
  return new DepartureFinder().find(text);
}

/** Walks the lexemes of a text: indicators, white space, and scalars, each of which follows a mark of its own. */
class DepartureFinder {
  #flowLevel = 0;
  #previous = '';
  #beforePrevious = '';
  /** The last lexeme that is no space. */
  #lastVisible = '';
  #isScalar = false;
  #hasContent = false;

  find(text: string): Departure | undefined {
    let offset = 0;
    for (const lexeme of new Lexer().lex(text)) {
      if (lexeme === LEXEME.document || lexeme === LEXEME.flowEnd || lexeme === LEXEME.scalar) {
        this.#isScalar = lexeme === LEXEME.scalar;
        continue;
      }
      if (lexeme === '') {
        this.#isScalar = false;
        continue;
      }
      const message = this.#messageFor(lexeme);
      if (message !== undefined) return { message, offset };
      this.#count(lexeme);
      offset += lexeme.length;
    }
    return undefined;
  }

  #messageFor(lexeme: string): string | undefined {
    if (this.#previous.startsWith('!') && !(this.#flowLevel > 0 ? /^[ \t]/ : /^\s/).test(lexeme)) {
      return `the tag ${this.#previous} is followed by no space: put one behind it`;
    }
    if (/^[&*]/.test(this.#previous) && !/^[\s,:\]}]/.test(lexeme)) {
      return `${this.#previous} is followed by no space: put one behind it`;
    }
    if (this.#isScalar) return this.#scalarMessage(lexeme);
    if (lexeme.startsWith('%')) return 'directives (%) are not supported by kubectl: leave the line out';
    if (lexeme === '...' && !this.#hasContent)
      return 'the document end marker (...) ends no document: leave it out';
    if (/^[ \t]*\t[ \t]*$/.test(lexeme) && this.#flowLevel === 0 && /^$|\n$|^[-?]$/.test(this.#lastVisible)) {
      return 'a tab stands where indentation is expected: indent with spaces';
    }
    if (/^[&*]/.test(lexeme) && !NAME.test(lexeme)) {
      return `the name of an anchor has only letters without accents, digits, - and _: rename ${lexeme.slice(1)}`;
    }
    if (lexeme.startsWith('!') && !TAG.test(lexeme))
      return `the tag ${lexeme} is not supported by kubectl: leave it out`;
    if (lexeme.startsWith('"') && SURROGATE_ESCAPE.test(lexeme)) {
      return 'kubectl knows no surrogates (\\uD800 to \\uDFFF): write the character itself, or \\U and eight digits';
    }
    return this.#flowLevel > 0 ? this.#flowMessage(lexeme) : undefined;
  }

  #flowMessage(lexeme: string): string | undefined {
    if (lexeme === ':' && this.#lastVisible.includes('\n'))
      return 'a key in braces ends on another line than it begins: put it on one line';
    if (/^[,[\]{}]$/.test(lexeme) && this.#previous === ':' && !/^["'\]}]/.test(this.#beforePrevious)) {
      return 'a colon is followed by no space: put one behind it, or the text in quotes';
    }
    return undefined;
  }

  #scalarMessage(source: string): string | undefined {
    if (/^[|>]/.test(this.#beforePrevious) || /^[|>]/.test(this.#previous)) {
      const [blank = ''] = /^(?: *\n)*[ \t]*/.exec(source) ?? [];
      return blank.includes('\t')
        ? 'a block of text begins with a tab: put it in double quotes as \\t'
        : undefined;
    }
    if (this.#flowLevel === 0) return undefined;
    if (source.startsWith(':') || source.includes('?')) {
      return `put the text ${source} in quotes: within brackets, kubectl reads its ${source.startsWith(':') ? 'colon' : 'question mark'} as syntax`;
    }
    return undefined;
  }

  #count(lexeme: string): void {
    if (!this.#isScalar) {
      if (/^[[{]$/.test(lexeme)) this.#flowLevel += 1;
      if (/^[\]}]$/.test(lexeme)) this.#flowLevel = Math.max(0, this.#flowLevel - 1);
    }
    if (!/^\s*(#.*)?$/.test(lexeme)) this.#hasContent = true;
    this.#isScalar = false;
    if (!/^[ \t]+$/.test(lexeme)) this.#lastVisible = lexeme;
    this.#beforePrevious = this.#previous;
    this.#previous = lexeme;
  }
}
