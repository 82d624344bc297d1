/** Durations in Go's notation ("1m30s"), as in Kubernetes. */

const UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

/** The texts that parseDuration accepts, as a regular expression. */
export const DURATION_PATTERN = '^(0|([0-9]+(\\.[0-9]+)?(ms|h|m|s))+)$';
const pattern = new RegExp(DURATION_PATTERN);

/** Milliseconds; undefined if `text` is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (text === '0') return 0;
  if (!pattern.test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)) {
    total += Number(amount) * UNITS[unit as keyof typeof UNITS];
  }
  return Math.round(total);
}

/** The shortest notation. @param ms whole, not negative */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, size] of Object.entries(UNITS)) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) text += `${amount}${unit}`;
  }
  return text || '0s';
}
