/**
 * *allowed = not guard denies and (not isolated or base or extensions) and overlay* while all of its parts change, from any
 * prefix of the writes of an earlier change, beside foreign objects. The effects of objects are those of the simulation, by the
 * documentation of their kinds.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Pod } from '../../src/analysis/cluster.ts';
import type { KubeObject } from '../../src/api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, MANAGER } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../src/api/profile.ts';
import { CALICO_GUARD } from '../../src/engines/calico/guard/carrier.ts';
import { CLUSTER_NETWORK_POLICY } from '../../src/engines/cluster-network-policy/carrier.ts';
import { desiredOverlay } from '../../src/controller/namespace/desired.ts';
import type { ProfileIntent } from '../../src/controller/namespace/gather.ts';
import { companionsOf } from '../../src/engines/extensions/companions.ts';
import type { ExtensionEngine } from '../../src/engines/extensions/engine.ts';
import { EXTENSION_ENGINES } from '../../src/engines/extensions/engines.ts';
import { planExtensions } from '../../src/engines/extensions/plan.ts';
import type { GuardCarrier, GuardForm } from '../../src/engines/guards/carrier.ts';
import { planGuard } from '../../src/engines/guards/plan.ts';
import { planAuthorization } from '../../src/engines/istio/overlay.ts';
import type { ObjectStep } from '../../src/engines/object-step.ts';
import { compile, type Compiled } from '../../src/policy/compile.ts';
import { compileGuard, NOTHING_ADDED } from '../../src/policy/guard/compile.ts';
import { plan } from '../../src/policy/planning/plan.ts';
import { facts, profile, runs, SHOP } from '../policy/fixture.ts';
import { ACCOUNT, effectsOf, IDENTITIES } from '../simulation/engines/effects.ts';
import { EXTENSION_KIND } from '../simulation/engines/users.ts';
import {
  AUTHORIZATION_POLICY,
  CALICO_GLOBAL,
  CLUSTER_POLICY,
  type Kind,
  type Stored,
} from '../simulation/server/kinds.ts';
import { Judge, type LayeredPolicy } from '../support/judge/judge.ts';

const pod = (namespace: string, index: number, app: string, account: string): Pod => ({
  namespace,
  name: `${app}-${index}`,
  labels: { app, [ACCOUNT]: account },
  ips: [`10.0.${namespace.length}.${index}`],
});
const PODS = [
  pod('shop', 1, 'web', 'one'),
  pod('shop', 2, 'db', 'two'),
  pod('front', 1, 'web', 'one'),
  pod('legacy', 1, 'web', 'two'),
];
const labelsOf = (name: string) => ({ 'kubernetes.io/metadata.name': name });
const LABELS = new Map([
  ['shop', SHOP.labels],
  ['front', labelsOf('front')],
  ['legacy', labelsOf('legacy')],
]);
const MESH = new Set(['shop', 'front']);
const PLACE = { ...SHOP, isInMesh: (name: string) => MESH.has(name) };
const judge = new Judge(PODS, IDENTITIES);
const GUARD_KIND: Readonly<Record<GuardCarrier['kind'], Kind>> = {
  ClusterNetworkPolicy: CLUSTER_POLICY,
  GlobalNetworkPolicy: CALICO_GLOBAL,
};

/** All that decides about the flows of the namespace. */
interface State {
  readonly policies: readonly NetworkPolicy[];
  readonly extensions: readonly KubeObject[];
  readonly overlay: readonly KubeObject[];
  readonly guard: KubeObject | undefined;
}

interface Target {
  readonly profile: SegmentationProfile | undefined;
  readonly isGuarded: boolean;
  readonly isInMesh: boolean;
}

interface World {
  readonly engine: ExtensionEngine;
  readonly carrier: GuardCarrier;
}

const isOurs = ({ metadata }: KubeObject) => metadata.labels?.[LABEL_MANAGED_BY] === MANAGER;
const ownerOf = (object: KubeObject) =>
  isOurs(object) ? object.metadata.labels?.[LABEL_PROFILE] : undefined;
const NOTHING: Compiled = { policies: [], extensions: [], unresolved: [], connections: [] };

function factsOn({ engine }: World) {
  return facts({
    nodes: [{ addresses: ['172.18.0.3'] }],
    accounts: Object.fromEntries(
      ['front/one', 'legacy/two'].map((each) => [
        each,
        { failure: { reason: 'NotInstalled' as const, message: 'not installed' } },
      ]),
    ),
    engine: { kind: 'available', carries: engine.carries },
  });
}

function written(objects: readonly KubeObject[], step: ObjectStep): KubeObject[] {
  const { name } = (step.verb === 'delete' ? step.before : step.object).metadata;
  const others = objects.filter(({ metadata }) => metadata.name !== name);
  return step.verb === 'delete' ? others : [...others, step.object];
}

/** The states after each write from `start` to the target, as the operator orders them. */
function* states(start: State, target: Target, world: World): Generator<State, void, undefined> {
  const { engine, carrier } = world;
  let state = start;
  const to = (change: Partial<State>) => (state = { ...state, ...change });
  const compiled = target.profile ? compile(target.profile, SHOP, factsOn(world)) : NOTHING;
  const guard = guardPlan(state.guard, target, world);
  const guardOf = (form: GuardForm): KubeObject => ({
    ...carrier.objectOf(form, 1),
    metadata: { name: 'p' },
  });
  if (guard === undefined && state.guard !== undefined) yield to({ guard: undefined });
  if (guard?.widened !== undefined) yield to({ guard: guardOf(guard.widened) });
  const intents: readonly ProfileIntent[] = target.profile
    ? [{ profile: target.profile, relation: 'enforce', compiled }]
    : [];
  const desired = desiredOverlay(intents, new Map(), { observed: [], ownerOf, isGated: () => false });
  const overlay = () =>
    planAuthorization(
      state.overlay,
      {
        ...desired,
        modes: new Map(target.isInMesh && target.profile ? [['segmented', 'Enforce']] : []),
      },
      { identities: { trustDomain: 'cluster.local', isInMesh: PLACE.isInMesh }, ownerOf, meshWide: [] },
    );
  const extensions = planExtensions(state.extensions, compiled.extensions, {
    engine,
    ownerOf,
    kept: new Set(),
  });
  const companions = companionsOf(
    { own: state.extensions.filter(isOurs), foreign: [], ofCluster: [] },
    extensions,
    engine,
  );
  const { steps, widenAt, narrowAt } = plan(state.policies, compiled.policies, {
    hasPods: true,
    ownerOf,
    companions,
  });
  for (let done = 0; done <= steps.length; done++) {
    for (const step of done === widenAt ? extensions.widen : [])
      yield to({ extensions: written(state.extensions, step) });
    for (const step of done === narrowAt ? extensions.narrow : [])
      yield to({ extensions: written(state.extensions, step) });
    const step = steps[done];
    if (step === undefined) continue;
    const { name } = step.verb === 'delete' ? step : step.policy.metadata;
    const others = state.policies.filter(({ metadata }) => metadata.name !== name);
    yield to({ policies: step.verb === 'delete' ? others : [...others, step.policy] });
  }
  const { widen, narrow } = overlay();
  for (const step of [...widen, ...narrow]) yield to({ overlay: written(state.overlay, step) });
  yield to({ guard: guard?.final && guardOf(guard.final) });
}

function guardPlan(observed: KubeObject | undefined, target: Target, world: World) {
  const { carrier } = world;
  if (target.profile === undefined || !target.isGuarded) return undefined;
  const made = carrier.compile(
    compileGuard(target.profile, {
      profiles: [target.profile],
      namespaces: [SHOP],
      protectedNamespaces: [],
      cluster: factsOn(world),
      added: NOTHING_ADDED,
    }),
  );
  assert.equal(made.kind, 'compiled');
  const form = observed && carrier.read(observed)?.form;
  return planGuard(form, made.form, { unresolved: new Set(), carrier });
}

function total({ policies, extensions, overlay, guard }: State, { engine, carrier }: World): LayeredPolicy[] {
  const of = (kind: Kind, objects: readonly KubeObject[]) =>
    objects.flatMap((object) => effectsOf(kind, object as Stored, PLACE));
  return [
    ...policies,
    ...of(EXTENSION_KIND[engine.engine], extensions),
    ...of(AUTHORIZATION_POLICY, overlay),
    ...of(GUARD_KIND[carrier.kind], guard === undefined ? [] : [guard]),
  ];
}

/** The policies once somebody has opened one of the operator's to everyone, if there is any. */
function opened(policies: readonly NetworkPolicy[], choice: number): readonly NetworkPolicy[] {
  const own = policies.filter((each) => isOurs(each) && (each.spec.ingress ?? []).length > 0);
  const chosen = own[choice % own.length];
  return policies.map((each) =>
    each === chosen ? { ...each, spec: { ...each.spec, ingress: [{}] } } : each,
  );
}

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const NAMES: readonly Peer[] = [
  { fqdn: { names: ['api.payments.example'] } },
  { fqdn: { names: ['*.wild.example', 'more.example'] } },
];
const BOTH: readonly Peer[] = [
  { namespaces: ['front'] },
  { namespaces: ['legacy'] },
  { ipBlock: { cidr: '203.0.113.0/24' } },
  { podSelector: {} },
];
const ACCOUNTS: readonly Peer[] = [
  { serviceAccount: { namespace: 'front', name: 'one' } },
  { serviceAccount: { namespace: 'legacy', name: 'two' } },
];

function peersOn({ engine: { carries } }: World, direction: 'Ingress' | 'Egress'): Peer[] {
  return [
    ...BOTH,
    ...(carries.has('names') && direction === 'Egress' ? NAMES : []),
    ...(carries.has('serviceAccount') ? ACCOUNTS : []),
    ...(carries.has('nodes') ? [{ entity: 'Nodes' } as const] : []),
  ];
}

function targets(world: World, isFixed: Partial<Target>): fc.Arbitrary<Target> {
  const rules = (end: 'from' | 'to', direction: 'Ingress' | 'Egress') =>
    fc
      .array(
        fc.record({
          podSelector: one(undefined, { matchLabels: { app: 'web' } }),
          [end]: fc.array(one(...peersOn(world, direction)), { minLength: 1, maxLength: 2 }),
          ports: one(undefined, [{ port: 8080 }], [{ port: 9090 }]),
        }),
        { maxLength: 3 },
      )
      .map((list) => list.map((rule, index) => ({ name: `${end}-${index}`, ...rule })));
  const made = fc
    .record({
      isolation: one<('Ingress' | 'Egress')[]>(['Ingress', 'Egress'], ['Egress'], ['Ingress']),
      ingress: rules('from', 'Ingress'),
      egress: rules('to', 'Egress'),
    })
    .map(({ isolation, ingress, egress }) => {
      const spec: unknown = JSON.parse(
        JSON.stringify({
          isolation,
          namespaceSelector: { matchLabels: { team: 'red' } },
          ingress: isolation.includes('Ingress') ? ingress : [],
          egress: isolation.includes('Egress') ? egress : [],
        }),
      );
      return profile(spec as Parameters<typeof profile>[0]);
    });
  return fc.record({
    profile: fc.option(made, { nil: undefined, freq: 6 }),
    isGuarded: fc.constantFrom(...(isFixed.isGuarded === undefined ? [true, false] : [isFixed.isGuarded])),
    isInMesh: fc.constantFrom(...(isFixed.isInMesh === undefined ? [true, false] : [isFixed.isInMesh])),
  });
}

const foreignPolicies = fc.subarray<NetworkPolicy>([
  {
    metadata: { name: 'theirs', namespace: 'shop' },
    spec: {
      podSelector: { matchLabels: { app: 'db' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ namespaceSelector: { matchLabels: labelsOf('legacy') } }] }],
    },
  },
  {
    metadata: { name: 'segmented.egress', namespace: 'shop' },
    spec: {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ ports: [{ protocol: 'TCP', port: 9090 }] }],
    },
  },
]);

describe('what guards, policies, extensions and overlays allow together', () => {
  for (const engine of EXTENSION_ENGINES)
    for (const carrier of engine.engine === 'Calico'
      ? [CLUSTER_NETWORK_POLICY, CALICO_GUARD]
      : [CLUSTER_NETWORK_POLICY])
      it(`is never wider and cuts nothing at any write on ${engine.engine} with a ${carrier.kind}`, () => {
        const world: World = { engine, carrier };
        // Where a guard and an overlay both restrict foreign policies, each is loosened in its own time: foreign ones are left out.
        // A guard is loosened before the policies of any namespace change, so beside it nobody opens these.
        const cases = one<readonly [Partial<Target>, boolean]>(
          [{ isGuarded: true }, false],
          [{ isInMesh: true }, false],
          [{ isGuarded: false }, true],
          [{ isGuarded: false, isInMesh: true }, true],
          [{ isInMesh: false }, true],
        ).chain(([isFixed, hasForeign]) =>
          fc.record({
            foreign: hasForeign ? foreignPolicies : fc.constant([]),
            changes: fc.array(
              fc.record({
                target: targets(world, isFixed),
                stop: fc.nat(30),
                opens: isFixed.isGuarded === false ? fc.option(fc.nat(9), { freq: 2 }) : fc.constant(null),
              }),
              { minLength: 2, maxLength: 4 },
            ),
          }),
        );
        let writes = 0;
        fc.assert(
          fc.property(cases, ({ foreign, changes }) => {
            let state: State = { policies: foreign, extensions: [], overlay: [], guard: undefined };
            for (const { target, stop, opens } of changes) {
              if (opens !== null) state = { ...state, policies: opened(state.policies, opens) };
              const path = [state, ...states(state, target, world)];
              const totals = path.map((each) => total(each, world));
              const references = [totals[0] ?? [], totals.at(-1) ?? []];
              for (const policies of totals.slice(1, -1)) {
                writes += 1;
                const fault = judge.fault({ namespace: 'shop', policies, references, labels: LABELS });
                assert.equal(fault, undefined);
              }
              // The operator is killed at one of the writes, or after the last.
              state = path[Math.min(stop, path.length - 1)] ?? state;
            }
          }),
          { numRuns: runs(40) },
        );
        assert.ok(writes >= runs(40), `${writes} writes`);
      });
});
