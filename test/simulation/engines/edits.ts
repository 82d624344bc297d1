/**
 * Schedules of meshes, guards and extensions that show smaller faults, from version 10 of the generator on: rules with ports,
 * profiles that are edited in every round, and NetworkPolicies of somebody else that open pods to everyone. Pure.
 */
import { type Dice, pick } from '../../faults/model.ts';
import {
  type Action,
  NAMESPACES,
  pause,
  type Plan,
  PROFILES,
  type Round,
  withSpecs,
} from '../schedule/actions.ts';
import { withAmbient, withOpenings, withSidecars } from './identities.ts';
import { withEngine, withGuards } from './plan.ts';

/** Policies of people who open pods to everyone, so that it shows what guards and overlays deny; undefined deletes one. */
const OPENINGS: readonly (object | undefined)[] = [
  { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] },
  { podSelector: { matchLabels: { app: 'a' } }, policyTypes: ['Ingress'], ingress: [{}] },
  { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
  undefined,
];

/** A fifth of the seeds has each of: sidecars, ambient mode, ambient mode beside guards, guards alone, extensions beside guards. */
export function withEdits(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const ruled = withRules(withWrites(plan, roll, nextId), roll);
  const edited = withOpenings(ruled, roll, nextId, OPENINGS);
  switch (plan.seed % 5) {
    case 0:
      return withSidecars(edited, roll, nextId);
    case 1:
      return withAmbient(edited, roll, nextId);
    case 2:
      return withGuards(withAmbient(edited, roll, nextId), roll, nextId);
    case 3:
      return withGuards(edited, roll, nextId);
    default:
      return withGuards(withEngine(edited, roll, nextId), roll, nextId);
  }
}

/** Begins each round with an edit of a profile. */
function withWrites(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const selector = { namespaceSelector: { matchLabels: { 'example.com/member': 'yes' } } };
  const rounds = plan.rounds.map((round): Round => {
    if (round.isQuiet) return round;
    const action: Action = { do: 'write profile', name: pick(roll, PROFILES), spec: selector };
    return { ...round, steps: [{ id: nextId(), after: pause(roll), action }, ...round.steps] };
  });
  return { ...plan, rounds };
}

/** Gives all profiles rules whose peers and ports are few, so that edits keep some flows, add others, and hand others over. */
function withRules(plan: Plan, roll: Dice): Plan {
  return withSpecs(plan, (spec) => {
    const isolation = pick(roll, [['Ingress'], ['Ingress'], ['Egress'], ['Ingress', 'Egress']]);
    const rules = (direction: string, end: 'from' | 'to') =>
      isolation.includes(direction) ? randomRules(end, roll) : [];
    return {
      ...spec,
      isolation,
      baseline: { dns: 'Deny', sameNamespace: 'Deny', admissionWebhooks: 'Deny' },
      ingress: rules('Ingress', 'from'),
      egress: rules('Egress', 'to'),
      connections: [],
    };
  });
}

function randomRules(end: 'from' | 'to', roll: Dice): object[] {
  return ['r1', 'r2', 'r3'].slice(0, 1 + roll(3)).map((name) => ({
    name,
    ...pick(roll, [{}, {}, { podSelector: { matchLabels: { app: 'a' } } }]),
    [end]: [randomPeer(roll)],
    ports: pick(roll, [[{ port: 8080 }], [{ port: 9090 }], [{ port: 8080 }, { port: 9090 }]]),
  }));
}

function randomPeer(roll: Dice): object {
  const namespaces = [pick(roll, NAMESPACES.slice(0, 4))];
  return pick<object>(roll, [
    { namespaces },
    { namespaces },
    { namespaces, podSelector: { matchLabels: { app: pick(roll, ['a', 'b']) } } },
    { ipBlock: { cidr: '203.0.113.0/24', except: ['203.0.113.128/25'] } },
    { ipBlock: { cidr: '203.0.113.128/25' } },
    { service: { namespace: 'b', name: 'ext' } },
  ]);
}
