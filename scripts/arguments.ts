/** The flags of a script. */
import { parseArgs, type ParseArgsConfig } from 'node:util';
import { errorMessage } from '../src/util/error-message.ts';

/** Their values; what is no flag, or lacks its value, ends the process (exit code 2) with what is wrong in a line. */
export function flags<const T extends NonNullable<ParseArgsConfig['options']>>(options: T) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    const known = Object.entries(options).map(([name, { type }]) =>
      type === 'boolean' ? `[--${name}]` : `[--${name} ${name.toUpperCase()}]`,
    );
    console.error(`${errorMessage(error)}\nflags: ${known.join(' ')}`);
    process.exit(2);
  }
}
