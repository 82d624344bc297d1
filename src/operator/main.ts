/** The operator's process: options, signals, exit codes. */
import { readFileSync } from 'node:fs';
import { runOperator } from './wiring.ts';
import { type Options, OptionsError } from '../options/options.ts';
import { parseOptions } from '../options/parse.ts';
import { createLogger } from '../observability/logs/logger.ts';
import { version } from '../util/version.ts';
import { errorMessage } from '../util/error-message.ts';

/** Longest orderly end, in milliseconds; below the 30 s after which Kubernetes kills the Pod. */
const GRACE = 20_000;

const argv = process.argv.slice(2);
const { env } = process;

function options(): Options {
  try {
    const parsed = parseOptions({ argv, env, readFile: (path) => readFileSync(path, 'utf8'), version });
    if (parsed.kind === 'options') return parsed.options;
    process.stdout.write(parsed.text.endsWith('\n') ? parsed.text : `${parsed.text}\n`);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(
      `${error.problems.map((problem) => `segmentation-operator: ${problem}`).join('\n')}\n`,
    );
    process.exit(2);
  }
}

/** What would be wrong with these arguments and another configuration file. */
function problemsWith(text: string): readonly string[] {
  try {
    parseOptions({ argv, env, readFile: () => text, version });
    return [];
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    return error.problems;
  }
}

const chosen = options();
const logger = createLogger({ level: chosen.logLevel, format: chosen.logFormat });
const stop = new AbortController();

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    logger.info('stopping', { signal });
    stop.abort();
    setTimeout(() => {
      logger.error('did not stop in time', { afterMs: GRACE });
      void logger.close().finally(() => process.exit(1));
    }, GRACE).unref();
  });
}
// A defect, always: better to start anew from what the API server says than to go on with half a state.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, (error: unknown) => {
    logger.error('unexpected error, ending', { error });
    void logger.close().finally(() => process.exit(1));
  });
}

// Timers do not keep the process alive, and while the first connection fails nothing else would.
const alive = setInterval(() => {}, 2 ** 30);
try {
  const orderly = await runOperator({ options: chosen, problemsWith, version, logger, env }, stop.signal);
  if (!orderly) logger.error('lost the Lease, ending');
  process.exitCode = orderly ? 0 : 1;
} catch (error) {
  logger.error(errorMessage(error));
  process.exitCode = 1;
} finally {
  clearInterval(alive);
}
