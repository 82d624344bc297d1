/** Entry point of kubectl-segmentation: runs a command with the streams of this process, and sets the exit code. */
import { EXIT } from './shell/failure.ts';
import { run } from './shell/run.ts';

// `| head` closes the pipe once it has its lines: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.yes : EXIT.failure);
});

const { env, stdin, stdout, stderr } = process;
// No top-level await: the bundle is CommonJS.
void run(process.argv.slice(2), { env, cwd: process.cwd(), stdin, stdout, stderr }).then((code) => {
  process.exitCode = code;
});
