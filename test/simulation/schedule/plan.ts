/**
 * The plan of a schedule, chosen by seed before the run, so that a report can leave parts of it out. Pure.
 *
 * The order of random draws is part of what a seed means: a new draw goes after all others, or into a new version of the
 * generator.
 */
import { TENANT, MEMBER } from '../../faults/changes.ts';
import { type Dice, dice, pick, randomSpec } from '../../faults/model.ts';
import { withEdits } from '../engines/edits.ts';
import { withIdentities } from '../engines/identities.ts';
import { withEngine, withGuards, withMesh } from '../engines/plan.ts';
import { NO_FAULTS, type FaultRates } from '../faults/rates.ts';
import {
  type Action,
  EXTERNAL,
  isDisturbing,
  NAMESPACES,
  NODE_ADDRESSES,
  pause,
  type Plan,
  PROFILES,
  type Round,
  STABLE,
  type Step,
  TRANSIENT,
} from './actions.ts';
import { withBrokenQueries } from './broken-queries.ts';
import { withClocks } from './clocks.ts';
import { withExceptions } from './exceptions.ts';
import { withGates, withRollouts } from './rollouts.ts';

/**
 * The version of the generator. Version 1 has no rollouts, exceptions and clocks of their own; version 2 has no queries of
 * gates, and gates always see; version 3 has no network engines; before version 6, queries hardly break in the middle of a
 * wave; before version 7, there are no guards; before version 8, there is no mesh, and neither rollouts nor exceptions are
 * beside engines.
 */
export const GENERATOR = 8;

/** The version whose schedules have meshes and guards alone, and policies of others beside them. */
export const IDENTITIES = 9;

/** The version whose schedules edit profiles of few peers and ports beside policies that open pods to everyone. */
export const EDITS = 10;

/** @param generator the version of the generator with which a recorded seed was found */
export function planOf(seed: number, generator = GENERATOR): Plan {
  const roll = dice(seed);
  let id = 0;
  const nextId = () => id++;
  const steps = (actions: readonly Action[]): Step[] =>
    actions.map((action) => ({ id: id++, after: pause(roll), action }));
  const rounds = Array.from({ length: 2 + roll(3) }, (_, index): Round => {
    const kind = index === 0 ? 5 : roll(12);
    if (kind === 0) return { rates: NO_FAULTS, steps: steps(randomRestarts(roll)), isQuiet: true };
    const rates = ratesOf(roll);
    if (kind <= 2)
      return {
        rates,
        steps: steps(interleaved(roll, randomDrifts(roll), randomFaults(roll, rates))),
        isQuiet: false,
      };
    if (kind === 3)
      return {
        rates,
        steps: steps(interleaved(roll, randomForeignPolicies(roll), randomFaults(roll, rates))),
        isQuiet: false,
      };
    const inputs = [
      ...(index === 0 ? [writeProfile(roll)] : []),
      ...Array.from({ length: 1 + roll(4) }, () => randomInput(roll)),
    ];
    return { rates, steps: steps(interleaved(roll, inputs, randomFaults(roll, rates))), isQuiet: false };
  });
  const plan: Plan = {
    seed,
    generator,
    concurrency: 1 + roll(4),
    resyncMs: pick(roll, [0, 0, 45_000, 600_000]),
    hasStandby: roll(2) === 0,
    rounds,
    hasRollouts: false,
    hasExceptions: false,
    skews: [0],
  };
  // Other seeds keep the meaning that they had before process faults and connections were added.
  const connected = seed % 8 < 4 ? plan : withConnections(plan, dice(seed + 3));
  const faulty =
    seed % 4 === 0 || seed % 4 === 3 ? withProcessFaults(connected, dice(seed + 2), nextId) : connected;
  if (generator === 1) return faulty;
  if (generator === IDENTITIES) return withIdentities(faulty, dice(seed + 14), nextId);
  if (generator === EDITS) return withEdits(withCalmRounds(faulty, dice(seed + 7)), dice(seed + 16), nextId);
  const kind = Math.floor(seed / 8) % 8;
  if (generator > 3 && kind >= 6) return withEngines(faulty, nextId);
  if (generator < 7 || kind < 4) return withFeatures(faulty, nextId, kind % 4);
  const featured = withFeatures(faulty, nextId, Math.floor(seed / 64) % 4);
  const guarded = () => withGuards(featured, dice(seed + 10), nextId);
  if (generator < 8 || Math.floor(seed / 256) % 2 === 0) return guarded();
  return withMesh(Math.floor(seed / 512) % 2 === 0 ? featured : guarded(), dice(seed + 12), nextId);
}

/**
 * A quarter of the seeds has what a network engine carries; since version 7 half of them with guards, and since version 8 most
 * of them with rollouts or exceptions.
 */
function withEngines(plan: Plan, nextId: () => number): Plan {
  const { seed, generator } = plan;
  const kind = Math.floor(seed / 128) % 4;
  const featured =
    generator < 8 || kind === 0 ? withCalmRounds(plan, dice(seed + 7)) : withFeatures(plan, nextId, kind);
  const engine = withEngine(featured, dice(seed + (generator < 8 ? 8 : 11)), nextId);
  if (generator < 7 || Math.floor(seed / 64) % 2 === 0) return engine;
  return withGuards(engine, dice(seed + 10), nextId);
}

/** A quarter of the seeds has rollouts, one has exceptions, one has both, and one has neither. */
function withFeatures(plan: Plan, nextId: () => number, kind: number): Plan {
  if (kind === 0) return plan;
  const calmed = withCalmRounds(plan, dice(plan.seed + 7));
  const rolled = kind === 2 ? calmed : withRollouts(calmed, dice(plan.seed + 4), nextId);
  const isGated = plan.generator > 2 && rolled.hasRollouts;
  const gated = isGated ? withGates(rolled, dice(plan.seed + 8), nextId) : rolled;
  const broken =
    plan.generator > 5 && isGated ? withBrokenQueries(gated, dice(plan.seed + 9), nextId) : gated;
  const excepted = kind === 1 ? broken : withExceptions(broken, dice(plan.seed + 5), nextId);
  return withClocks(excepted, dice(plan.seed + 6), nextId);
}

/** Takes all faults out of some of the later rounds. */
function withCalmRounds(plan: Plan, roll: Dice): Plan {
  const rounds = plan.rounds.map((round, index) =>
    index === 0 || roll(3) > 0
      ? round
      : { ...round, rates: NO_FAULTS, steps: round.steps.filter((step) => !isDisturbing(step)) },
  );
  return { ...plan, rounds };
}

/** Turns rules of most profiles into connections, and limits others to some of the namespaces. */
function withConnections(plan: Plan, roll: Dice): Plan {
  const connected = (step: Step): Step => {
    const { action } = step;
    if (action.do !== 'write profile') return step;
    // A profile that had connections has to lose them.
    if (roll(4) === 0) return { ...step, action: { ...action, spec: { ...action.spec, connections: [] } } };
    const { ingress = [], egress = [], ...spec } = action.spec as Spec;
    const names = ['r1', 'r2', 'r3', 'r4'].filter(() => roll(2) === 0);
    const connections = names.map((name) => ({
      name,
      from: Array.from({ length: 1 + roll(2) }, () => randomEnd(roll)),
      to: Array.from({ length: 1 + roll(2) }, () => randomEnd(roll)),
      ...pick(roll, [{}, { ports: [{ port: 8080 }] }, { ports: [{ port: 'http' }] }]),
    }));
    const scoped = (rules: readonly Rule[]) =>
      rules
        .filter(({ name }) => !names.includes(name))
        .map((rule) => ({
          ...rule,
          ...pick(roll, [{}, {}, { inNamespaces: { names: [pick(roll, NAMESPACES)] } }]),
        }));
    return {
      ...step,
      action: { ...action, spec: { ...spec, ingress: scoped(ingress), egress: scoped(egress), connections } },
    };
  };
  return { ...plan, rounds: plan.rounds.map((round) => ({ ...round, steps: round.steps.map(connected) })) };
}

function randomEnd(roll: Dice): object {
  const podSelector = { matchLabels: { app: pick(roll, ['a', 'b']) } };
  return pick(roll, [
    { namespaces: [pick(roll, NAMESPACES)], podSelector },
    { namespaces: [pick(roll, NAMESPACES), pick(roll, NAMESPACES)] },
    { namespaceSelector: { matchLabels: { [TENANT]: pick(roll, ['red', 'blue']) } }, podSelector },
    { podSelector },
    { sameNamespaceLabels: [TENANT], podSelector },
    { sameNamespaceLabels: [TENANT] },
    { service: { namespace: 'a', name: 'api' } },
    { service: { namespace: 'b', name: 'ext' } },
    { ipBlock: { cidr: '203.0.113.0/24' } },
    { entity: 'Any' },
  ]);
}

/** Adds crashes at requests, frozen processes and, in the last round, lost events. */
function withProcessFaults(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const isLossy = roll(8) === 0;
  const rounds = plan.rounds.map((round, index): Round => {
    const actions: Action[] = Array.from({ length: roll(3) }, () =>
      roll(3) === 0
        ? { do: 'freeze', ms: pick(roll, [roll(10_000), 10_000 + roll(50_000)]) }
        : { do: 'crash at', request: 1 + roll(60), when: pick(roll, ['before', 'after'] as const) },
    );
    const steps = [...round.steps];
    for (const action of actions)
      steps.splice(roll(steps.length + 1), 0, { id: nextId(), after: pause(roll), action });
    const isLast = index === plan.rounds.length - 1;
    const lost = isLossy && isLast && !round.isQuiet ? pick(roll, [5, 30]) : 0;
    return { ...round, steps, rates: { ...round.rates, lost } };
  });
  const unresolvedDrifts = roll(3) === 0 ? driftsOfUnresolved(roll, nextId) : [];
  return {
    ...plan,
    rounds: [...rounds.slice(0, -1), ...unresolvedDrifts, ...rounds.slice(-1)],
    ...(isLossy && { resyncMs: 45_000 }),
  };
}

/** Deletes the objects that peers were resolved to, and then policies that show the last known peers. */
function driftsOfUnresolved(roll: Dice, nextId: () => number): Round[] {
  const round = (actions: readonly Action[]): Round => ({
    rates: NO_FAULTS,
    steps: actions.map((action) => ({ id: nextId(), after: pause(roll), action })),
    isQuiet: false,
  });
  return [
    round([
      { do: 'delete service' },
      { do: 'endpoints', addresses: [] },
      ...STABLE.map((namespace): Action => ({ do: 'label', namespace, labels: { [TENANT]: null } })),
    ]),
    round(
      STABLE.map((namespace) => ({
        do: 'drift',
        namespace,
        choice: roll(1000),
        how: pick(roll, [0, 0, 7 * roll(100) + 3]),
      })),
    ),
  ];
}

function ratesOf(roll: Dice): FaultRates {
  const level = () => pick(roll, [0, 0, 5, 20, 50]);
  return {
    failures: level(),
    slow: pick(roll, [0, 0, 0, 5, 20]),
    watches: level(),
    events: pick(roll, [0, 0, 10, 50]),
    forged: pick(roll, [0, 0, 50]),
    lost: 0,
  };
}

/** Mixes both lists; each keeps its order. */
function interleaved(roll: Dice, actions: readonly Action[], others: readonly Action[]): Action[] {
  const mixed = [...actions];
  for (const other of others) mixed.splice(roll(mixed.length + 1), 0, other);
  return mixed;
}

function randomInput(roll: Dice): Action {
  const kind = roll(14);
  if (kind < 5) return writeProfile(roll);
  if (kind === 5) return { do: 'delete profile', name: pick(roll, PROFILES) };
  if (kind < 9) {
    const labels = pick<Readonly<Record<string, string | null>>>(roll, [
      { [TENANT]: pick(roll, ['red', 'blue', null]) },
      { [MEMBER]: pick(roll, ['yes', 'no']) },
    ]);
    return { do: 'label', namespace: pick(roll, NAMESPACES), labels };
  }
  if (kind === 9) return { do: 'service', app: pick(roll, ['a', 'b']), port: pick(roll, [8080, 9090]) };
  if (kind === 10)
    return pick<Action>(roll, [{ do: 'delete service' }, { do: 'service', app: 'b', port: 9090 }]);
  if (kind === 11) {
    const addresses = pick(roll, [[], [EXTERNAL[0]], [EXTERNAL[1]], EXTERNAL]);
    return { do: 'endpoints', addresses: addresses as string[] };
  }
  if (kind === 12)
    return {
      do: 'node',
      name: pick(roll, ['n1', 'n2']),
      address: pick(roll, [...NODE_ADDRESSES, undefined]),
    };
  const namespace = pick(roll, TRANSIENT);
  return pick<Action>(roll, [
    { do: 'create namespace', namespace },
    { do: 'delete namespace', namespace },
    { do: 'pods', namespace, count: roll(3) },
  ]);
}

function writeProfile(roll: Dice): Action {
  const name = pick(roll, PROFILES);
  const spec = randomSpec(
    roll,
    { [MEMBER]: 'yes' },
    NAMESPACES.slice(0, 4),
    roll(3) === 0 ? 'a' : undefined,
  ) as Spec;
  const egress = [...(spec.egress ?? [])];
  const ingress = [...(spec.ingress ?? [])];
  if (spec.isolation.includes('Egress') && roll(5) === 0)
    egress.push({ name: 'to-ext', to: [{ service: { namespace: 'b', name: 'ext' } }] });
  if (spec.isolation.includes('Ingress') && roll(5) === 0)
    ingress.push({ name: 'from-nodes', from: [{ entity: 'Nodes' }], ports: [{ port: 8080 }] });
  const webhooks = roll(6) === 0 ? { admissionWebhooks: 'Allow' } : {};
  return {
    do: 'write profile',
    name,
    spec: {
      ...spec,
      ingress,
      egress,
      baseline: { ...spec.baseline, ...webhooks },
      deletionPolicy: roll(4) === 0 ? 'Retain' : 'Delete',
      excludeNamespaces: roll(6) === 0 ? [pick(roll, NAMESPACES)] : [],
    },
  };
}

interface Spec {
  readonly isolation: readonly string[];
  readonly baseline: object;
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

interface Rule {
  readonly name: string;
  readonly [field: string]: unknown;
}

function randomFaults(roll: Dice, { forged }: FaultRates): Action[] {
  // A list can be forged only after a watch has ended.
  const relist: Action[] = [
    { do: 'compact' },
    ...[0, 1, 2].map((choice): Action => ({ do: 'cut', whose: 'leader', choice })),
  ];
  const others = Array.from({ length: roll(4) }, (): Action => {
    const whose = pick(roll, ['leader', 'leader', 'standby'] as const);
    return pick<Action>(roll, [
      { do: 'crash' },
      { do: 'crash' },
      { do: 'lose lease' },
      { do: 'crash standby' },
      { do: 'cut', whose, choice: roll(100) },
      { do: 'cut', whose, choice: roll(100) },
      { do: 'hang', whose, choice: roll(100) },
      { do: 'compact' },
      { do: 'wall clock', skew: (roll(3) - 1) * 3_600_000 },
    ]);
  });
  return forged > 0 ? [...others, ...relist] : others;
}

function randomRestarts(roll: Dice): Action[] {
  return Array.from({ length: 1 + roll(3) }, () =>
    pick<Action>(roll, [
      { do: 'crash' },
      { do: 'lose lease' },
      { do: 'compact' },
      { do: 'cut', whose: 'leader', choice: roll(100) },
    ]),
  );
}

/** At most one change in each namespace, as only the next plan sees a change that is made during a plan. */
function randomDrifts(roll: Dice): Action[] {
  return STABLE.filter(() => roll(2) === 0).map((namespace) => ({
    do: 'drift',
    namespace,
    choice: roll(1000),
    how: roll(1000),
  }));
}

/** Some of them are names that the operator needs. */
const FOREIGN_NAMES = ['theirs', 'p.default-deny', 'p.ingress', 'q.egress', 'other'];

function randomForeignPolicies(roll: Dice): Action[] {
  const only = (app: string) => ({
    podSelector: { matchLabels: { app } },
    policyTypes: ['Ingress'],
    ingress: [{ from: [{ ipBlock: { cidr: '203.0.113.0/25' } }] }],
  });
  const deny = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
  return STABLE.filter(() => roll(2) === 0).map((namespace) => ({
    do: 'foreign policy',
    namespace,
    name: pick(roll, FOREIGN_NAMES),
    spec: pick(roll, [only('a'), only('b'), deny, undefined, undefined]),
  }));
}
