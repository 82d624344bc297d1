/** Ends a command with a message for the person who typed it. */

/** What the process exits with. `no` is an answer (differs, denied, failed); `failure` means that there is none. */
export const EXIT = { yes: 0, no: 1, failure: 2 } as const;

/** The question can't be answered. The message is for a person, without the command's name, and says what to do. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
}

/** The command line is wrong: the message is followed by where to find help. */
export class UsageError extends CliError {
  override readonly name = 'UsageError';
}

/** `1 namespace`, `2 namespaces`. */
export function counted(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}

/** The first names of a list, and how many more there are. */
export function listed(names: readonly string[], most = 3): string {
  const more = names.length - most;
  return names.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
