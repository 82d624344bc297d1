/**
 * NetworkPolicies and Calico's own policies of generated profiles with peers by service account, judged by Calico's own calculation
 * of policies: a state allows what the profile means (by a definition of its own, below), and each write on the way from one
 * profile to another is neither wider (I1) nor cuts (I2), though both kinds isolate.
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
import { facts, type FactsInput, profile } from '../../policy/fixture.ts';
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

/** True if the profile means that the flow passes. */
function isMeant(
  of: SegmentationProfile | undefined,
  { own, other, direction, protocol, port }: Flow,
): boolean {
  if (of === undefined || !of.spec.isolation.includes(direction)) return true;
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
function writesTo(wanted: SegmentationProfile | undefined, { policies, extensions }: State): Write[] {
  const compiled =
    wanted === undefined ? { policies: [], extensions: [] } : compile(wanted, SHOP, facts(CLUSTER));
  const observed = [...extensions.values()];
  const context = { engine: CALICO_EXTENSIONS, ownerOf: () => 'segmented', kept: new Set<string>() };
  const planned = planExtensions(observed, compiled.extensions, context);
  const companions = companionsOf({ own: observed, foreign: [] }, planned, CALICO_EXTENSIONS);
  const base = plan([...policies.values()], compiled.policies, {
    hasPods: true,
    isOurs: () => true,
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

function statesTo(wanted: SegmentationProfile | undefined, from: State): State[] {
  const states = [from];
  for (const write of writesTo(wanted, from)) states.push(written(states.at(-1) ?? NOTHING, write));
  return states;
}

const NAMESPACES = ['shop', 'other', 'edge'].map((name) => ({
  name,
  labels: { 'kubernetes.io/metadata.name': name },
}));
const ACCOUNTS = ['other', 'edge', 'shop'].flatMap((namespace) =>
  ['default', 'client', 'tool'].map((name) => ({ namespace, name })),
);

function questionOf({ policies, extensions }: State): object {
  return {
    namespaces: NAMESPACES,
    accounts: ACCOUNTS,
    pods: PODS.map(({ ...each }) => ({ ...each, ports: [] })),
    policies: [...policies.values(), ...extensions.values()],
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
    const pairs = fc.sample(fc.tuple(intent, intent), { seed: SEED, numRuns: RUNS });
    const paths = pairs.map(([from, to]) => {
      const start = statesTo(from, NOTHING);
      const last = start.at(-1) ?? NOTHING;
      return {
        legs: [
          { before: undefined, after: from, states: start },
          { before: from, after: to, states: statesTo(to, last) },
          { before: to, after: undefined, states: statesTo(undefined, statesTo(to, last).at(-1) ?? NOTHING) },
        ],
      };
    });
    const legs = paths.flatMap((each) => each.legs);
    const questions = legs.flatMap(({ states }) => states.map(questionOf));
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
    for (const { before, after, states } of legs) {
      for (const [index, state] of states.entries()) {
        const { verdicts } = answers[at++] ?? { verdicts: [] };
        if (state.extensions.size > 0) extended += 1;
        const isEnd = index === states.length - 1;
        for (const [which, flow] of FLOWS.entries()) {
          const [old, next, now] = [isMeant(before, flow), isMeant(after, flow), verdicts[which]];
          const where = () =>
            `${flowText(flow)}, after write ${index} of ${states.length - 1}: ${JSON.stringify({ before: before?.spec, after: after?.spec, state: { policies: [...state.policies.values()], extensions: [...state.extensions.values()] } })}`;
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
