import assert from 'node:assert/strict';
import type { Peer } from '../../../src/api/profile.ts';
import { compile } from '../../../src/policy/compile.ts';
import type { EngineFacts, ExtensionKind } from '../../../src/policy/extensions.ts';
import { facts, type FactsInput, profile, SHOP } from '../fixture.ts';

const ALL: ReadonlySet<ExtensionKind> = new Set(['kubeAPIServer', 'nodes', 'names']);
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
