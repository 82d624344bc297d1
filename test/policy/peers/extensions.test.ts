import assert from 'node:assert/strict';
import type { Peer } from '../../../src/api/profile.ts';
import { compile } from '../../../src/policy/compile.ts';
import type { EngineFacts, ExtensionKind } from '../../../src/policy/extensions.ts';
import { facts, type FactsInput, profile, SHOP } from '../fixture.ts';

const ALL: ReadonlySet<ExtensionKind> = new Set([
  'kubeAPIServer',
  'nodes',
  'engineIngress',
  'serviceAccount',
  'names',
  'deepNames',
  'namePorts',
]);
const AVAILABLE: EngineFacts = { kind: 'available', carries: ALL };
const MISSING: EngineFacts = { kind: 'missing', carries: ALL, reason: 'NotInstalled', message: 'install it' };
const FQDN: Peer = { fqdn: { names: ['api.example.com'] } };

const CLUSTER: FactsInput = {
  services: {
    'kube-system/kube-dns': {
      selector: { dns: 'yes' },
      ports: [{ protocol: 'UDP', port: 53, targetPort: 5353 }],
    },
    'default/kubernetes': { ports: [{ port: 443 }], clusterIPs: ['10.96.0.1'] },
  },
  endpoints: { 'default/kubernetes': [{ addresses: ['172.18.0.2'], ports: [{ port: 6443 }] }] },
  nodes: [{ addresses: ['172.18.0.3'] }],
};

const compiled = (to: Peer[], input: FactsInput = {}, rule: object = {}) =>
  compile(profile({ egress: [{ name: 'rule', to, ...rule }] }), SHOP, facts({ ...CLUSTER, ...input }));

describe('extension of a peer', () => {
  it('exists for names, the API server and nodes, beside the addresses of the latter two', () => {
    const { policies, extensions, unresolved } = compiled(
      [FQDN, { entity: 'KubeAPIServer' }, { entity: 'Nodes' }],
      { engine: AVAILABLE },
    );
    assert.deepEqual(unresolved, []);
    const [extension] = extensions;
    assert.ok(extension && extensions.length === 1);
    assert.deepEqual(
      extension.rules.map(({ peer, ports, note }) => [peer.kind, ports?.map(({ port }) => port), note.peer]),
      [
        ['names', undefined, 'fqdn api.example.com'],
        ['kubeAPIServer', [443, 6443], 'entity KubeAPIServer'],
        ['nodes', undefined, 'entity Nodes'],
      ],
    );
    const egress = policies.find(({ metadata }) => metadata.name === 'segmented.egress')?.spec.egress ?? [];
    const addresses = egress.flatMap(({ to = [] }) => to.map(({ ipBlock }) => ipBlock?.cidr));
    assert.deepEqual(addresses, ['10.96.0.1/32', '172.18.0.2/32', '172.18.0.3/32']);
  });

  it('has the name, the labels and the owner of the policy beside it', () => {
    const { policies, extensions } = compiled([FQDN, { namespaces: ['a'] }], { engine: AVAILABLE });
    const policy = policies.find(({ metadata }) => metadata.name === 'segmented.egress');
    const { annotations: _, ...metadata } = policy?.metadata ?? { name: '' };
    assert.deepEqual(extensions[0]?.metadata, metadata);
  });

  it('has another name for other pods', () => {
    const named = (app: string) =>
      compiled([FQDN], { engine: AVAILABLE }, { podSelector: { matchLabels: { app } } }).extensions[0]
        ?.metadata.name;
    assert.match(named('web') ?? '', /^segmented\.egress\.rule\.[0-9a-f]{10}$/);
    assert.notEqual(named('web'), named('db'));
  });

  it('allows the queries for names at the target ports of the DNS Service', () => {
    const [rule] = compiled([FQDN], { engine: AVAILABLE }).extensions[0]?.rules ?? [];
    assert.deepEqual(rule?.peer.kind === 'names' && rule.peer.dns, {
      namespace: 'kube-system',
      podSelector: { matchLabels: { dns: 'yes' } },
      ports: [{ protocol: 'UDP', port: 5353 }],
    });
  });

  it('keeps what is last known of the API server while it has no addresses', () => {
    const { extensions } = compiled([{ entity: 'KubeAPIServer' }], { engine: AVAILABLE, endpoints: {} });
    assert.deepEqual(
      extensions.map(({ rules, unresolved }) => [rules, unresolved.map(({ rule, peer }) => [rule, peer])]),
      [[[], [['rule', 'entity KubeAPIServer']]]],
    );
  });

  describe('of a Service without selector', () => {
    const [API_SERVER, NODE] = ['172.18.0.2', '172.18.0.3'];
    const service = { service: { namespace: 'ops', name: 'it' } };
    const at = (...addresses: string[]) => ({
      engine: AVAILABLE,
      services: { ...CLUSTER.services, 'ops/it': { ports: [{ port: 10_250 }] } },
      endpoints: {
        ...CLUSTER.endpoints,
        'ops/it': addresses.map((address) => ({ addresses: [address], ports: [{ port: 10_250 }] })),
      },
      nodes: [{ addresses: [API_SERVER] }, { addresses: [NODE] }],
    });
    const peersOf = (input: FactsInput) => {
      const { extensions, unresolved } = compiled([service], input);
      return [
        extensions.flatMap(({ rules }) =>
          rules.map(({ peer, ports }) => [peer.kind, ports?.map(({ port }) => port)]),
        ),
        unresolved.map(({ reason, message }) => [reason, message]),
      ];
    };

    it('is the API server where the Service has all of its addresses, on the ports of the Service', () => {
      assert.deepEqual(peersOf(at(API_SERVER, '203.0.113.1')), [[['kubeAPIServer', [10_250]]], []]);
    });

    it('is nodes where the Service has an address of each', () => {
      const nodes = [{ addresses: [API_SERVER] }, { addresses: [NODE, 'fd00::3'] }];
      const all = { ...at(NODE, API_SERVER), nodes };
      assert.deepEqual(peersOf(all)[0], [
        ['kubeAPIServer', [10_250]],
        ['nodes', [10_250]],
      ]);
    });

    it('does not exist for some nodes, as the engine tells no node from another, and the peer is reported', () => {
      assert.deepEqual(peersOf(at(NODE)), [
        [],
        [
          [
            'ServiceUnsupported',
            'the network engine knows nodes, and API servers, only all together, and Service ops/it has addresses of some of them (172.18.0.3): allow the entity Nodes on its ports, or leave it out',
          ],
        ],
      ]);
    });

    it('does not exist for addresses outside of the cluster', () => {
      assert.deepEqual(peersOf(at('203.0.113.1')), [[], []]);
    });

    it('is reported as missing if the engine can not carry it', () => {
      assert.deepEqual(peersOf({ ...at(NODE), engine: MISSING }), [[], [['NotInstalled', 'install it']]]);
    });
  });

  describe('of the ingress controllers', () => {
    const ingress: Peer = { entity: 'IngressControllers' };
    const listed = { namespaceSelector: { matchLabels: { edge: 'yes' } } };
    const kindsOf = (configuration: FactsInput['configuration'], engine: EngineFacts = AVAILABLE) => {
      const { policies, extensions, unresolved } = compiled([ingress], { configuration, engine });
      return [
        policies.flatMap(({ spec }) => spec.egress ?? []).length,
        extensions.flatMap(({ rules }) => rules.map(({ peer }) => peer.kind)),
        unresolved.map(({ reason }) => reason),
      ];
    };

    it("is the engine's own ingress, beside the controllers that the configuration lists, if it counts as one", () => {
      const both = { engineIngress: true, ingressControllers: [listed] };
      assert.deepEqual(kindsOf(both), [1, ['engineIngress'], []]);
      assert.deepEqual(kindsOf({ engineIngress: true }), [0, ['engineIngress'], []]);
      assert.deepEqual(kindsOf({ ingressControllers: [listed] }), [1, [], []]);
    });

    it('is reported as missing if the engine can not carry it', () => {
      const both = { engineIngress: true, ingressControllers: [listed] };
      assert.deepEqual(kindsOf(both, MISSING), [1, [], ['NotInstalled']]);
      assert.deepEqual(kindsOf({ engineIngress: true }, MISSING), [0, [], ['NotInstalled']]);
      assert.deepEqual(kindsOf({}, MISSING), [0, [], ['NotConfigured']]);
    });
  });

  describe('of a service account', () => {
    const account: Peer = { serviceAccount: { namespace: 'shop', name: 'cart' } };
    const peersOf = (accounts: FactsInput['accounts'], engine: EngineFacts = AVAILABLE) => {
      const { policies, extensions, unresolved } = compiled([account], { accounts: accounts ?? {}, engine });
      return [
        policies.flatMap(({ spec }) => spec.egress ?? []).length,
        extensions.flatMap(({ rules }) => rules.map(({ peer }) => peer)),
        unresolved.map(({ reason }) => reason),
      ];
    };
    const PEER = { kind: 'serviceAccount', namespace: 'shop', name: 'cart' };
    const failure = { reason: 'NotInstalled', message: 'not installed' } as const;

    it('needs no label of its pods', () => {
      assert.deepEqual(peersOf({}), [1, [PEER], []]);
      assert.deepEqual(peersOf({ 'shop/cart': { unlabelled: 1 } }), [1, [PEER], []]);
      assert.deepEqual(peersOf({ 'shop/cart': { mislabelled: 1 } }), [0, [PEER], []]);
      assert.deepEqual(peersOf({ 'shop/cart': { failure } }), [0, [PEER], []]);
    });

    it('is not missed where the labels tell the pods', () => {
      assert.deepEqual(peersOf({}, MISSING), [1, [], []]);
    });

    it('is reported with both reasons where neither the engine nor the labels tell the pods', () => {
      const engine = { ...MISSING, reason: 'Unsupported', message: 'the kind is not served' } as const;
      const { unresolved } = compiled([account], { accounts: { 'shop/cart': { failure } }, engine });
      assert.deepEqual(
        unresolved.map(({ reason, message }) => [reason, message]),
        [
          [
            'Unsupported',
            'the kind is not served; the label of its pods does not tell them either: not installed',
          ],
        ],
      );
    });

    it('is there for the other end of a connection alone: a policy selects its own pods by labels', () => {
      const made = profile({ connections: [{ name: 'c', from: [account], to: [account], ports: [] }] });
      const input = { ...CLUSTER, accounts: { 'shop/cart': { unlabelled: 1 } }, engine: AVAILABLE };
      const { policies, extensions, unresolved } = compile(made, SHOP, facts(input));
      assert.equal(policies.length, 3);
      assert.deepEqual(
        extensions.map(({ podSelector, rules }) => [podSelector, rules.map(({ peer }) => peer)]),
        Array.from({ length: 2 }, () => [
          { matchLabels: { 'segmentation.dev/service-account': 'cart' } },
          [PEER],
        ]),
      );
      assert.deepEqual(new Set(unresolved.map(({ reason }) => reason)), new Set(['PodsUnlabelled']));
    });

    it('in another namespace is held to the labels that a connection asks for', () => {
      const from: Peer[] = [{ sameNamespaceLabels: ['team'], podSelector: {} }];
      const elsewhere: Peer = { serviceAccount: { namespace: 'other', name: 'cart' } };
      const made = profile({ connections: [{ name: 'c', from, to: [elsewhere], ports: [] }] });
      const { extensions } = compile(made, SHOP, facts({ ...CLUSTER, engine: AVAILABLE }));
      assert.deepEqual(
        extensions.flatMap(({ rules }) => rules.map(({ peer }) => peer)),
        [{ ...PEER, namespace: 'other', namespaceLabels: { team: 'red' } }],
      );
    });
  });

  it('is reported as missing if the engine can not carry it, and the addresses stay', () => {
    const { policies, unresolved } = compiled([{ entity: 'Nodes' }], { engine: MISSING });
    assert.deepEqual(
      unresolved.map(({ reason, hasLastKnown }) => [reason, hasLastKnown]),
      [['NotInstalled', false]],
    );
    assert.ok(policies.some(({ metadata }) => metadata.name === 'segmented.egress'));
  });

  for (const [what, engine, reason] of [
    ['without an engine', undefined, 'NoEngine'],
    ['where the engine can not carry them', MISSING, 'NotInstalled'],
    ['where the engine carries no names', { kind: 'available', carries: new Set(['nodes']) }, 'NoEngine'],
  ] as const) {
    it(`leaves names unresolved ${what}, and allows nothing for them`, () => {
      const { policies, unresolved } = compiled([FQDN], engine && { engine: engine as EngineFacts });
      assert.deepEqual(
        unresolved.map((each) => each.reason),
        [reason],
      );
      assert.deepEqual(
        policies.map(({ metadata }) => metadata.name),
        ['segmented.default-deny'],
      );
    });
  }

  for (const [what, names, ports] of [
    ['wildcards of any depth', ['a.example.com', '**.example.com'], [{ port: 443 }]],
    ['ranges of ports', ['a.example.com'], [{ port: 8000, endPort: 8010 }]],
    ['names of ports', ['a.example.com'], [{ port: 'https' }]],
    ['SCTP', ['a.example.com'], [{ port: 9, protocol: 'SCTP' }]],
  ] as const) {
    it(`leaves names unresolved where the engine can not say ${what} of them`, () => {
      const limited: EngineFacts = { kind: 'available', carries: new Set(['names']) };
      const peer: Peer = { fqdn: { names: [...names] } };
      const { extensions, unresolved } = compiled([peer], { engine: limited }, { ports });
      assert.deepEqual(
        unresolved.map(({ reason }) => reason),
        ['Unsupported'],
      );
      assert.deepEqual(
        extensions.flatMap(({ rules }) => rules),
        [],
      );
      assert.deepEqual(compiled([peer], { engine: AVAILABLE }, { ports }).unresolved, []);
    });
  }

  it('of an engine that is not known yet blocks what depends on it', () => {
    assert.equal(compiled([FQDN], { unknown: ['engine'] }).unresolved[0]?.reason, 'SourceUnavailable');
  });

  it('is there for the end of a connection', () => {
    const made = profile({
      connections: [
        {
          name: 'pay',
          from: [{ namespaces: ['shop'] }],
          to: [FQDN],
          ports: [{ port: 443, protocol: 'TCP' }],
        },
      ],
    });
    const { extensions } = compile(made, SHOP, facts({ ...CLUSTER, engine: AVAILABLE }));
    assert.deepEqual(
      extensions.map(({ direction, rules }) => [direction, rules.map(({ note, ports }) => [note, ports])]),
      [
        [
          'Egress',
          [
            [
              { rule: 'pay', kind: 'connection', peer: 'fqdn api.example.com' },
              [{ port: 443, protocol: 'TCP' }],
            ],
          ],
        ],
      ],
    );
  });
});
