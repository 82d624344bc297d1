/** The difference between two texts by lines, in the form of `diff -u`. Pure. */

const CONTEXT = 3;

interface Line {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
}

/** Empty if the texts are equal. */
export function unifiedDiff(name: string, before: string, after: string): string {
  const lines = compared(linesOf(before), linesOf(after));
  const near = lines.map((_, index) =>
    lines.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(({ sign }) => sign !== ' '),
  );
  const hunks: string[] = [];
  let [oldLine, newLine] = [1, 1];
  for (let at = 0; at < lines.length; at += 1) {
    if (near[at] === true) {
      let end = at;
      while (near[end] === true) end += 1;
      const hunk = lines.slice(at, end);
      const [old, next] = (['-', '+'] as const).map(
        (sign) => hunk.filter((line) => line.sign === ' ' || line.sign === sign).length,
      );
      hunks.push(
        `@@ -${oldLine},${old} +${newLine},${next} @@`,
        ...hunk.map(({ sign, text }) => sign + text),
      );
      oldLine += old ?? 0;
      newLine += next ?? 0;
      at = end - 1;
    } else {
      oldLine += 1;
      newLine += 1;
    }
  }
  return hunks.length === 0 ? '' : [`--- ${name}`, `+++ ${name}`, ...hunks, ''].join('\n');
}

/** The lines of a text, without the empty one behind its last line break. */
function linesOf(text: string): string[] {
  return text.replace(/\n$/, '').split('\n');
}

/** The lines of both texts, by their longest common subsequence. */
function compared(a: readonly string[], b: readonly string[]): Line[] {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ sign: ' ', text: a[i] ?? '' });
      i += 1;
      j += 1;
    } else if (i < a.length && (j === b.length || at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ sign: '-', text: a[i] ?? '' });
      i += 1;
    } else {
      lines.push({ sign: '+', text: b[j] ?? '' });
      j += 1;
    }
  }
  return lines;
}
