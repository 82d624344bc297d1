/** The table of `npm test -- --durations`: the time of each test file, those with most processor time first. */
import { existsSync, readFileSync } from 'node:fs';
import type { FileDuration } from '../../test/support/mocha/durations.ts';

/** @param path lines of JSON that the test run has written; it may be absent if no file has ended */
export function durationTable(path: string): string {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const durations = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as FileDuration)
    .toSorted((a, b) => (b.cpuMs ?? b.wallMs) - (a.cpuMs ?? a.wallMs));
  const seconds = (ms: number | undefined) => (ms === undefined ? '-' : (ms / 1000).toFixed(1)).padStart(8);
  const row = ({ file, wallMs, cpuMs }: FileDuration) => `${seconds(cpuMs)}${seconds(wallMs)}  ${file}`;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const all: FileDuration = {
    file: 'sum',
    wallMs: sum(durations.map(({ wallMs }) => wallMs)),
    cpuMs: sum(durations.map(({ cpuMs = 0 }) => cpuMs)),
  };
  return ['   CPU s  wall s  file', ...[...durations, all].map(row)].join('\n');
}
