/** A reach in a terminal: a matrix if it fits, or a list of links. Pure. */
import { EVERY_PORT } from '../../analysis/model/ports.ts';
import type { Reach } from '../../analysis/reach/reach.ts';
import { groupText, linkLayers, linkPorts } from './model.ts';

/** The ports of a cell: all, some, perhaps some, or none. */
export type CellKind = 'open' | 'some' | 'unknown' | 'none';

export interface MatrixText {
  readonly lines: readonly string[];
  /** Explains the marks. */
  readonly legend: string;
}

const MARKS: Readonly<Record<CellKind, string>> = { open: '●', some: '○', unknown: '?', none: '·' };
const GAP = ' ';

/**
 * Rows may talk to columns. Columns have the numbers of the rows, as names would not fit.
 *
 * @param width width of the terminal, in characters
 * @returns undefined if it does not fit
 */
export function matrixText(
  { groups, links }: Reach,
  width: number,
  paint: (kind: CellKind, text: string) => string = (_, text) => text,
): MatrixText | undefined {
  const digits = String(groups.length).length;
  const names = groups.map((group, index) => `${String(index + 1).padStart(digits)} ${groupText(group)}`);
  const widest = Math.max(...names.map((name) => name.length), 0);
  if (widest + GAP.length + groups.length * (digits + GAP.length) > width) return undefined;
  const cells = groups.map(() => groups.map((): CellKind => 'none'));
  for (const { from, to, ports } of links) {
    const row = cells[from];
    if (row) row[to] = ports === EVERY_PORT ? 'open' : ports.length > 0 ? 'some' : 'unknown';
  }
  const pad = (text: string) => text.padStart(digits);
  const head = `${' '.repeat(widest + GAP.length)}${groups.map((_, index) => pad(String(index + 1))).join(GAP)}`;
  const rows = cells.map((row, index) => {
    const marks = row.map((kind) => ' '.repeat(digits - 1) + paint(kind, MARKS[kind]));
    return `${(names[index] ?? '').padEnd(widest + GAP.length)}${marks.join(GAP)}`;
  });
  const isUnknown = links.some(({ ports }) => ports.length === 0);
  const perhaps = isUnknown ? `, ${MARKS.unknown} perhaps (unknown)` : '';
  const legend = `A row may talk to a column: ${MARKS.open} on all ports, ${MARKS.some} on some${perhaps}, ${MARKS.none} not at all.`;
  return { lines: [head, ...rows], legend };
}

type LinkRow = [from: string, to: string, ports: string, ...layers: string[]];

/** The heads and cells of a table of the links, with the policies of other kinds that decide if there are any. */
export function linkTable({ groups, links }: Reach): [heads: string[], rows: LinkRow[]] {
  const hasLayers = links.some(({ layers }) => layers !== undefined);
  const text = (index: number) => {
    const group = groups[index];
    return group === undefined ? '' : groupText(group);
  };
  const rows = links.map(
    (link): LinkRow => [
      text(link.from),
      text(link.to),
      link.partial ? `${linkPorts(link)} (some pods)` : linkPorts(link),
      ...(hasLayers ? [linkLayers(link) || '-'] : []),
    ],
  );
  return [['FROM', 'TO', 'PORTS', ...(hasLayers ? ['DECIDED BY'] : [])], rows];
}
