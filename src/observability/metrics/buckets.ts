/** Buckets for waits and runs, in seconds; 50 ms and 250 ms are the objectives for a new namespace. */
export const DURATION_BUCKETS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
];
