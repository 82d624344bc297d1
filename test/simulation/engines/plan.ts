/** Adds to a plan the peers that only network engines carry, and people who change the engine and its objects. Pure. */
import type { Engine, EngineSetting, GuardKind } from '../../../src/engines/engine.ts';
import { type Dice, pick } from '../../faults/model.ts';
import {
  type Action,
  NAMESPACES,
  type Plan,
  type Round,
  STABLE,
  withActions,
  withSpecs,
} from '../schedule/actions.ts';
import { definitionName } from '../server/definitions.ts';
import type { DefinitionForm, EngineAction } from './actions.ts';
import { GUARD_KINDS } from './guards.ts';
import { MESH_KINDS } from './mesh.ts';

/** The kinds that the operator writes on an engine. */
export const KINDS_OF: Readonly<Record<Engine, readonly string[]>> = {
  Cilium: ['ciliumnetworkpolicies.cilium.io'],
  Calico: [
    'networkpolicies.projectcalico.org',
    'stagedkubernetesnetworkpolicies.projectcalico.org',
    'stagednetworkpolicies.projectcalico.org',
  ],
  GKE: ['fqdnnetworkpolicies.networking.gke.io'],
};

/** Gives profiles guards, and adds people who change their objects. A guard is not enforced beside a rollout of its profile. */
export function withGuards(
  plan: Plan,
  roll: Dice,
  nextId: () => number,
  guard = pick<GuardKind>(roll, ['ClusterNetworkPolicy', 'GlobalNetworkPolicy']),
): Plan {
  const guarded = withSpecs(plan, (spec) => {
    const isRolledOut = ((spec as { readonly rollout?: object | null }).rollout ?? null) !== null;
    const mode = pick(roll, ['Enforce', 'Enforce', 'Enforce', 'Audit', 'Disabled']);
    return { ...spec, guard: { mode: isRolledOut && mode === 'Enforce' ? 'Audit' : mode } };
  });
  const changed = withActions(guarded, roll, nextId, (round, index) =>
    guardActions(guard, roll, round, index),
  );
  return { ...changed, engine: { setting: 'None', ...plan.engine, guard } };
}

/** Gives profiles an overlay of identities, and adds people who change the mesh and its objects. */
export function withMesh(plan: Plan, roll: Dice, nextId: () => number): Plan {
  const meshed = withSpecs(plan, (spec) => {
    const isIngress = (spec as Spec).isolation.includes('Ingress');
    const authorization = pick(roll, ['Enforce', 'Enforce', 'Enforce', 'Audit', 'Disabled']);
    const mtls = pick(roll, ['Strict', 'Disabled', 'Disabled']);
    const none = { authorization: 'Disabled', mtls: 'Disabled' };
    return { ...spec, mesh: isIngress ? { authorization, mtls } : none };
  });
  const changed = withActions(meshed, roll, nextId, (round, index) => meshActions(roll, round, index));
  return { ...changed, engine: { setting: 'None', ...plan.engine, hasMesh: true } };
}

function meshActions(roll: Dice, { isQuiet }: Round, index: number): Action[] {
  if (isQuiet) return [];
  const kinds = MESH_KINDS.map(definitionName);
  const actions = Array.from({ length: roll(5) }, (): EngineAction => {
    const kind = pick(roll, kinds);
    const namespace = pick(roll, STABLE);
    return pick<EngineAction>(roll, [
      { do: 'definition', kind, form: pick(roll, FORMS) },
      { do: 'permission', kind, isGranted: roll(2) === 0 },
      { do: 'inject', namespace, isInjected: roll(3) > 0 },
      { do: 'inject', namespace, isInjected: roll(3) > 0 },
      { do: 'mesh', part: pick(roll, ['injector', 'configuration']), isThere: roll(2) === 0 },
      { do: 'engine drift', namespace, choice: roll(100), how: roll(100) },
      { do: 'engine drift', namespace, choice: roll(100), how: roll(100) },
    ]);
  });
  const mended: EngineAction[] = [
    ...kinds.flatMap((kind): EngineAction[] => [
      { do: 'definition', kind, form: 'current' },
      { do: 'permission', kind, isGranted: true },
    ]),
    { do: 'mesh', part: 'injector', isThere: true },
    { do: 'mesh', part: 'configuration', isThere: true },
    ...(index === 0
      ? STABLE.filter(() => roll(3) > 0).map(
          (namespace): EngineAction => ({ do: 'inject', namespace, isInjected: true }),
        )
      : []),
  ];
  return index === 0 || roll(3) > 0 ? [...mended, ...actions] : [...actions, ...mended];
}

function guardActions(guard: GuardKind, roll: Dice, { isQuiet }: Round, index: number): Action[] {
  if (isQuiet) return [];
  const { guard: own, others } = GUARD_KINDS[guard];
  const kinds = [own, ...others].map(definitionName);
  const actions = Array.from({ length: roll(4) }, (): EngineAction => {
    const kind = pick(roll, kinds);
    const drift: EngineAction = { do: 'engine drift', namespace: 'a', choice: roll(100), how: roll(100) };
    return pick<EngineAction>(roll, [
      { do: 'definition', kind, form: pick(roll, FORMS) },
      { do: 'permission', kind, isGranted: roll(2) === 0 },
      guard === 'GlobalNetworkPolicy' ? { do: 'tier', isThere: roll(2) === 0 } : drift,
      drift,
      drift,
    ]);
  });
  const mended: EngineAction[] = [
    ...kinds.flatMap((kind): EngineAction[] => [
      { do: 'definition', kind, form: 'current' },
      { do: 'permission', kind, isGranted: true },
    ]),
    ...(guard === 'GlobalNetworkPolicy' ? [{ do: 'tier', isThere: true } as const] : []),
  ];
  return index === 0 || roll(3) > 0 ? [...mended, ...actions] : [...actions, ...mended];
}

export function withEngine(
  plan: Plan,
  roll: Dice,
  nextId: () => number,
  engine = pick<Engine>(roll, ['Cilium', 'Calico', 'GKE']),
): Plan {
  const setting = pick<EngineSetting>(roll, [engine, engine, 'Auto']);
  const peered = withSpecs(plan, (spec) => withPeers(spec as Spec, engine, roll));
  const changed = withActions(peered, roll, nextId, (round, index) =>
    randomActions(engine, roll, { round, index, hasRollouts: plan.hasRollouts }),
  );
  return { ...changed, engine: { engine, setting } };
}

interface Spec {
  readonly isolation: readonly string[];
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

function withPeers(spec: Spec, engine: Engine, roll: Dice): object {
  const rules = (direction: 'Ingress' | 'Egress', end: 'from' | 'to') =>
    spec.isolation.includes(direction)
      ? ['e1', 'e2'].slice(0, roll(3)).map((name) => ({
          name: `${direction.toLowerCase()}-${name}`,
          ...pick(roll, [{}, { podSelector: { matchLabels: { app: 'a' } } }]),
          [end]: [randomPeer(engine, direction, roll)],
          ...pick(roll, [{}, { ports: [{ port: 8080 }] }, { ports: [{ port: 9090 }] }]),
        }))
      : [];
  return {
    ...spec,
    ingress: [...(spec.ingress ?? []), ...rules('Ingress', 'from')],
    egress: [...(spec.egress ?? []), ...rules('Egress', 'to')],
  };
}

function randomPeer(engine: Engine, direction: 'Ingress' | 'Egress', roll: Dice): object {
  const account = { serviceAccount: { namespace: pick(roll, STABLE), name: pick(roll, ['one', 'two']) } };
  const names = {
    fqdn: {
      names: pick(roll, [
        ['api.payments.example'],
        ['more.example'],
        ['*.wild.example', 'api.payments.example'],
      ]),
    },
  };
  if (engine === 'Calico') return pick(roll, [account, account, { namespaces: [pick(roll, NAMESPACES)] }]);
  if (direction === 'Ingress')
    return engine === 'GKE'
      ? { namespaces: [pick(roll, NAMESPACES)] }
      : pick<object>(roll, [account, { entity: 'Nodes' }]);
  return engine === 'GKE' ? names : pick<object>(roll, [names, names, account, { entity: 'Nodes' }]);
}

const FORMS: readonly DefinitionForm[] = ['current', 'older', 'defaulting', 'later', 'gone'];

function randomActions(
  engine: Engine,
  roll: Dice,
  {
    round,
    index,
    hasRollouts,
  }: { readonly round: Round; readonly index: number; readonly hasRollouts: boolean },
): Action[] {
  if (round.isQuiet) return [];
  const kind = pick(roll, KINDS_OF[engine]);
  const actions = Array.from({ length: roll(4) }, (): EngineAction => {
    const namespace = pick(roll, STABLE);
    return pick<EngineAction>(roll, [
      { do: 'definition', kind, form: pick(roll, FORMS) },
      { do: 'definition', kind, form: pick(roll, FORMS) },
      // Extensions of Calico and GKE isolate: without the permission to delete them, their namespaces fail.
      engine === 'Cilium'
        ? { do: 'permission', kind, isGranted: roll(2) === 0 }
        : { do: 'definition', kind, form: pick(roll, FORMS) },
      // Gates of rollouts read DaemonSets too, and would stop for as long.
      { do: 'permission', kind: 'daemonsets.apps', isGranted: roll(2) === 0 || hasRollouts },
      {
        do: 'agent',
        engine: roll(4) > 0 ? engine : 'Calico',
        state: pick(roll, ['ready', 'starting', 'gone']),
      },
      { do: 'configure', setting: pick(roll, [engine, engine, 'Auto', 'Cilium', 'GKE']) },
      { do: 'engine drift', namespace, choice: roll(100), how: roll(100) },
      { do: 'engine drift', namespace, choice: roll(100), how: roll(100) },
      {
        do: 'foreign object',
        engine,
        namespace,
        name: pick(roll, ['p.egress', 'q.ingress', 'default.p.egress', 'theirs']),
        isThere: roll(3) > 0,
      },
    ]);
  });
  // Later rounds mostly have an engine that can be used.
  const mended = KINDS_OF[engine].flatMap((each): EngineAction[] => [
    { do: 'definition', kind: each, form: 'current' },
    { do: 'permission', kind: each, isGranted: true },
  ]);
  return index === 0 || roll(3) > 0 ? [...mended, ...actions] : [...actions, ...mended];
}
