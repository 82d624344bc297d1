import assert from 'node:assert/strict';
import { unifiedDiff } from '../../../src/util/text/unified-diff.ts';

describe('unifiedDiff', () => {
  const lines = (...all: readonly string[]) => `${all.join('\n')}\n`;

  it('is empty for equal texts', () => assert.equal(unifiedDiff('f', 'a\nb\n', 'a\nb\n'), ''));

  it('has hunks with three lines around each change, and their line numbers', () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
    const after = before.with(1, 'second').toSpliced(17, 1);
    assert.equal(
      unifiedDiff('f', lines(...before), lines(...after)),
      lines(
        '--- f',
        '+++ f',
        '@@ -1,5 +1,5 @@',
        ' line 1',
        '-line 2',
        '+second',
        ' line 3',
        ' line 4',
        ' line 5',
        '@@ -15,6 +15,5 @@',
        ' line 15',
        ' line 16',
        ' line 17',
        '-line 18',
        ' line 19',
        ' line 20',
      ),
    );
  });
});
