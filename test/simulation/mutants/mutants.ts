/** Deliberate faults of the operator, each with a schedule that shows it. */
import type { Acceptance, EngineScene } from '../engines/actions.ts';
import type { Action } from '../schedule/actions.ts';
import { handmadePlan as plan, writeProfile as write } from '../schedule/handmade.ts';
import type { Edit, Mutant } from './mutant.ts';

const CUT = /^I2, cut/;
const WIDER = /^I1, wider/;

const from = (namespace: string, ...ports: readonly number[]) => ({
  name: `from-${namespace}`,
  from: [{ namespaces: [namespace] }],
  ports: ports.map((port) => ({ port })),
});
const ofApp = (app: string) => ({ podSelector: { matchLabels: { app } } });
const fromApp = (namespace: string, app: string, port: number) => ({
  name: `from-${namespace}-${app}`,
  from: [{ namespaces: [namespace], ...ofApp(app) }],
  ports: [{ port }],
});

/** Somebody else opens the pods of a namespace to everyone. */
const opened: Action = {
  do: 'foreign policy',
  namespace: 'a',
  name: 'theirs',
  spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] },
};

const POLICIES: readonly Mutant[] = [
  {
    name: 'a cover is deleted before the policies that it stands for are there',
    edits: [
      {
        file: 'src/policy/planning/plan.ts',
        find: '(hasPods ? STAGES : STAGES_WITHOUT_PODS)',
        replace: `['cover', 'uncover', ...STAGES.filter((each) => each !== 'cover' && each !== 'uncover')]`,
      },
    ],
    reported: CUT,
    plan: plan(undefined, [write({ ingress: [{ ...from('b', 8080), ...ofApp('a') }, from('c', 9090)] })]),
  },
  {
    name: 'foreign NetworkPolicies are taken for own ones',
    edits: [
      {
        file: 'src/controller/namespace/enforce.ts',
        find: 'this.#parts.clusterState.ownerOfPolicy(policy)',
        replace: `this.#parts.clusterState.ownerOfPolicy(policy) ?? 'p'`,
      },
    ],
    reported: /^I5, the operator changed the foreign policy/,
    plan: plan(undefined, [opened, write({ ingress: [from('b', 8080)] })]),
  },
];

const CALICO_GUARD: EngineScene = { setting: 'None', guard: 'GlobalNetworkPolicy' };
const GUARD_PLAN = 'src/engines/guards/plan.ts';
const guarded = (...ingress: readonly object[]) => write({ guard: { mode: 'Enforce' }, ingress });
const audited = (...ingress: readonly object[]) => write({ guard: { mode: 'Audit' }, ingress });
const fromOffice = { name: 'office', from: [{ ipBlock: { cidr: '203.0.113.0/25' } }] };
const fromService = { name: 'service', from: [{ service: { namespace: 'b', name: 'ext' } }] };

const GUARDS: readonly Mutant[] = [
  {
    name: 'a guard passes nothing while it is widened',
    edits: [
      {
        file: GUARD_PLAN,
        find: 'isSameForm(union, observed) ? undefined : union',
        replace: `isSameForm(union, observed) ? undefined : {
          subject: union.subject,
          rules: Object.fromEntries(Object.entries(union.rules).map(([key, rules]) => [key, rules.slice(-1)])),
        }`,
      },
    ],
    reported: CUT,
    plan: plan(CALICO_GUARD, [guarded(from('b', 8080))], [guarded(from('b', 8080), from('c', 9090))]),
  },
  {
    name: 'a guard denies nothing while it is widened',
    edits: [
      {
        file: GUARD_PLAN,
        find: 'isSameForm(union, observed) ? undefined : union',
        replace: 'isSameForm(union, observed) ? undefined : { subject: union.subject, rules: {} }',
      },
    ],
    reported: WIDER,
    plan: plan(CALICO_GUARD, [opened, guarded(from('b', 8080))], [guarded(from('b', 8080), fromOffice)]),
  },
  {
    name: 'a guard lacks one of its passes',
    edits: [
      { file: GUARD_PLAN, find: 'rules[direction] = own', replace: 'rules[direction] = own.slice(-1)' },
    ],
    reported: CUT,
    plan: plan(CALICO_GUARD, [write({ ingress: [fromOffice] })], [guarded(fromOffice)]),
  },
  {
    name: 'a guard loses the passes of peers that can not be resolved any more',
    edits: [{ file: GUARD_PLAN, find: '!unresolved.has(direction)', replace: 'true' }],
    reported: CUT,
    plan: plan(
      CALICO_GUARD,
      [{ do: 'endpoints', addresses: ['203.0.113.7'] }, guarded(fromService)],
      [{ do: 'endpoints', addresses: [] }, guarded(fromService, from('b', 9090))],
    ),
  },
  {
    name: 'a guard is deleted and created again where it has to be updated',
    edits: [
      {
        file: 'src/controller/guards/writer.ts',
        find: 'objects.write({ ...step, object }, signal)',
        replace: `before === undefined
          ? objects.write({ ...step, object }, signal)
          : objects.write({ verb: 'delete', before }, signal).then(() =>
              objects.write({ verb: 'create', object: { ...object, metadata: { name: object.metadata.name, labels: object.metadata.labels } } }, signal))`,
      },
    ],
    reported: /^I3, the operator deleted .*, which every intent keeps/,
    plan: plan(CALICO_GUARD, [guarded(from('b', 8080))], [guarded(from('b', 8080), fromOffice)]),
  },
  {
    name: 'a guard is enforced for a profile that asks for Audit',
    edits: [{ file: 'src/controller/guards/guards.ts', find: `mode === 'Audit'`, replace: 'false' }],
    reported: CUT,
    plan: plan(CALICO_GUARD, [opened, write({ ingress: [from('b', 8080)] })], [audited(from('b', 8080))]),
  },
  {
    name: 'a staged guard is written as one that enforces',
    edits: [
      { file: 'src/controller/guards/staged.ts', find: 'staging.plural', replace: 'carrier.plural' },
      {
        file: 'src/engines/calico/guard/carrier.ts',
        find: 'stagedForm(STAGED_KIND, guard)',
        replace: 'guard',
      },
    ],
    reported: CUT,
    plan: plan(CALICO_GUARD, [opened, write({ ingress: [from('b', 8080)] })], [audited(from('b', 8080))]),
  },
];

const AMBIENT: EngineScene = { setting: 'None', hasMesh: true, hasAmbient: true };
const ENFORCE = 'src/controller/namespace/enforce.ts';
/** The overlay changes before the NetworkPolicies that it is to restrict. */
const OVERLAY_FIRST: Edit = {
  file: ENFORCE,
  find: 'this.#apply(planned, extensions, attempt)',
  replace:
    'overlay.apply(attempt, { onlyWidens: false }).then(() => this.#apply(planned, extensions, attempt))',
};
const CHOICE = 'src/engines/istio/ambient/choose.ts';
const SAFE = 'connections(entrances, permits).every((each) => isWithin(each, allowed, labelsOf))';
const baseline = { dns: 'Deny', sameNamespace: 'Deny', admissionWebhooks: 'Deny', mesh: 'Allow' };
const identified = (...ingress: readonly object[]) =>
  write({ baseline, mesh: { authorization: 'Enforce', mtls: 'Disabled' }, ingress });
const unidentified = (...ingress: readonly object[]) =>
  write({ baseline, mesh: { authorization: 'Disabled', mtls: 'Disabled' }, ingress });
const redirected = ['a', 'b', 'c'].map(
  (namespace): Action => ({ do: 'ambient', namespace, isAmbient: true }),
);
const istiod = (how: Acceptance): Action => ({ do: 'acceptance', how });

const TUNNELS: readonly Mutant[] = [
  {
    name: 'the tunnel opens before istiod has accepted the overlay',
    edits: [{ file: 'src/engines/istio/ambient/plan.ts', find: 'failure === undefined', replace: 'true' }],
    reported: WIDER,
    plan: plan(AMBIENT, [identified(from('b', 8080))], [istiod('slow'), ...redirected]),
  },
  {
    name: 'permits have their ports in a field that Istio does not know',
    edits: [
      {
        file: 'src/engines/istio/ambient/objects.ts',
        find: '{ operation: { ports: [port, ...ports] } }',
        replace: '{ operation: { port: [port, ...ports] } }',
      },
      {
        file: 'src/engines/istio/ambient/objects.ts',
        find: `recordOf(recordOf(each)['operation'])['ports']`,
        replace: `recordOf(recordOf(each)['operation'])['port']`,
      },
    ],
    reported: WIDER,
    plan: plan(AMBIENT, [identified(from('b', 8080))], redirected),
  },
  {
    name: 'the overlay of a tunnel goes before the tunnel is closed',
    edits: [
      OVERLAY_FIRST,
      {
        file: 'src/controller/mesh/overlay.ts',
        find: '!hasTunnel && this.#tunnels.isOpen(namespace.key)',
        replace: 'false',
      },
    ],
    reported: WIDER,
    plan: plan(AMBIENT, [...redirected, identified(from('b', 8080))], [unidentified(from('b', 8080))]),
  },
  {
    name: 'the overlay of a tunnel goes once somebody else opens the namespace',
    edits: [
      {
        file: 'src/engines/istio/ambient/plan.ts',
        find: 'overlayOf([...profiles, ...held], choice, context.trustDomain)',
        replace: `policies.some(({ metadata }) => metadata.name === 'theirs') ? [] : overlayOf([...profiles, ...held], choice, context.trustDomain)`,
      },
    ],
    reported: /^I3, the operator emptied p\.default-deny, which every intent keeps/,
    plan: plan(AMBIENT, [...redirected, identified()], [opened]),
  },
  {
    name: 'permits are written while older entrances let in more than they mean',
    edits: [OVERLAY_FIRST, { file: CHOICE, find: SAFE, replace: 'true' }],
    reported: WIDER,
    plan: plan(AMBIENT, [identified(from('c', 8080))], redirected, [
      istiod('slow'),
      identified(fromApp('c', 'a', 9090)),
    ]),
  },
  {
    name: 'passages that let in each other are chosen together',
    edits: [
      { file: CHOICE, find: 'leaks(each, other) || leaks(other, each)', replace: 'false' },
      { file: CHOICE, find: SAFE, replace: 'true' },
    ],
    reported: WIDER,
    plan: plan(AMBIENT, [identified(fromApp('c', 'a', 8080), fromApp('c', 'b', 9090))], redirected),
  },
];

const MESH: EngineScene = { setting: 'None', hasMesh: true };
const OVERLAY = 'src/engines/istio/overlay.ts';
const MUTUAL_TLS = 'src/engines/istio/mutual-tls.ts';
const injected = (...namespaces: readonly string[]) =>
  namespaces.map((namespace): Action => ({ do: 'inject', namespace, isInjected: true }));
const overlaid = (...ingress: readonly object[]) =>
  write({ mesh: { authorization: 'Enforce', mtls: 'Disabled' }, ingress });
const encrypted = (...ingress: readonly object[]) =>
  write({ mesh: { authorization: 'Disabled', mtls: 'Strict' }, ingress });

const unencrypted = (...ingress: readonly object[]) =>
  write({ mesh: { authorization: 'Disabled', mtls: 'Disabled' }, ingress });

const OVERLAYS: readonly Mutant[] = [
  {
    name: 'the default-deny of an overlay is created before its permits',
    edits: [{ file: OVERLAY, find: '[...ruled, ...denying]', replace: '[...denying, ...ruled]' }],
    reported: CUT,
    plan: plan(
      MESH,
      [...injected('a', 'b'), write({ ingress: [from('b', 8080)] })],
      [overlaid(from('b', 8080))],
    ),
  },
  {
    name: 'an overlay of several policies begins without a cover',
    edits: [
      {
        file: OVERLAY,
        find: 'standing(transitionPolicies(beginning, before, ownerOf))',
        replace: '[]',
      },
    ],
    reported: CUT,
    plan: plan(
      MESH,
      [
        ...injected('a', 'b', 'c'),
        write({ ingress: [{ ...from('b', 8080), ...ofApp('a') }, from('c', 9090)] }),
      ],
      [overlaid({ ...from('b', 8080), ...ofApp('a') }, from('c', 9090))],
    ),
  },
  {
    name: 'a policy of an overlay loses rules before another one has them',
    edits: [
      {
        file: OVERLAY,
        find: '{ add, remove: [final], isBridged: false }',
        replace: '{ add: [final], remove: [], isBridged: false }',
      },
    ],
    reported: CUT,
    plan: plan(
      MESH,
      [...injected('a', 'b', 'c'), overlaid(from('b', 8080), from('c', 9090))],
      [overlaid({ ...from('b', 8080), ...ofApp('a') }, from('c', 8080))],
    ),
  },
  {
    name: 'mutual TLS becomes strict although it cuts a rule',
    edits: [{ file: MUTUAL_TLS, find: '!isPossible && remove.length === 0', replace: 'false' }],
    reported: CUT,
    plan: plan(MESH, [...injected('a'), write({ ingress: [from('b', 8080)] })], [encrypted(from('b', 8080))]),
  },
  {
    name: 'strict mutual TLS is removed before the rules whose peers it refuses',
    edits: [OVERLAY_FIRST],
    reported: WIDER,
    plan: plan(
      MESH,
      [...injected('a', 'c'), encrypted(from('c', 8080))],
      [encrypted(from('b', 8080), from('c', 8080))],
      [unencrypted(from('c', 8080))],
    ),
  },
  {
    name: 'strict mutual TLS stays after the last profile that asked for it',
    edits: [
      {
        file: MUTUAL_TLS,
        find: `{ state: 'off', steps: remove }`,
        replace: `{ state: 'off', steps: [] }`,
      },
    ],
    reported: /^I8, .* PeerAuthentication p\.default-deny is left/,
    plan: plan(
      MESH,
      [...injected('a', 'c'), encrypted(from('c', 8080))],
      [unencrypted(from('b', 8080), from('c', 8080))],
    ),
  },
];

const ROOT: Mutant = {
  name: 'an overlay is written in the root namespace of the mesh',
  edits: [
    {
      file: 'src/policy/mesh.ts',
      find: 'facts.controlPlanes.some(({ rootNamespace }) => rootNamespace === name)',
      replace: 'false',
    },
  ],
  reported: /^I2, AuthorizationPolicy .* of the root namespace holds for the whole mesh/,
  plan: plan({ ...MESH, rootNamespace: 'c' }, [...injected('b', 'c'), overlaid(from('b', 8080))]),
};

const CILIUM: EngineScene = { engine: 'Cilium', setting: 'Cilium' };
const CALICO: EngineScene = { engine: 'Calico', setting: 'Calico' };
const toName = { name: 'name', to: [{ fqdn: { names: ['api.payments.example'] } }] };
const fromAccount = { name: 'account', from: [{ serviceAccount: { namespace: 'b', name: 'one' } }] };
const leaving = (...egress: readonly object[]) => write({ isolation: ['Egress'], egress });

const EXTENSIONS: readonly Mutant[] = [
  {
    name: 'extensions are deleted before those that take their place are created',
    edits: [
      { file: ENFORCE, find: 'extensions.widen(attempt)', replace: 'extensions.narrow(attempt)' },
      { file: ENFORCE, find: 'extensions.narrow(attempt)', replace: 'extensions.widen(attempt)' },
    ],
    reported: CUT,
    plan: plan(CILIUM, [leaving(toName)], [leaving({ ...toName, ...ofApp('a') })]),
  },
  {
    name: 'extensions of Cilium isolate',
    edits: [
      {
        file: 'src/engines/cilium/compile.ts',
        find: '{ ingress: false, egress: false }',
        replace: '{ ingress: true, egress: true }',
      },
    ],
    reported: CUT,
    plan: plan(CILIUM, [leaving(toName, { name: 'b', to: [{ namespaces: ['b'] }] })]),
  },
  {
    name: 'extensions of Calico, which isolate, have no place in the plan of NetworkPolicies',
    edits: [
      {
        file: 'src/controller/engines/extensions.ts',
        find: 'companions && { companions }',
        replace: '{}',
      },
    ],
    reported: CUT,
    plan: plan(CALICO, [write({ ingress: [fromAccount, from('c', 8080)] })]),
  },
  {
    name: 'foreign objects of an engine are taken for own ones',
    edits: [
      {
        file: 'src/engines/extensions/plan.ts',
        find: 'owner === undefined || isKept(object, owner)',
        replace: 'owner !== undefined && isKept(object, owner)',
      },
    ],
    reported: /^I4, a delete without preconditions/,
    plan: plan(CALICO, [
      { do: 'foreign object', engine: 'Calico', namespace: 'a', name: 'theirs', isThere: true },
      write({ ingress: [fromAccount] }),
    ]),
  },
];

export const MUTANTS: readonly Mutant[] = [
  ...POLICIES,
  ...GUARDS,
  ...TUNNELS,
  ...OVERLAYS,
  ROOT,
  ...EXTENSIONS,
];
