/** Text of an unknown thrown value: JavaScript can throw anything. */

/** The message of an Error; the text of any other value. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The value itself if it is an Error, else an Error with its text. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
