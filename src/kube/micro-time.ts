/** metav1.MicroTime, which the API server parses with exactly six digits, from milliseconds since the epoch. */
export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
