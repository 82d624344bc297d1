/**
 * NetworkPolicies and Calico's own policies of generated profiles with peers by service account, judged by Calico's own
 * calculation of policies: a state allows what the profile means (by a definition of its own, below), and each write on the way
 * from one profile to another is neither wider (I1) nor cuts (I2), though both kinds isolate.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import type { KubeObject, LabelSelector } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import type { NetworkPolicy, PolicyType } from '../../../src/api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { CALICO_EXTENSIONS } from '../../../src/engines/calico/extensions.ts';
import { companionsOf } from '../../../src/engines/extensions/companions.ts';
import { planExtensions } from '../../../src/engines/extensions/plan.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { compile } from '../../../src/policy/compile.ts';
import { plan, type Step } from '../../../src/policy/planning/plan.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { facts, type FactsInput, ownerByLabels, profile } from '../../policy/fixture.ts';
import { cases, SEED } from './scale.ts';

const RUNS = cases(40);
const SHOP = { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop' } };

interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ip: string;
}
const pod = (place: string, ip: string, serviceAccount = 'default', label?: string): Pod => {
  const [namespace = '', name = ''] = place.split('/');
  const labels = { app: name, ...(label !== undefined && { [LABEL_SERVICE_ACCOUNT]: label }) };
  return { namespace, name, serviceAccount, labels, ip };
};
/** `old` is from before pods were labelled, and `forged` got the label of an account that it does not run as. */
const OWN = [pod('shop/web', '10.0.0.1'), pod('shop/db', '10.0.0.2')];
const OTHERS = [
  pod('other/client', '10.0.1.1', 'client', 'client'),
  pod('other/old', '10.0.1.2', 'client'),
  pod('other/tool', '10.0.1.3', 'tool', 'tool'),
  pod('other/forged', '10.0.1.4', 'default', 'tool'),
  pod('edge/client', '10.0.2.1', 'client'),
];
const PODS = [...OWN, ...OTHERS];
const CLUSTER: FactsInput = {
  accounts: { 'other/client': { unlabelled: 1 }, 'other/tool': { mislabelled: 1 } },
  engine: { kind: 'available', carries: CALICO_EXTENSIONS.carries },
};

interface Flow {
  readonly own: Pod;
  readonly other: Pod;
  readonly direction: PolicyType;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}
const FLOWS: readonly Flow[] = OWN.flatMap((own) =>
  OTHERS.flatMap((other) =>
    (['Ingress', 'Egress'] as const).flatMap((direction) => [
      { own, other, direction, protocol: 'TCP' as const, port: 80 },
      { own, other, direction, protocol: 'UDP' as const, port: 53 },
    ]),
  ),
);
const place = ({ namespace, name }: Pod) => `${namespace}/${name}`;
const flowText = ({ own, other, direction, protocol, port }: Flow) =>
  `${direction} of ${place(own)}, ${place(other)}, ${protocol} ${port}`;

const one = <T>(...values: T[]) => fc.constantFrom(...values);
const peer = one<Peer>(
  { serviceAccount: { namespace: 'other', name: 'client' } },
  { serviceAccount: { namespace: 'other', name: 'tool' } },
  { namespaces: ['edge'] },
  { namespaces: ['other'], podSelector: { matchLabels: { app: 'tool' } } },
);
interface RulePort {
  readonly protocol: 'TCP' | 'UDP';
  readonly port?: number;
  readonly endPort?: number;
}
const rule = fc.record(
  {
    podSelector: one<LabelSelector>(
      { matchLabels: { app: 'web' } },
      { matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] },
    ),
    peers: fc.uniqueArray(peer, { minLength: 1, maxLength: 2, selector: (each) => JSON.stringify(each) }),
    ports: one<RulePort[]>(
      [{ protocol: 'TCP', port: 80 }],
      [{ protocol: 'TCP', port: 1, endPort: 99 }, { protocol: 'UDP' }],
    ),
  },
  { requiredKeys: ['peers'] },
);
const rules = fc.array(rule, { maxLength: 3 });
const intent = fc.option(
  fc
    .record({
      isolation: one<PolicyType[]>(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
      ingress: rules,
      egress: rules,
    })
    .map(({ isolation, ingress, egress }) =>
      profile({
        isolation,
        ingress: ingress.map(({ peers, ...rest }, index) => ({ name: `r${index}`, from: peers, ...rest })),
        egress: egress.map(({ peers, ...rest }, index) => ({ name: `r${index}`, to: peers, ...rest })),
      }),
    ),
  { nil: undefined, freq: 4 },
);

function isPeer({ serviceAccount, namespaces = [], podSelector = {} }: Peer, other: Pod): boolean {
  if (serviceAccount !== undefined)
    return other.namespace === serviceAccount.namespace && other.serviceAccount === serviceAccount.name;
  return namespaces.includes(other.namespace) && matches(podSelector, other.labels);
}

/** A GlobalNetworkPolicy of somebody else, which isolates pods of the namespace and allows nothing. */
interface ForeignPolicy {
  readonly app: 'web' | 'db' | undefined;
  readonly direction: PolicyType;
  readonly order: number;
}
const foreignPolicy = fc.option(
  fc.record({
    app: one<ForeignPolicy['app']>('web', 'db', undefined),
    direction: one<PolicyType>('Ingress', 'Egress'),
    order: one(900, 2000),
  }),
  { nil: undefined },
);

function objectOf({ app, direction, order }: ForeignPolicy): KubeObject & { readonly spec: object } {
  const place = "projectcalico.org/namespace == 'shop'";
  return {
    apiVersion: 'projectcalico.org/v3',
    kind: 'GlobalNetworkPolicy',
    metadata: { name: 'default.foreign' },
    spec: {
      tier: 'default',
      order,
      ...(app === undefined
        ? { namespaceSelector: "kubernetes.io/metadata.name == 'shop'" }
        : { selector: `app == '${app}' && ${place}` }),
      types: [direction],
    },
  };
}

function isIsolatedBy(foreign: ForeignPolicy | undefined, { own, direction }: Flow): boolean {
  return (
    foreign !== undefined &&
    foreign.direction === direction &&
    (foreign.app === undefined || foreign.app === own.labels['app'])
  );
}

/** True if the profile means that the flow passes, beside the policy of somebody else. */
function isMeant(
  of: SegmentationProfile | undefined,
  flow: Flow,
  foreign: ForeignPolicy | undefined,
): boolean {
  const { own, other, direction, protocol, port } = flow;
  if (of === undefined || !of.spec.isolation.includes(direction)) return !isIsolatedBy(foreign, flow);
  const { ingress = [], egress = [] } = of.spec;
  const all =
    direction === 'Ingress'
      ? ingress.map(({ from, ...rest }) => ({ ...rest, peers: from }))
      : egress.map(({ to, ...rest }) => ({ ...rest, peers: to }));
  return all.some(
    ({ podSelector = {}, peers, ports }) =>
      matches(podSelector, own.labels) &&
      peers.some((each) => isPeer(each, other)) &&
      (ports === undefined ||
        ports.some(
          ({ protocol: which, port: first, endPort }) =>
            which === protocol &&
            (first === undefined || (Number(first) <= port && port <= (endPort ?? Number(first)))),
        )),
  );
}

interface State {
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  readonly extensions: ReadonlyMap<string, KubeObject>;
}
const NOTHING: State = { policies: new Map(), extensions: new Map() };
type Write = { readonly base: Step } | { readonly extension: ObjectStep };

/** The writes that lead to the profile, in order. */
function writesTo(
  wanted: SegmentationProfile | undefined,
  { policies, extensions }: State,
  foreign: ForeignPolicy | undefined,
): Write[] {
  const compiled =
    wanted === undefined ? { policies: [], extensions: [] } : compile(wanted, SHOP, facts(CLUSTER));
  const observed = [...extensions.values()];
  const context = { engine: CALICO_EXTENSIONS, ownerOf: () => 'segmented', kept: new Set<string>() };
  const planned = planExtensions(observed, compiled.extensions, context);
  const isolation = foreign && CALICO_EXTENSIONS.foreign?.ofCluster?.isolation(objectOf(foreign), SHOP);
  const ofCluster =
    typeof isolation === 'object' ? [{ metadata: { name: 'default.foreign' }, spec: isolation }] : [];
  const companions = companionsOf({ own: observed, foreign: [], ofCluster }, planned, CALICO_EXTENSIONS);
  const base = plan([...policies.values()], compiled.policies, {
    hasPods: true,
    ownerOf: ownerByLabels,
    companions,
  });
  const writes: Write[] = [];
  for (let done = 0; done <= base.steps.length; done++) {
    if (done === base.widenAt) writes.push(...planned.widen.map((extension) => ({ extension })));
    if (done === base.narrowAt) writes.push(...planned.narrow.map((extension) => ({ extension })));
    const step = base.steps[done];
    if (step !== undefined) writes.push({ base: step });
  }
  return writes;
}

function written({ policies, extensions }: State, write: Write): State {
  const [nextPolicies, nextExtensions] = [new Map(policies), new Map(extensions)];
  if ('base' in write) {
    const { base } = write;
    if (base.verb === 'delete') nextPolicies.delete(base.name);
    else nextPolicies.set(base.policy.metadata.name, base.policy);
  } else {
    const { extension } = write;
    if (extension.verb === 'delete') nextExtensions.delete(extension.before.metadata.name);
    else nextExtensions.set(extension.object.metadata.name, extension.object);
  }
  return { policies: nextPolicies, extensions: nextExtensions };
}

function statesTo(
  wanted: SegmentationProfile | undefined,
  from: State,
  foreign: ForeignPolicy | undefined,
): State[] {
  const states = [from];
  for (const write of writesTo(wanted, from, foreign)) states.push(written(states.at(-1) ?? NOTHING, write));
  return states;
}

const NAMESPACES = ['shop', 'other', 'edge'].map((name) => ({
  name,
  labels: { 'kubernetes.io/metadata.name': name },
}));
const ACCOUNTS = ['other', 'edge', 'shop'].flatMap((namespace) =>
  ['default', 'client', 'tool'].map((name) => ({ namespace, name })),
);

function questionOf({ policies, extensions }: State, foreign: ForeignPolicy | undefined): object {
  return {
    namespaces: NAMESPACES,
    accounts: ACCOUNTS,
    pods: PODS.map(({ ...each }) => ({ ...each, ports: [] })),
    policies: [...policies.values(), ...extensions.values(), ...(foreign ? [objectOf(foreign)] : [])],
    flows: FLOWS.map(({ own, other, direction, protocol, port }) => {
      const [from, to] = direction === 'Ingress' ? [other, own] : [own, other];
      return { from: place(from), to: place(to), protocol, port };
    }),
  };
}

(goIsThere ? describe : describe.skip)(`Calico's calculation of policies${skippedWithoutGo}`, function () {
  this.timeout('20m');

  it('allows with extensions what profiles mean, and neither more nor less at any write between', async () => {
    const binary = await goTool({
      name: 'calico-policies',
      module: 'calico-policies',
      package: '.',
      title: "Calico's calculation of policies",
      usualTime: 'it takes about two minutes on 2 cores',
    });
    const pairs = fc.sample(fc.tuple(intent, intent, foreignPolicy), { seed: SEED, numRuns: RUNS });
    const legs = pairs.flatMap(([from, to, foreign]) => {
      const first = statesTo(from, NOTHING, foreign);
      const second = statesTo(to, first.at(-1) ?? NOTHING, foreign);
      const third = statesTo(undefined, second.at(-1) ?? NOTHING, foreign);
      return [
        { before: undefined, after: from, foreign, states: first },
        { before: from, after: to, foreign, states: second },
        { before: to, after: undefined, foreign, states: third },
      ];
    });
    const questions = legs.flatMap(({ states, foreign }) => states.map((each) => questionOf(each, foreign)));
    const input = questions.map((each) => JSON.stringify(each)).join('\n');
    const { status, stdout, stderr } = spawnSync(binary, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
    assert.equal(status, 0, stderr);
    const answers = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly verdicts: readonly boolean[] });
    assert.equal(answers.length, questions.length);
    let at = 0;
    let extended = 0;
    for (const { before, after, foreign, states } of legs) {
      for (const [index, state] of states.entries()) {
        const { verdicts } = answers[at++] ?? { verdicts: [] };
        if (state.extensions.size > 0) extended += 1;
        const isEnd = index === states.length - 1;
        for (const [which, flow] of FLOWS.entries()) {
          const [old, next] = [before, after].map((each) => isMeant(each, flow, foreign));
          const now = verdicts[which];
          const where = () =>
            `${flowText(flow)}, after write ${index} of ${states.length - 1}: ${JSON.stringify({ before: before?.spec, after: after?.spec, foreign, state: { policies: [...state.policies.values()], extensions: [...state.extensions.values()] } })}`;
          if (isEnd) assert.equal(now, next, where());
          else if (now === true) assert.ok(old || next, `I1, wider: ${where()}`);
          else assert.ok(!(old && next), `I2, cut: ${where()}`);
        }
      }
    }
    // The run proves something only if many states have extensions.
    assert.ok(extended > RUNS, String(extended));
  });
});
