/** Exit codes, and the errors that end a command with a message to the user. */

/**
 * Exit codes. `no` is an answer (denied, differs, a check failed), `failure` means that there is no answer, and
 * `fault` that the program itself failed.
 */
export const EXIT = { yes: 0, no: 1, failure: 2, fault: 3 } as const;

/** The command can't answer. The message is for the user, says what to do, and does not repeat the command's name. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
}

/** The command line is wrong. The message is followed by a pointer to the help text. */
export class UsageError extends CliError {
  override readonly name = 'UsageError';
}
