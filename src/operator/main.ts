/** The operator's process: from options to an exit code. */
import { readFileSync } from 'node:fs';
import { createLogger } from '../observability/logs/logger.ts';
import { type Options, OptionsError } from '../options/options.ts';
import { parseOptions } from '../options/parse.ts';
import { errorMessage } from '../util/error-message.ts';
import { version } from '../util/version.ts';
import { runOperator } from './lifecycle.ts';
import { exitOnDefect, stopSignal } from './signals.ts';

const argv = process.argv.slice(2);
const { env } = process;

/** Exits with 0 after --help and its like, and with 2 if the options are wrong. */
function readOptions(): Options {
  try {
    const parsed = parseOptions({ argv, env, readFile: (path) => readFileSync(path, 'utf8'), version });
    if (parsed.kind === 'options') return parsed.options;
    process.stdout.write(parsed.text.endsWith('\n') ? parsed.text : `${parsed.text}\n`);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    const lines = error.problems.map((problem) => `segmentation-operator: ${problem}`);
    process.stderr.write(`${lines.join('\n')}\n`);
    process.exit(2);
  }
}

/** The problems that the operator would report if it were started with this text as its configuration file. */
function configurationProblems(text: string): readonly string[] {
  try {
    parseOptions({ argv, env, readFile: () => text, version });
    return [];
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    return error.problems;
  }
}

async function main(options: Options): Promise<void> {
  const logger = createLogger({ level: options.logLevel, format: options.logFormat });
  const stop = stopSignal(logger);
  exitOnDefect(logger);

  // Timers do not keep the process alive, and nothing else does while the first connection fails.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  try {
    const end = await runOperator({ options, configurationProblems, version, logger, env }, stop);
    if (end === 'lease-lost') logger.error('lost the Lease, ending');
    process.exitCode = end === 'stopped' ? 0 : 1;
  } catch (error) {
    logger.error(errorMessage(error));
    process.exitCode = 1;
  } finally {
    clearInterval(keepAlive);
  }
}

if (argv[0] === 'canary') {
  const { runCanary } = await import('../canary/main.ts');
  await runCanary(argv.slice(1), env);
} else {
  await main(readOptions());
}
