/** Schedules that are written by hand for one thing each: without faults, and with a single replica. Pure. */
import type { EngineScene } from '../engines/actions.ts';
import { NO_FAULTS } from '../faults/rates.ts';
import type { Action, Plan } from './actions.ts';

/** @param rounds the actions of each round: the cluster converges before the next one */
export function handmadePlan(
  engine: EngineScene | undefined,
  ...rounds: readonly (readonly Action[])[]
): Plan {
  let id = 0;
  return {
    seed: 1,
    generator: 8,
    concurrency: 1,
    resyncMs: 0,
    hasStandby: false,
    rounds: rounds.map((actions) => ({
      rates: NO_FAULTS,
      isQuiet: false,
      steps: actions.map((action) => ({ id: id++, after: 100, action })),
    })),
    hasRollouts: false,
    hasExceptions: false,
    skews: [0],
    ...(engine && { engine }),
  };
}

/** Writes a profile that isolates ingress in every namespace of the simulation, and allows nothing but what `spec` adds. */
export function writeProfile(spec: object, name = 'p'): Action {
  return {
    do: 'write profile',
    name,
    spec: {
      namespaceSelector: { matchLabels: { 'example.com/member': 'yes' } },
      isolation: ['Ingress'],
      baseline: { dns: 'Deny', sameNamespace: 'Deny', admissionWebhooks: 'Deny' },
      ...spec,
    },
  };
}
