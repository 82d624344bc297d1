/**
 * Schedules of meshes and guards among policies of others, from version 9 of the generator on. In each, somebody else's
 * NetworkPolicies open pods, so that it shows what guards and overlays deny. Pure.
 */
import { type Dice, pick } from '../../faults/model.ts';
import {
  type Action,
  pause,
  type Plan,
  type Round,
  STABLE,
  withActions,
  withSpecs,
} from '../schedule/actions.ts';
import { definitionName } from '../server/definitions.ts';
import type { EngineAction } from './actions.ts';
import { MESH_KINDS } from './mesh.ts';
import { withEngine, withGuards, withMesh } from './plan.ts';

const EVERY = [{ namespaceSelector: {} }];

/** Policies of people who let pods in, or out, past what profiles allow; undefined deletes one. */
const OPENINGS: readonly (object | undefined)[] = [
  { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: EVERY }] },
  {
    podSelector: { matchLabels: { app: 'a' } },
    policyTypes: ['Ingress'],
    ingress: [{ from: EVERY, ports: [{ protocol: 'TCP', port: 8080 }] }],
  },
  { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: EVERY }] },
  undefined,
];

/** A fifth of the seeds has sidecars, a fifth Calico's staged policies beside guards, and the others ambient mode. */
export function withIdentities(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const opened = withOpenings(plan, roll, nextId, OPENINGS);
  const kind = plan.seed % 5;
  if (kind === 0) return withSidecars(opened, roll, nextId);
  if (kind === 1) return withStaged(opened, roll, nextId);
  const ambient = withAmbient(opened, roll, nextId);
  return kind === 2 ? withGuards(ambient, roll, nextId) : ambient;
}

/** In each round, up to two foreign policies are written or deleted. */
export function withOpenings(
  plan: Plan,
  roll: Dice,
  nextId: () => number,
  specs: readonly (object | undefined)[],
): Plan {
  return withActions(plan, roll, nextId, () =>
    Array.from(
      { length: roll(3) },
      (): Action => ({
        do: 'foreign policy',
        namespace: pick(roll, STABLE),
        name: pick(roll, ['theirs', 'other']),
        spec: pick(roll, specs),
      }),
    ),
  );
}

/** Pods out of the mesh, whose connections strict mutual TLS would cut, beside those that are in it. */
export function withSidecars(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const meshed = withMesh(plan, roll, nextId);
  return withSpecs(meshed, (spec) => {
    const { mesh } = spec as { readonly mesh: { readonly authorization: string; readonly mtls: string } };
    return { ...spec, mesh: { ...mesh, mtls: pick(roll, ['Strict', 'Strict', mesh.mtls]) } };
  });
}

/** Profiles in Audit, whose policies Calico stages, beside guards that are enforced, staged or neither. */
function withStaged(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const engine = withEngine(plan, roll, nextId, 'Calico');
  const audited = withSpecs(engine, (spec) => ({ ...spec, mode: pick(roll, ['Audit', 'Enforce']) }));
  return withGuards(audited, roll, nextId, 'GlobalNetworkPolicy');
}

interface Spec {
  readonly isolation: readonly string[];
  readonly baseline: object;
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

interface Rule {
  readonly ports?: readonly { readonly port: number | string }[];
}

/** Profiles that ask for the tunnel of namespaces in ambient mode, which come and go. */
export function withAmbient(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const meshed = withSpecs(plan, (spec) => ambientSpec(spec as Spec, roll));
  const changed = withActions(meshed, roll, nextId, (round, index) => ambientActions(roll, round, index));
  const mended = withEnd(changed, roll, nextId);
  return { ...mended, engine: { setting: 'None', ...plan.engine, hasMesh: true, hasAmbient: true } };
}

/** Ends each round with a mesh that can be read and written: until then, nobody knows what the tunnel may carry. */
function withEnd(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const mended = [
    ...MESH_KINDS.map(definitionName).flatMap((kind): EngineAction[] => [
      { do: 'definition', kind, form: 'current' },
      { do: 'permission', kind, isGranted: true },
    ]),
    ...(['injector', 'configuration'] as const).map(
      (part): EngineAction => ({ do: 'mesh', part, isThere: true }),
    ),
  ];
  const rounds = plan.rounds.map((round) => {
    if (round.isQuiet) return round;
    const steps = mended.map((action) => ({ id: nextId(), after: pause(roll), action }));
    return { ...round, steps: [...round.steps, ...steps] };
  });
  return { ...plan, rounds };
}

function ambientSpec(spec: Spec, roll: Dice): object {
  // The tunnel carries no rules for egress with ports, and none with named ports.
  const isolation = pick(roll, [['Ingress'], ['Ingress'], spec.isolation]);
  const numbered = (rules: readonly Rule[]) =>
    rules.map((rule) =>
      rule.ports?.some(({ port }) => port === 'http') === true && roll(4) > 0
        ? { ...rule, ports: [{ port: pick(roll, [8080, 9090]) }] }
        : rule,
    );
  const isIngress = isolation.includes('Ingress');
  return {
    ...spec,
    isolation,
    ingress: isIngress ? numbered(spec.ingress ?? []) : [],
    egress: isolation.includes('Egress') ? (spec.egress ?? []) : [],
    baseline: { ...spec.baseline, mesh: pick(roll, ['Allow', 'Allow', 'Allow', 'Deny']) },
    mesh: {
      authorization: isIngress
        ? pick(roll, ['Enforce', 'Enforce', 'Enforce', 'Audit', 'Disabled'])
        : 'Disabled',
      mtls: isIngress ? pick(roll, ['Strict', 'Disabled', 'Disabled']) : 'Disabled',
    },
  };
}

function ambientActions(roll: Dice, { isQuiet }: Round, index: number): EngineAction[] {
  if (isQuiet) return [];
  const kinds = MESH_KINDS.map(definitionName);
  const begins =
    index === 0
      ? STABLE.filter(() => roll(4) > 0).map(
          (namespace): EngineAction => ({ do: 'ambient', namespace, isAmbient: true }),
        )
      : [];
  const actions = Array.from({ length: roll(5) }, (): EngineAction => {
    const namespace = pick(roll, STABLE);
    const kind = pick(roll, kinds);
    return pick<EngineAction>(roll, [
      { do: 'ambient', namespace, isAmbient: roll(3) > 0 },
      { do: 'ambient', namespace, isAmbient: roll(3) > 0 },
      { do: 'acceptance', how: pick(roll, ['slow', 'lost', 'refused', 'prompt']) },
      { do: 'acceptance', how: pick(roll, ['slow', 'lost', 'refused', 'prompt']) },
      { do: 'definition', kind, form: pick(roll, ['older', 'later', 'gone']) },
      { do: 'permission', kind, isGranted: false },
      { do: 'mesh', part: pick(roll, ['injector', 'configuration']), isThere: false },
      { do: 'engine drift', namespace, choice: roll(100), how: roll(100) },
      { do: 'engine drift', namespace, choice: roll(100), how: roll(100) },
    ]);
  });
  return [...begins, ...actions];
}
