// Loaded into an operator: at SIGUSR2 its monotonic clock is a minute later, and no timer has run. So it is for a process
// that had no time for a while, in the middle of its work.
const now = performance.now.bind(performance);
let skipped = 0;
performance.now = () => now() + skipped;
process.on('SIGUSR2', () => {
  skipped += 60_000;
  process.stdout.write('{"level":"info","msg":"a minute was skipped"}\n');
});
