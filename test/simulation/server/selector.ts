/**
 * Parses label selectors of lists and watches: `key=value`, `key==value`, `key!=value`, `key` and `!key`, joined by commas.
 * Pure.
 */
import type { StringMap } from '../../../src/api/meta.ts';
import type { Stored } from './kinds.ts';
import { badRequest } from './status.ts';

type Matcher = (object: Stored) => boolean;

const TERM = /^(!?)([\w./-]+)(?:(!=|==?)([\w./-]*))?$/;

export function selectorOf(text: string | undefined): Matcher {
  const terms = (text ?? '')
    .split(',')
    .filter((each) => each !== '')
    .map(termOf);
  return ({ metadata: { labels = {} } }) => terms.every((term) => term(labels));
}

function termOf(text: string): (labels: StringMap) => boolean {
  const [, not, key = '', operator, value] = TERM.exec(text) ?? [];
  if (key === '') throw badRequest(`unable to parse requirement: ${text}`);
  if (operator === undefined) return (labels) => key in labels !== (not === '!');
  return (labels) => (labels[key] === value) === (operator !== '!=');
}
