// Preloaded by an operator: SIGUSR2 moves its monotonic clock a minute on without firing timers, as if the process had
// been paused.
const now = performance.now.bind(performance);
let skipped = 0;
performance.now = () => now() + skipped;
process.on('SIGUSR2', () => {
  skipped += 60_000;
  process.stdout.write('{"level":"info","msg":"a minute was skipped"}\n');
});
