/** Observed flows for tests. */
import type { ObservedFlow } from '../../src/flows/flow.ts';

/** An allowed flow to port 5432 that was seen once; the log does not say at which end. */
export function observedFlow(
  ends: Pick<ObservedFlow, 'source' | 'destination'>,
  fields: Partial<ObservedFlow> = {},
): ObservedFlow {
  return {
    time: 1000,
    ...ends,
    port: 5432,
    protocol: 'TCP',
    verdict: 'allowed',
    observedAt: 'unknown',
    reply: 'no',
    count: 1,
    ...fields,
  };
}
