/** Formats of `-o`: tables in kubectl's layout, and objects as YAML or JSON. */
import { stripVTControlCharacters } from 'node:util';
import { stringify } from 'yaml';
import type { KubeObject } from '../../api/meta.ts';
import type { Paint } from './terminal.ts';

/** Space between columns, as in kubectl's tables. */
const GAP = '   ';

/** A cell of a table: text, optionally with a colour. */
export type Cell = string | { readonly text: string; readonly paint: Paint };

/** The lines of a table with aligned columns. No line ends in spaces. */
export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string[] {
  const cells = [
    head,
    ...rows.map((row) => row.map((cell) => (typeof cell === 'string' ? cell : cell.text))),
  ];
  const widths = head.map((_, column) =>
    cells.reduce((widest, row) => Math.max(widest, width(row[column] ?? '')), 0),
  );
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

/** Number of terminal columns that a text takes, without its colour codes. */
function width(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/**
 * A YAML document in block style, without anchors and without folded lines, as kubectl writes it. Texts such as `y` and `12:30`,
 * which YAML 1.1 takes for other types, are quoted: kubectl reads by its rules.
 */
export function toYaml(value: unknown): string {
  return stringify(value, { compat: 'yaml-1.1', lineWidth: 0, aliasDuplicateObjects: false });
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Objects in a form that `kubectl apply -f -` takes: YAML documents, or a List in JSON. */
export function objectsText(objects: readonly KubeObject[], format: 'yaml' | 'json'): string {
  if (format === 'json') return toJson({ apiVersion: 'v1', kind: 'List', items: objects });
  return objects.map((object) => `---\n${toYaml(object)}`).join('');
}
