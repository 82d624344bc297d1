/** kubectl-segmentation: the process. */
import { EXIT } from './shell/failure.ts';
import { run } from './shell/run.ts';

// A reader that has seen enough (`| head`) closes the pipe: there is nobody left to write to.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? EXIT.yes : EXIT.failure);
});

const { env, stdin, stdout, stderr } = process;
// No top-level await: the bundle is CommonJS.
void run(process.argv.slice(2), { env, cwd: process.cwd(), stdin, stdout, stderr }).then((code) => {
  process.exitCode = code;
});
