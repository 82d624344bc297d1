// Preloaded by a process whose periods are to pass faster than real time: the factor is CLOCK_FACTOR. Delays of timers
// shrink by it, and monotonic time runs by it. The wall clock keeps its rate, and is CLOCK_SKEW_MS off; SIGUSR2 moves it by
// CLOCK_STEP_MS, without firing timers.
const factor = Number(process.env['CLOCK_FACTOR'] ?? 1);
const stepMs = Number(process.env['CLOCK_STEP_MS'] ?? 0);
let skewMs = Number(process.env['CLOCK_SKEW_MS'] ?? 0);

process.on('SIGUSR2', () => {
  skewMs += stepMs;
  console.log(JSON.stringify({ level: 'debug', msg: 'the wall clock was stepped' }));
});

const monotonic = performance.now.bind(performance);
performance.now = () => monotonic() * factor;

const wall = Date.now.bind(Date);
Date.now = () => wall() + skewMs;

const schedule = globalThis.setTimeout;
globalThis.setTimeout = Object.assign(
  (callback: (...args: unknown[]) => void, delay = 0, ...args: unknown[]) =>
    schedule(callback, delay / factor, ...args),
  schedule,
);
