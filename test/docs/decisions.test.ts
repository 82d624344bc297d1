/** Decisions are numbered in order of their dates, and the index lists each with its date, status and title. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { PAGES, page, rows } from './pages.ts';

const INDEX = 'docs/decisions/README.md';
const FRONT =
  /^# (?<number>\d{4}): (?<title>.+)\n\n- Date: (?<date>\d{4}-\d\d-\d\d)\n- Status: (?<status>proposed|accepted|superseded by \d{4})\n/;

interface Decision {
  readonly number: string;
  readonly title: string;
  readonly date: string;
  readonly status: string;
}

const decisions = PAGES.filter(({ path }) => path.startsWith('docs/decisions/') && path !== INDEX).map(
  ({ path, text }) => ({ file: basename(path), front: FRONT.exec(text)?.groups as Decision | undefined }),
);

describe('decision pages', () => {
  it('begin with number, title, date and status', () => {
    for (const { file, front } of decisions) {
      assert.ok(front, `${file}: no front lines as in ${INDEX}`);
      assert.ok(file.startsWith(`${front.number}-`), `${file}: its heading has the number ${front.number}`);
    }
  });

  it('are numbered without gaps, in order of their dates', () => {
    const numbers = decisions.map(({ file }) => Number(file.slice(0, 4)));
    assert.deepEqual(
      numbers,
      numbers.map((_, index) => index + 1),
    );
    const dates = decisions.map(({ front }) => front?.date);
    assert.deepEqual(
      dates,
      dates.toSorted((a = '', b = '') => a.localeCompare(b)),
    );
  });

  it('are listed in the index', () => {
    const listed = rows(page(INDEX))
      .slice(1)
      .map((cells) => cells.slice(0, 4));
    assert.deepEqual(
      listed,
      decisions.map(({ file, front }) => [
        `[${front?.number}](${file})`,
        front?.date,
        front?.status,
        front?.title,
      ]),
    );
  });
});
