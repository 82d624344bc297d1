/** Prints the figures of the operator, the peer and the raw writer beside each other. Pure. */
import type { Figures } from './figures.ts';

export interface Row<Figure extends string> {
  readonly figure: Figure;
  readonly title: string;
}

const COLUMNS = [
  ['operator', 'operator'],
  ['peer', 'Go peer'],
  ['raw', 'raw writer'],
  ['toPeer', 'operator / peer'],
  ['toRaw', 'operator / raw'],
  ['peerToRaw', 'peer / raw'],
] as const;

/**
 * A table in Markdown of figures by name, `COLUMN.FIGURE`. A cell without a figure stays empty.
 *
 * @param rows the order and the titles of the figures
 */
export function comparisonTable(figures: Figures, rows: readonly Row<string>[]): string {
  const head = ['', ...COLUMNS.map(([, title]) => title)];
  const lines = rows.map(({ figure, title }) => [
    title,
    ...COLUMNS.map(([column]) => text(figures[`${column}.${figure}`])),
  ]);
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((line) => line[column]?.length ?? 0)),
  );
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [row(head), rule, ...lines.map(row)].join('\n');
}

function text(figure: number | undefined): string {
  return figure === undefined ? '' : figure.toLocaleString('en-US', { maximumSignificantDigits: 4 });
}
