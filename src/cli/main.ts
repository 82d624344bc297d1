/** Entry point of kubectl-segmentation: runs a command with the streams of this process, and sets the exit code. */
import { EXIT } from './shell/failure.ts';
import { reportFault, run } from './shell/run.ts';
import { Terminal } from './shell/terminal.ts';

// `| head` closes the pipe once it has its lines: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.yes : EXIT.failure);
});

const { env, stdin, stdout, stderr } = process;
const streams = { env, cwd: process.cwd(), stdin, stdout, stderr };
// Node would exit with 1, which means no.
process.on('uncaughtException', (error) => process.exit(reportFault(error, new Terminal(streams))));
// No top-level await: the bundle is CommonJS.
void run(process.argv.slice(2), streams).then((code) => {
  process.exitCode = code;
});
