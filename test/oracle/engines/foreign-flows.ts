/**
 * Clusters of pods under a profile, with foreign policies that open and cut flows: what the audit finds in them, to compare
 * with the engine whose policies they are.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { GroupName } from '../../../src/analysis/group.ts';
import { ANY_ADDRESS_NAME } from '../../../src/analysis/model/address-blocks.ts';
import type { PortRange } from '../../../src/analysis/model/ports.ts';
import { type Widening, widenings } from '../../../src/analysis/widening.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { AuditContext } from '../../../src/audit/context.ts';
import { enginePolicies } from '../../../src/engines/layers/kinds.ts';
import type { AuditPod } from '../../../src/audit/snapshot.ts';
import { engineView } from '../../../src/engines/layers/view.ts';
import { containsCidr, parseAddress, parseCidr } from '../../../src/policy/semantics/cidr.ts';
import { namespace, own, pod, world } from '../../audit/world.ts';
import { judgeOf } from '../../engines/layers/verdicts.ts';

export const NAMESPACES = [
  namespace('a', { team: 'x' }),
  namespace('b', { team: 'y' }),
  namespace('c', { team: 'x' }),
];
export const PODS = NAMESPACES.flatMap(({ name }) =>
  ['web', 'db'].map((app) =>
    pod(`${name}/${app}`, {
      serviceAccountName: `sa-${app}`,
      containers: [{ name: app, ports: [{ name: 'main', containerPort: app === 'web' ? 80 : 90 }] }],
    }),
  ),
);
const PORTS = [80, 85, 90];
const PROTOCOLS = ['TCP', 'UDP'] as const;

export const one = <T>(...values: T[]) => fc.constantFrom(...values);
export const few = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: 1, maxLength: 2 });
export const optional = <T>(each: fc.Arbitrary<T>) => fc.option(each, { nil: undefined });
/** Without keys that are undefined, as on the wire. */
export const wire = <T extends object>(each: fc.Arbitrary<T>) =>
  each.map((value) => JSON.parse(JSON.stringify(value)) as T);

export const names = one('a', 'b', 'c');
export const apps = one<object>({}, { matchLabels: { app: 'web' } }, { matchLabels: { app: 'db' } });
export const teams = one<object>({}, { matchLabels: { team: 'x' } }, { matchLabels: { team: 'y' } });
const peer = fc.oneof(
  apps.map((podSelector) => ({ podSelector })),
  fc.record({ podSelector: apps, namespaceSelector: teams }),
  one({ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '203.0.113.0/24' } }),
);
const port = one<object>(
  { protocol: 'TCP', port: 80 },
  { protocol: 'UDP', port: 90 },
  { protocol: 'TCP', port: 80, endPort: 89 },
);
const spec = (direction: 'Ingress' | 'Egress') =>
  wire(
    fc.record({
      podSelector: apps,
      policyTypes: fc.constant([direction]),
      [direction.toLowerCase()]: few(
        fc.record({
          [direction === 'Ingress' ? 'from' : 'to']: optional(few(peer)),
          ports: optional(few(port)),
        }),
      ),
    }),
  );
/** The namespace and the spec of a NetworkPolicy. */
export const placed = fc.tuple(names, fc.oneof(spec('Ingress'), spec('Egress')));
export type Placed = typeof placed extends fc.Arbitrary<infer T> ? T : never;

/** The directions that the profile isolates in each namespace. */
export const isolation = fc.tuple(...NAMESPACES.map(() => directions()));

function directions() {
  return fc.oneof(
    { weight: 3, arbitrary: one<readonly ('Ingress' | 'Egress')[]>(['Ingress', 'Egress']) },
    { weight: 1, arbitrary: one<readonly ('Ingress' | 'Egress')[]>(['Ingress'], ['Egress']) },
  );
}

export interface Cluster {
  /** The policies of the profile. */
  readonly base: readonly NetworkPolicy[];
  readonly foreign: readonly NetworkPolicy[];
  /** Policies of the engine's own kinds, and what they go by. */
  readonly objects: readonly KubeObject[];
  readonly isolation: typeof isolation extends fc.Arbitrary<infer T> ? T : never;
}

/** The profile's policies: a default-deny of each namespace, and its rules in the directions that it isolates. */
export function baseOf(rules: readonly Placed[], isolated: Cluster['isolation']): NetworkPolicy[] {
  const isolates = (where: string, made: Placed[1]) =>
    isolated[NAMESPACES.findIndex(({ name }) => name === where)]?.includes(
      (made.policyTypes ?? [])[0] ?? 'Ingress',
    );
  return [
    ...NAMESPACES.map(({ name }, index) => own(`${name}/deny`, { policyTypes: isolated[index] ?? [] })),
    ...rules
      .filter(([where, made]) => isolates(where, made))
      .map(([where, made], index) => own(`${where}/own-${index}`, made)),
  ];
}

export interface Flow {
  /** NAMESPACE/NAME of a pod, or an address. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
}

const ENDS = PODS.map(({ namespace, name }) => `${namespace}/${name}`);
const onPorts = (from: string, to: string): Flow[] =>
  PORTS.flatMap((port) => PROTOCOLS.map((protocol) => ({ from, to, port, protocol })));

/** All flows between two pods. */
export const FLOWS: readonly Flow[] = ENDS.flatMap((from) =>
  ENDS.filter((to) => to !== from).flatMap((to) => onPorts(from, to)),
);

/** Flows of pods with addresses. */
export const outsideFlows = (addresses: readonly string[]): Flow[] =>
  ENDS.flatMap((end) => addresses.flatMap((address) => [...onPorts(end, address), ...onPorts(address, end)]));

export const flowText = ({ from, to, port, protocol }: Flow) => `${from} > ${to} ${protocol} ${port}`;

/** True if the profile isolates both ends of the flow. */
function isIsolated({ from, to }: Flow, { isolation: isolated }: Cluster): boolean {
  const of = (end: string, direction: 'Ingress' | 'Egress') =>
    isolated[NAMESPACES.findIndex(({ name }) => end.startsWith(`${name}/`))]?.includes(direction) === true;
  return of(from, 'Egress') && of(to, 'Ingress');
}

export const named = (kind: string) => (each: NetworkPolicy) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind,
  ...each,
});

/** The engine's verdicts about FLOWS: under the profile alone, and with all policies. */
export interface Verdicts {
  readonly before: readonly boolean[];
  readonly after: readonly boolean[];
}

export interface Comparison {
  /** Names the cluster in messages. */
  readonly title: string;
  readonly engine: EngineFacts;
}

/** The settings of the engine as the audit knows them. */
export interface EngineFacts {
  readonly podsInIPBlocks: boolean;
  /** Pods of the engine's agent, which are no end of a flow here. */
  readonly agents: readonly AuditPod[];
}

/**
 * Asserts that the audit finds the flows that the verdicts show to be opened and cut. An end that the profile does not
 * isolate is left to foreign policies, so that nothing is cut there. Returns the number of flows that are opened and cut.
 */
export function assertSameFlows(
  cluster: Cluster,
  { before, after }: Verdicts,
  { title, engine }: Comparison,
): { readonly opened: number; readonly cut: number } {
  const found = foundIn(cluster, FLOWS, engine);
  const opened = FLOWS.filter((_, index) => before[index] === false && after[index] === true);
  const cut = FLOWS.filter(
    (flow, index) => before[index] === true && after[index] === false && isIsolated(flow, cluster),
  );
  const isJudged = new Set(FLOWS.filter((flow) => isIsolated(flow, cluster)).map(flowText));
  const foundCut = [...found.cut].filter((text) => isJudged.has(text));
  const context = `${title}: ${JSON.stringify(cluster)}`;
  assert.deepEqual([...found.opened], opened.map(flowText), `opened in ${context}`);
  assert.deepEqual(foundCut, cut.map(flowText), `cut in ${context}`);
  return { opened: opened.length, cut: cut.length };
}

/** Asserts that the evaluation of all layers has the engine's verdicts on the flows, and none is unknown. */
export function assertSameVerdicts(
  { base, foreign, objects }: Cluster,
  flows: readonly Flow[],
  expected: readonly boolean[],
  { title, engine: { podsInIPBlocks, agents } }: Comparison,
): void {
  const state = world({
    namespaces: NAMESPACES,
    pods: [...PODS, ...agents],
    policies: [...base, ...foreign],
  });
  const ofKind = (kind: string) => objects.filter((each) => each.kind === kind);
  const judge = judgeOf({ ...state, objects: ofKind, isRead: () => true }, { podsInIPBlocks });
  const wrong = flows.flatMap((flow, index) => {
    const { verdict, by, dependsOn } = judge(flow);
    const isRight = verdict === (expected[index] === true ? 'allowed' : 'denied');
    return isRight ? [] : [`${flowText(flow)}: ${verdict} by ${JSON.stringify(by ?? dependsOn)}`];
  });
  assert.deepEqual(wrong, [], `${title}: ${JSON.stringify({ base, foreign, objects })}`);
}

/** The flows that the audit finds to be opened, and those that it finds to be cut, among `flows`. */
export function foundIn(
  { base, foreign, objects }: Cluster,
  flows: readonly Flow[],
  { podsInIPBlocks, agents }: EngineFacts,
): { opened: Set<string>; cut: Set<string> } {
  const context = new AuditContext(
    world({
      namespaces: NAMESPACES,
      pods: [...PODS, ...agents],
      policies: [...base, ...foreign],
      objects,
    }),
    { registries: [] },
  );
  const known = { pods: context.snapshot.pods, labelsOf: (name: string) => context.labelsOf(name) };
  const view = engineView(known, enginePolicies(context.snapshot));
  const found = widenings(
    { namespaces: NAMESPACES, pods: view.pods, policies: [...base, ...foreign, ...view.policies] },
    {
      judged: new Set([...foreign, ...view.policies]),
      additive: view.additive,
      ranks: view.ranks,
      podsInIPBlocks,
      groupOf: ({ namespace, name }) => ({ namespace, kind: 'Pod', name }),
    },
  );
  return { opened: flowsOf(found, flows, false), cut: flowsOf(found, flows, true) };
}

function flowsOf(found: readonly Widening[], flows: readonly Flow[], isCut: boolean): Set<string> {
  const includes = (ports: readonly PortRange[], flow: Flow) =>
    ports.some(
      (range) => range.protocol === flow.protocol && range.from <= flow.port && flow.port <= range.to,
    );
  const changed = found.filter((each) => each.isCut === isCut).flatMap((each) => each.flows);
  return new Set(
    flows
      .filter((flow) =>
        changed.some(
          ({ from, to, ports }) => isEnd(from, flow.from) && isEnd(to, flow.to) && includes(ports, flow),
        ),
      )
      .map(flowText),
  );
}

/** True if the group is the pod of this name, or has the address. */
function isEnd({ namespace, name }: GroupName, end: string): boolean {
  const address = parseAddress(end);
  if (address === undefined) return `${namespace}/${name}` === end;
  if (name === ANY_ADDRESS_NAME) return true;
  const single = parseCidr(`${end}/32`);
  const has = (text: string) => {
    const block = parseCidr(text);
    return block !== undefined && single !== undefined && containsCidr(block, single);
  };
  const [whole = '', holes = ''] = name.split(' except ');
  return has(whole) && !holes.split(', ').some(has);
}
