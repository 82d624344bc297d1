/** Flags of the commands that read flow logs. */
import { FORMATS } from '../../flows/formats/index.ts';
import { UsageError } from '../shell/failure.ts';
import type { Flag, Flags } from '../shell/flags.ts';

export const FLOW_FLAGS: readonly Flag[] = [
  {
    name: 'flows',
    value: 'PATH',
    repeated: true,
    completes: 'files',
    help: 'read flow logs: a file, a directory, or - for standard input; gzip is unpacked',
  },
  {
    name: 'format',
    value: 'FORMAT',
    choices: ['auto', ...FORMATS.map(({ name }) => name)],
    help: `${FORMATS.map(({ name }) => name).join(', ')} [auto: by content]`,
  },
  { name: 'loki', value: 'URL', help: 'read flow logs from Loki, such as http://loki:3100, with --query' },
  { name: 'query', value: 'LOGQL', help: 'log query for Loki' },
  { name: 'since', value: 'DURATION', help: 'leave out older flows, such as 90m, 24h or 7d [Loki: 24h]' },
];

const UNITS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The value of --since in milliseconds; undefined without it. @throws UsageError if it is no duration */
export function sinceOf(flags: Flags): number | undefined {
  const text = flags.get('since');
  if (text === undefined) return undefined;
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined)
    throw new UsageError(`--since ${text}: write a number and a unit, such as 90m, 24h or 7d`);
  return Number(number) * factor;
}
