/** Metrics of the leader election, under the names of client-go. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface LeaderMetrics {
  /** @param held true while this replica holds the Lease */
  held(held: boolean): void;
  /** Counts one renewal that had to read the Lease first. */
  slowPath(): void;
}

export function createLeaderMetrics(registry: Registry): (name: string) => LeaderMetrics {
  const status = new Gauge({
    name: 'leader_election_master_status',
    help: '1 while this replica holds the Lease, else 0.',
    labelNames: ['name'],
    registers: [registry],
  });
  const slowPaths = new Counter({
    name: 'leader_election_slowpath_total',
    help: 'Renewals that had to read the Lease first, as it was written by others.',
    labelNames: ['name'],
    registers: [registry],
  });
  return (name) => {
    status.set({ name }, 0);
    slowPaths.inc({ name }, 0);
    return { held: (held) => status.set({ name }, held ? 1 : 0), slowPath: () => slowPaths.inc({ name }) };
  };
}
