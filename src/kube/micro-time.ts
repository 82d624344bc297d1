/** Formats milliseconds since the epoch as metav1.MicroTime, of which the API server requires exactly six digits. */
export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
