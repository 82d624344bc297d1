/** The formats of `-o`: tables as kubectl prints them, and objects as YAML, JSON or names. */
import { stripVTControlCharacters } from 'node:util';
import { stringify } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import type { Paint } from './terminal.ts';

/** Spaces between columns, as kubectl has them. */
const GAP = '   ';

/** A cell: its text, and how to colour it. */
export type Cell = string | { readonly text: string; readonly paint: Paint };

/** Lines of aligned columns under a head in capitals. No line ends in spaces. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const cells = [
    head,
    ...rows.map((row) => row.map((cell) => (typeof cell === 'string' ? cell : cell.text))),
  ];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ''))));
  const line = (row: readonly Cell[]) =>
    row
      .map((cell, column) => {
        const text = typeof cell === 'string' ? cell : cell.text;
        const shown = typeof cell === 'string' ? text : cell.paint(text);
        return column === row.length - 1 ? shown : shown + ' '.repeat((widths[column] ?? 0) - width(text));
      })
      .join(GAP)
      .trimEnd();
  return [line(head), ...rows.map(line)];
}

/** Columns that a text takes. */
function width(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/** One YAML document, block style, as kubectl writes it: no anchors, no folded lines. */
export function toYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Objects for `kubectl apply -f -`: YAML documents, or one List in JSON. */
export function objectsText(objects: readonly KubeObject[], format: 'yaml' | 'json'): string {
  if (format === 'json') return toJson({ apiVersion: 'v1', kind: 'List', items: objects });
  return objects.map((object) => `---\n${toYaml(object)}`).join('');
}
