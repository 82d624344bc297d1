/**
 * Gauges of prom-client that have the names of counters, to which promtool objects; each is the sum of the gauge without
 * the suffix, which has a `type` label.
 */
export const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];
