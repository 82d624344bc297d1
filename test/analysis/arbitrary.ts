/**
 * Generated clusters, for property tests. The universe is small on purpose (three namespaces, two values a key,
 * a dozen CIDRs around the pods' addresses), so that selectors, ranges and ports meet often. Every policy is one
 * that the API server accepts.
 */
import * as fc from 'fast-check';
import type { LabelSelector, SelectorOperator, StringMap } from '../../src/api/meta.ts';
import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
  PolicyType,
  Protocol,
} from '../../src/api/network-policy.ts';
import type {
  ClusterView,
  ContainerPort,
  Endpoint,
  Flow,
  Namespace,
  Pod,
} from '../../src/analysis/cluster.ts';

/** Every value that a label can have here; the last is named by no selector. */
export const LABEL_VALUES = ['red', 'blue', '', 'unnamed'] as const;
const LABEL_KEYS = ['app', 'tier'] as const;
const NAMESPACES = ['alpha', 'beta', 'gamma'] as const;
const PORT_NAMES = ['http', 'dns'] as const;
/** Container ports and policy ports, and one between that only ranges hold. */
const PORTS = [53, 80, 85, 8080] as const;
const NODES = ['node-1', 'node-2'] as const;

const protocol = fc.constantFrom<Protocol>('TCP', 'UDP', 'SCTP');
export const labels: fc.Arbitrary<StringMap> = fc.dictionary(
  fc.constantFrom(...LABEL_KEYS),
  fc.constantFrom(...LABEL_VALUES),
);

const named = fc.constantFrom(...LABEL_VALUES.slice(0, 3));
export const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({}) },
  {
    weight: 4,
    arbitrary: fc.record(
      {
        matchLabels: fc.dictionary(fc.constantFrom(...LABEL_KEYS), named, { maxKeys: 1 }),
        matchExpressions: fc.array(
          fc.oneof(
            fc.record({
              key: fc.constantFrom(...LABEL_KEYS),
              operator: fc.constantFrom<SelectorOperator>('In', 'NotIn'),
              values: fc.uniqueArray(named, { minLength: 1, maxLength: 2 }),
            }),
            fc.record({
              key: fc.constantFrom(...LABEL_KEYS),
              operator: fc.constantFrom<SelectorOperator>('Exists', 'DoesNotExist'),
            }),
          ),
          { maxLength: 2 },
        ),
      },
      { requiredKeys: [] },
    ),
  },
);

const block = (cidr: string, ...holes: string[]): fc.Arbitrary<IPBlock> =>
  fc.oneof(
    fc.constant({ cidr }),
    fc.uniqueArray(fc.constantFrom(...holes)).map((except) => ({ cidr, except })),
  );
const ipBlock: fc.Arbitrary<IPBlock> = fc.oneof(
  block('0.0.0.0/0', '10.0.0.0/8', '10.0.1.0/24', '198.51.100.0/24', '10.0.0.2/32'),
  block('10.0.0.0/16', '10.0.1.0/24', '10.0.0.0/30', '10.0.2.2/32'),
  block('10.0.0.0/30', '10.0.0.1/32', '10.0.0.2/31'),
  block('198.51.100.0/24', '198.51.100.0/25', '198.51.100.7/32'),
  block('::/0', 'fd00::/8', 'fd00:0:0:1::/64', '2001:db8::/32'),
  block('fd00::/48', 'fd00:0:0:1::/64', 'fd00::/126', 'fd00::2/128'),
  block('2001:db8::/32', '2001:db8::7/128'),
);

const peer: fc.Arbitrary<NetworkPolicyPeer> = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ namespaceSelector: selector, podSelector: selector }),
  fc.record({ ipBlock }),
);

const policyPort: fc.Arbitrary<NetworkPolicyPort> = fc
  .tuple(
    fc.option(protocol, { nil: undefined }),
    fc.oneof(
      fc.constant({}),
      fc.record({ port: fc.constantFrom(...PORTS) }),
      fc.record({ port: fc.constantFrom(...PORT_NAMES) }),
      fc.constantFrom({ port: 80, endPort: 90 }, { port: 53, endPort: 53 }, { port: 1, endPort: 65535 }),
    ),
  )
  .map(([protocol, port]) => ({ ...(protocol && { protocol }), ...port }));

/** Absent, empty, or one to three of `item`. */
const list = <T>(item: fc.Arbitrary<T>): fc.Arbitrary<T[] | undefined> =>
  fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant<T[]>([]) },
    { weight: 6, arbitrary: fc.array(item, { minLength: 1, maxLength: 3 }) },
  );

/** An object of the parts that are defined. */
function parts<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

export const ingressRule = fc.record({ from: list(peer), ports: list(policyPort) }).map(parts);
export const egressRule = fc.record({ to: list(peer), ports: list(policyPort) }).map(parts);

export const policySpec: fc.Arbitrary<NetworkPolicySpec> = fc
  .record({
    podSelector: fc.option(selector, { nil: undefined, freq: 10 }),
    policyTypes: fc.constantFrom<PolicyType[] | undefined>(
      undefined,
      [],
      ['Ingress'],
      ['Egress'],
      ['Ingress', 'Egress'],
    ),
    ingress: list(ingressRule),
    egress: list(egressRule),
  })
  .map(parts);

export const policies = (maxLength: number): fc.Arbitrary<NetworkPolicy[]> =>
  fc
    .array(fc.record({ namespace: fc.constantFrom(...NAMESPACES), spec: policySpec }), { maxLength })
    .map((list) =>
      list.map(({ namespace, spec }, i) => ({ metadata: { namespace, name: `policy-${i}` }, spec })),
    );

export const namespaces: fc.Arbitrary<Namespace[]> = fc
  .tuple(...NAMESPACES.map(() => labels))
  .map((all) =>
    NAMESPACES.map((name, i) => ({ name, labels: { ...all[i], 'kubernetes.io/metadata.name': name } })),
  );

const containerPort: fc.Arbitrary<ContainerPort> = fc
  .record({
    name: fc.option(fc.constantFrom(...PORT_NAMES), { nil: undefined }),
    containerPort: fc.constantFrom(...PORTS),
    protocol: fc.option(protocol, { nil: undefined }),
  })
  .map(parts);

/** One to five dual-stack pods with addresses of their own. */
export const pods: fc.Arbitrary<Pod[]> = fc
  .array(
    fc.record({
      namespace: fc.nat(NAMESPACES.length - 1),
      labels,
      ports: fc.option(fc.array(containerPort, { maxLength: 3 }), { nil: undefined }),
      hostNetwork: fc.option(fc.boolean(), { nil: undefined, freq: 4 }),
      node: fc.option(fc.constantFrom(...NODES), { nil: undefined }),
      v6First: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((list) =>
    list.map(({ namespace, v6First, ...rest }, i) => {
      const ips = [`10.0.${namespace}.${i}`, `fd00:0:0:${namespace}::${i}`];
      return parts<Pod>({
        ...rest,
        namespace: NAMESPACES[namespace] ?? '',
        name: `pod-${i}`,
        ips: v6First ? ips.toReversed() : ips,
      });
    }),
  );

const OUTSIDE = {
  4: ['198.51.100.7', '198.51.100.200', '203.0.113.1', '10.0.1.200'],
  6: ['2001:db8::7', '2001:db8:1::1', '2001:db9::1', 'fd00:0:0:1::f'],
} as const;

/** A flow between two of the pods, or a pod and an address; never between two addresses. */
export function flow(pods: readonly Pod[]): fc.Arbitrary<Flow> {
  return fc.constantFrom<(4 | 6)[]>(4, 6).chain((family) => {
    const pod = fc.constantFrom(...pods).map((pod): Endpoint => ({ kind: 'pod', pod }));
    const external: fc.Arbitrary<Endpoint> = fc
      .record({
        kind: fc.constant('external' as const),
        ip: fc.constantFrom(...OUTSIDE[family]),
        node: fc.option(fc.constantFrom(...NODES), { nil: undefined, freq: 2 }),
      })
      .map(parts<Endpoint & { kind: 'external' }>);
    const ends = fc.oneof(
      { weight: 3, arbitrary: fc.record({ from: pod, to: pod }) },
      { weight: 1, arbitrary: fc.record({ from: external, to: pod }) },
      { weight: 1, arbitrary: fc.record({ from: pod, to: external }) },
    );
    return fc
      .record({ ends, port: fc.constantFrom(...PORTS), protocol })
      .map(({ ends, port, protocol }) => ({ ...ends, port, protocol, family }));
  });
}

/** A cluster and flows in it. */
export const scenario: fc.Arbitrary<{ view: ClusterView; flows: Flow[] }> = fc
  .record({ namespaces, pods, policies: policies(5) })
  .chain((view) =>
    fc.array(flow(view.pods), { minLength: 1, maxLength: 12 }).map((flows) => ({ view, flows })),
  );
