import assert from 'node:assert/strict';
import type { NetworkPolicyPort, PolicyType } from '../../../src/api/network-policy.ts';
import type { Peer } from '../../../src/api/profile.ts';
import { type DirectionRule, rulesOf } from '../../../src/policy/semantics/normalize.ts';
import { MOST_COUNTED } from '../../../src/policy/peers/service-account.ts';
import { compile } from '../../../src/policy/compile.ts';
import { NOTHING_KNOWN } from '../../../src/policy/peers/last-known.ts';
import { compileRule, CONFIGURATION, facts, type FactsInput, named, profile, SHOP } from '../fixture.ts';

type Expected = DirectionRule[] | { reason: string; message: RegExp };
type Case = [
  name: string,
  direction: PolicyType,
  peers: Peer[],
  given: FactsInput & { own?: NetworkPolicyPort[] },
  expected: Expected,
];

function table(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    for (const [name, direction, peers, { own, ...given }, expected] of cases) {
      it(`${name} (${direction})`, () => {
        const { rules, unresolved } = compileRule(direction, peers, given, own);
        if (Array.isArray(expected)) {
          assert.deepEqual(unresolved, []);
          assert.deepEqual(rules, expected);
          return;
        }
        assert.deepEqual(rules, []);
        assert.equal(unresolved.length, 1);
        assert.equal(unresolved[0]?.reason, expected.reason);
        assert.match(unresolved[0]?.message ?? '', expected.message);
        assert.equal(unresolved[0]?.rule, 'rule');
        assert.equal(unresolved[0]?.hasLastKnown, false);
      });
    }
  });
}

const inNamespace = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
const blocks = (...cidrs: string[]) => cidrs.map((cidr) => ({ ipBlock: { cidr } }));
const tcp = (port: number | string) => ({ protocol: 'TCP' as const, port });
const udp = (port: number | string) => ({ protocol: 'UDP' as const, port });
const api = { matchLabels: { app: 'api' } };

const account: Peer = { serviceAccount: { namespace: 'data', name: 'api' } };
const labelled = [
  {
    namespaceSelector: inNamespace('data'),
    podSelector: { matchLabels: { 'segmentation.dev/service-account': 'api' } },
  },
];
const accounts = (of: NonNullable<FactsInput['accounts']>[string]) => ({ accounts: { 'data/api': of } });

table('peer serviceAccount', [
  ['becomes the pods with its label', 'Ingress', [account], {}, [{ peers: labelled }]],
  [
    'becomes the pods with its label, on the ports of the rule',
    'Egress',
    [account],
    { own: [tcp(443)] },
    [{ peers: labelled, ports: [tcp(443)] }],
  ],
  ['implies no ports', 'Egress', [account], {}, [{ peers: labelled }]],
  [
    'is unresolved while its pods are not known',
    'Ingress',
    [account],
    { unknown: ['serviceAccounts/data/api'] },
    { reason: 'SourceUnavailable', message: /data\/api are not known yet/ },
  ],
  [
    'is unresolved while its label proves nothing',
    'Egress',
    [account],
    accounts({ failure: { reason: 'Unsupported', message: 'needs 1.36' } }),
    { reason: 'Unsupported', message: /^needs 1.36$/ },
  ],
  [
    'is unresolved while a pod of another account has its label',
    'Ingress',
    [account],
    accounts({ mislabelled: 1, unlabelled: 2 }),
    {
      reason: 'PodsMislabelled',
      message:
        /^1 pod of namespace data has the label \S+=api and runs as another account: delete what kubectl -n data get pods/,
    },
  ],
]);

describe('peer serviceAccount', () => {
  it('becomes the labelled pods, and is reported as unresolved for the others', () => {
    const { rules, unresolved } = compileRule('Ingress', [account], accounts({ unlabelled: 2 }));
    assert.deepEqual(rules, [{ peers: labelled }]);
    const [{ message, ...rest } = { message: '' }, ...others] = unresolved;
    assert.deepEqual(others, []);
    assert.deepEqual(rest, {
      direction: 'Ingress',
      rule: 'rule',
      peer: 'serviceAccount data/api',
      reason: 'PodsUnlabelled',
      hasLastKnown: false,
    });
    assert.match(message, /^2 pods of ServiceAccount data\/api are .* kubectl -n data rollout restart/);
  });

  it('reports more pods than are counted as more', () => {
    const message = (unlabelled: number) =>
      compileRule('Ingress', [account], accounts({ unlabelled })).unresolved[0]?.message ?? '';
    assert.match(message(MOST_COUNTED), new RegExp(`^${MOST_COUNTED} pods`));
    assert.match(message(MOST_COUNTED + 1), new RegExp(`^more than ${MOST_COUNTED} pods`));
  });
});

table('peers with selectors', [
  [
    'keep what is written: pods of the same namespace',
    'Ingress',
    [{ podSelector: api }],
    {},
    [{ peers: [{ podSelector: api }] }],
  ],
  [
    'tell an empty podSelector from an absent one',
    'Egress',
    [{ podSelector: {} }],
    {},
    [{ peers: [{ podSelector: {} }] }],
  ],
  [
    'tell an empty namespaceSelector from an absent one',
    'Ingress',
    [{ namespaceSelector: {} }],
    {},
    [{ peers: [{ namespaceSelector: {} }] }],
  ],
  [
    'keep both selectors together',
    'Egress',
    [{ namespaceSelector: {}, podSelector: api }],
    {},
    [{ peers: [{ namespaceSelector: {}, podSelector: api }] }],
  ],
  [
    'of one rule share it, each once',
    'Ingress',
    [
      { podSelector: api },
      { namespaces: ['data'] },
      { podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['api'] }] } },
    ],
    { own: [tcp(80), { port: 80 }, udp(53)] },
    [
      {
        peers: [{ podSelector: api }, { namespaceSelector: inNamespace('data') }],
        ports: [tcp(80), udp(53)],
      },
    ],
  ],
]);

table('ports of a rule', [
  ['absent are absent', 'Ingress', [{ podSelector: {} }], {}, [{ peers: [{ podSelector: {} }] }]],
  ['empty are absent', 'Ingress', [{ podSelector: {} }], { own: [] }, [{ peers: [{ podSelector: {} }] }]],
  [
    'get their protocol written out',
    'Egress',
    [{ podSelector: {} }],
    { own: [{ port: 'http' }] },
    [{ peers: [{ podSelector: {} }], ports: [tcp('http')] }],
  ],
  [
    'keep ranges',
    'Egress',
    [{ podSelector: {} }],
    { own: [{ port: 80, endPort: 90 }] },
    [{ peers: [{ podSelector: {} }], ports: [{ protocol: 'TCP', port: 80, endPort: 90 }] }],
  ],
  [
    'may be a protocol alone',
    'Egress',
    [{ podSelector: {} }],
    { own: [{ protocol: 'SCTP' }] },
    [{ peers: [{ podSelector: {} }], ports: [{ protocol: 'SCTP' }] }],
  ],
]);

table('peer namespaces', [
  [
    'becomes matchLabels for one name',
    'Ingress',
    [{ namespaces: ['data'] }],
    {},
    [{ peers: [{ namespaceSelector: inNamespace('data') }] }],
  ],
  [
    'becomes one expression for several names, sorted and without repeats',
    'Egress',
    [{ namespaces: ['web', 'data', 'web'] }],
    {},
    [
      {
        peers: [
          {
            namespaceSelector: {
              matchExpressions: [
                { key: 'kubernetes.io/metadata.name', operator: 'In', values: ['data', 'web'] },
              ],
            },
          },
        ],
      },
    ],
  ],
  [
    'becomes matchLabels for one name that is listed twice',
    'Egress',
    [{ namespaces: ['data', 'data'] }],
    {},
    [{ peers: [{ namespaceSelector: inNamespace('data') }] }],
  ],
]);

table('peer sameNamespaceLabels', [
  [
    'becomes the namespaces with the value of the own namespace, and its own pods',
    'Ingress',
    [{ sameNamespaceLabels: ['team'] }],
    {},
    [{ peers: [{ namespaceSelector: { matchLabels: { team: 'red' } } }, { podSelector: {} }] }],
  ],
  [
    'requires all of several keys',
    'Egress',
    [{ sameNamespaceLabels: ['team', 'stage'] }],
    {},
    [
      {
        peers: [{ namespaceSelector: { matchLabels: { team: 'red', stage: 'prod' } } }, { podSelector: {} }],
      },
    ],
  ],
]);

describe('peer sameNamespaceLabels', () => {
  for (const [name, keys, message] of [
    [
      'is unresolved without one of the labels, with the command that sets it',
      ['team', 'tenant'],
      /no label tenant; label it \(kubectl label namespace shop tenant=VALUE\)/,
    ],
    ['takes only own properties for labels', ['constructor'], /constructor/],
  ] as const) {
    it(name, () => {
      const { unresolved } = compileRule('Ingress', [{ sameNamespaceLabels: keys }]);
      assert.deepEqual(
        unresolved.map(({ reason, hasLastKnown }) => ({ reason, hasLastKnown })),
        [{ reason: 'NamespaceLabelMissing', hasLastKnown: false }],
      );
      assert.match(unresolved[0]?.message ?? '', message);
    });
  }

  it('allows the own pods also without the label: a namespace always shares its own labels', () => {
    const { rules } = compileRule('Ingress', [{ sameNamespaceLabels: ['tenant'] }]);
    assert.deepEqual(rules, [{ peers: [{ podSelector: {} }] }]);
  });
});

table('peer ipBlock', [
  [
    'is IPv4 or IPv6',
    'Egress',
    [{ ipBlock: { cidr: '203.0.113.0/24' } }, { ipBlock: { cidr: '2001:db8::/32' } }],
    {},
    [{ peers: blocks('203.0.113.0/24', '2001:db8::/32') }],
  ],
  [
    'is written in its canonical spelling, each range once',
    'Ingress',
    [{ ipBlock: { cidr: '2001:DB8:0::/32' } }, { ipBlock: { cidr: '2001:db8::/32' } }],
    {},
    [{ peers: blocks('2001:db8::/32') }],
  ],
  [
    'with exceptions has a rule of its own',
    'Egress',
    [
      { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16', '10.1.0.0/16'] } },
      { podSelector: {} },
      { ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.0/25'] } },
    ],
    { own: [tcp(443)] },
    [
      { peers: [{ podSelector: {} }], ports: [tcp(443)] },
      { peers: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [tcp(443)] },
      { peers: [{ ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.0/25'] } }], ports: [tcp(443)] },
    ],
  ],
  [
    'with an empty list of exceptions has none',
    'Egress',
    [{ ipBlock: { cidr: '10.0.0.0/8', except: [] } }],
    {},
    [{ peers: blocks('10.0.0.0/8') }],
  ],
]);

const service: Peer = { service: { namespace: 'data', name: 'api' } };
const behind = [{ namespaceSelector: inNamespace('data'), podSelector: api }];
const services = (given: NonNullable<FactsInput['services']>[string]) => ({
  services: { 'data/api': given },
});
const selecting = services({
  selector: { app: 'api' },
  ports: [
    { port: 80, targetPort: 8080 },
    { port: 443, targetPort: 'https' },
    { port: 53, protocol: 'UDP' },
    { port: 81, targetPort: 8080 },
  ],
});

table('peer service', [
  [
    'becomes its pods on its target ports, each once',
    'Egress',
    [service],
    selecting,
    [{ peers: behind, ports: [tcp(8080), tcp('https'), udp(53)] }],
  ],
  [
    'becomes its pods on the ports of the rule if there are any',
    'Egress',
    [service],
    { ...selecting, own: [tcp(9090)] },
    [{ peers: behind, ports: [tcp(9090)] }],
  ],
  ['is its pods, without ports, as a source', 'Ingress', [service], selecting, [{ peers: behind }]],
  [
    'becomes its pods on the ports of the rule, as a source',
    'Ingress',
    [service],
    { ...selecting, own: [tcp(80)] },
    [{ peers: behind, ports: [tcp(80)] }],
  ],
  [
    'may be headless',
    'Egress',
    [service],
    services({ selector: { app: 'api' }, ports: [{ port: 5432 }], clusterIPs: [] }),
    [{ peers: behind, ports: [tcp(5432)] }],
  ],
  [
    'without ports is unresolved',
    'Egress',
    [service],
    services({ selector: { app: 'api' } }),
    { reason: 'NoPorts', message: /data\/api has no ports; list the rule's ports/ },
  ],
  [
    'without ports is resolved once the rule lists its own',
    'Egress',
    [service],
    { ...services({ selector: { app: 'api' } }), own: [tcp(7000)] },
    [{ peers: behind, ports: [tcp(7000)] }],
  ],
  [
    'without ports is resolved as a source',
    'Ingress',
    [service],
    services({ selector: { app: 'api' } }),
    [{ peers: behind }],
  ],
  [
    'is unresolved if it does not exist',
    'Egress',
    [service],
    {},
    { reason: 'ServiceNotFound', message: /Service data\/api does not exist; create it/ },
  ],
  [
    'is unresolved for the type ExternalName',
    'Egress',
    [service],
    services({ type: 'ExternalName', selector: { app: 'api' } }),
    { reason: 'ServiceUnsupported', message: /ExternalName.*use an ipBlock/ },
  ],
  [
    'is unresolved while Services can not be read',
    'Ingress',
    [service],
    { ...selecting, unknown: ['services'] },
    { reason: 'SourceUnavailable', message: /Services/ },
  ],
  [
    'without selector is the addresses of its EndpointSlices, each with its ports',
    'Egress',
    [service],
    {
      ...services({ ports: [{ port: 5432 }] }),
      endpoints: {
        'data/api': [
          {
            addresses: ['198.51.100.2', '198.51.100.1', '198.51.100.2'],
            ports: [{ port: 5432 }, { port: 5433, protocol: 'UDP' }],
          },
          { addresses: ['2001:db8::5'], ports: [{ port: 6000 }] },
          { addresses: [], ports: [{ port: 1 }] },
        ],
      },
    },
    [
      { peers: blocks('198.51.100.1/32', '198.51.100.2/32'), ports: [tcp(5432), udp(5433)] },
      { peers: blocks('2001:db8::5/128'), ports: [tcp(6000)] },
    ],
  ],
  [
    'without selector is addresses without ports, as a source',
    'Ingress',
    [service],
    {
      ...services({}),
      endpoints: { 'data/api': [{ addresses: ['198.51.100.1'], ports: [{ port: 5432 }] }] },
    },
    [{ peers: blocks('198.51.100.1/32') }],
  ],
  [
    'with an empty selector has none',
    'Ingress',
    [service],
    {
      ...services({ selector: {} }),
      endpoints: { 'data/api': [{ addresses: ['198.51.100.1'], ports: [] }] },
    },
    [{ peers: blocks('198.51.100.1/32') }],
  ],
  [
    'without selector or addresses is unresolved',
    'Egress',
    [service],
    services({}),
    {
      reason: 'NoEndpoints',
      message: /neither a selector nor EndpointSlices with addresses and ports; add one/,
    },
  ],
  [
    'whose EndpointSlices only hold names is unresolved',
    'Ingress',
    [service],
    { ...services({}), endpoints: { 'data/api': [{ addresses: ['db.example.com'], ports: [] }] } },
    { reason: 'NoEndpoints', message: /with addresses; add one/ },
  ],
  [
    'whose EndpointSlices have no ports is unresolved',
    'Egress',
    [service],
    { ...services({}), endpoints: { 'data/api': [{ addresses: ['198.51.100.1'], ports: [{}] }] } },
    { reason: 'NoEndpoints', message: /addresses and ports/ },
  ],
  [
    'whose EndpointSlices have no ports is resolved once the rule lists its own',
    'Egress',
    [service],
    {
      ...services({}),
      own: [tcp(5432)],
      endpoints: { 'data/api': [{ addresses: ['198.51.100.1'], ports: [{}] }] },
    },
    [{ peers: blocks('198.51.100.1/32'), ports: [tcp(5432)] }],
  ],
  [
    'without selector is unresolved while its EndpointSlices can not be read',
    'Egress',
    [service],
    { ...services({}), unknown: ['endpointSlices/data'] },
    { reason: 'SourceUnavailable', message: /EndpointSlices of namespace data/ },
  ],
]);

const apiServer: Peer = { entity: 'KubeAPIServer' };
const kubernetes = {
  'default/kubernetes': { ports: [{ port: 443, targetPort: 6443 }], clusterIPs: ['10.96.0.1', 'fd02::1'] },
};
const control: FactsInput = {
  services: kubernetes,
  endpoints: {
    'default/kubernetes': [
      { addresses: ['192.168.0.2', '192.168.0.1'], ports: [{ port: 6443 }] },
      { addresses: ['fd01::1'], ports: [{ port: 7443 }] },
    ],
  },
};

table('entity KubeAPIServer', [
  [
    'is the Service and every address behind it, each on its port',
    'Egress',
    [apiServer],
    control,
    [
      { peers: blocks('10.96.0.1/32', 'fd02::1/128'), ports: [tcp(443)] },
      { peers: blocks('192.168.0.1/32', '192.168.0.2/32'), ports: [tcp(6443)] },
      { peers: blocks('fd01::1/128'), ports: [tcp(7443)] },
    ],
  ],
  [
    'has no ports as a source',
    'Ingress',
    [apiServer],
    control,
    [
      { peers: blocks('10.96.0.1/32', 'fd02::1/128') },
      { peers: blocks('192.168.0.1/32', '192.168.0.2/32') },
      { peers: blocks('fd01::1/128') },
    ],
  ],
  [
    'is unresolved without addresses behind it',
    'Egress',
    [apiServer],
    { services: kubernetes },
    { reason: 'NoEndpoints', message: /default\/kubernetes has no addresses/ },
  ],
  [
    'is unresolved without its Service',
    'Egress',
    [apiServer],
    { ...control, services: {} },
    { reason: 'NoEndpoints', message: /default\/kubernetes/ },
  ],
  [
    'is unresolved while it can not be read',
    'Egress',
    [apiServer],
    { ...control, unknown: ['endpointSlices/default'] },
    { reason: 'SourceUnavailable', message: /default\/kubernetes cannot be read/ },
  ],
]);

const dns: Peer = { entity: 'ClusterDNS' };
const dnsPods = (labels: Record<string, string>) => [
  { namespaceSelector: inNamespace('kube-system'), podSelector: { matchLabels: labels } },
];
const local = {
  configuration: {
    clusterDNS: {
      namespace: 'kube-system',
      service: 'kube-dns',
      podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
      nodeLocalAddresses: ['169.254.20.10', 'fd00:ec::10'],
    },
  },
};
const openShiftLike = {
  services: {
    'kube-system/kube-dns': {
      selector: { 'dns.operator': 'default' },
      ports: [
        { port: 53, targetPort: 'dns-tcp' },
        { port: 53, protocol: 'UDP' as const, targetPort: 5353 },
        { port: 9153 },
      ],
    },
  },
};

table('entity ClusterDNS', [
  [
    'is the pods of its Service on the target ports of port 53 only',
    'Egress',
    [dns],
    openShiftLike,
    [{ peers: dnsPods({ 'dns.operator': 'default' }), ports: [tcp('dns-tcp'), udp(5353)] }],
  ],
  [
    'is found under the name that OpenShift gives its Service',
    'Egress',
    [dns],
    {
      services: {
        'openshift-dns/dns-default': {
          selector: { 'dns.operator': 'default' },
          ports: [{ port: 53, protocol: 'UDP', targetPort: 5353 }],
        },
      },
    },
    [
      {
        peers: [
          {
            namespaceSelector: inNamespace('openshift-dns'),
            podSelector: { matchLabels: { 'dns.operator': 'default' } },
          },
        ],
        ports: [udp(5353)],
      },
    ],
  ],
  [
    'is found by a usual label, under whatever name',
    'Egress',
    [dns],
    {
      labelledDNS: { namespace: 'kube-system', name: 'resolver' },
      services: { 'kube-system/resolver': { selector: { app: 'dns' }, ports: [{ port: 53 }] } },
    },
    [{ peers: dnsPods({ app: 'dns' }), ports: [tcp(53)] }],
  ],
  [
    'is the configured Service rather than one of a usual name',
    'Egress',
    [dns],
    {
      services: {
        'kube-system/kube-dns': { selector: { 'k8s-app': 'kube-dns' }, ports: [{ port: 53 }] },
        'dns/bind': { selector: { app: 'bind' }, ports: [{ port: 53, targetPort: 5300 }] },
      },
      configuration: { clusterDNS: { ...CONFIGURATION.clusterDNS, namespace: 'dns', service: 'bind' } },
    },
    [
      {
        peers: [{ namespaceSelector: inNamespace('dns'), podSelector: { matchLabels: { app: 'bind' } } }],
        ports: [tcp(5300)],
      },
    ],
  ],
  [
    'takes a Service without port 53 to listen on it all the same',
    'Egress',
    [dns],
    { services: { 'kube-system/kube-dns': { selector: { a: 'b' }, ports: [{ port: 54 }] } } },
    [{ peers: dnsPods({ a: 'b' }), ports: [udp(53), tcp(53)] }],
  ],
  [
    'includes node-local caches of both families',
    'Egress',
    [dns],
    { ...local, ...openShiftLike },
    [
      { peers: dnsPods({ 'dns.operator': 'default' }), ports: [tcp('dns-tcp'), udp(5353)] },
      { peers: blocks('169.254.20.10/32', 'fd00:ec::10/128'), ports: [udp(53), tcp(53)] },
    ],
  ],
  [
    'has no ports as a source',
    'Ingress',
    [dns],
    openShiftLike,
    [{ peers: dnsPods({ 'dns.operator': 'default' }) }],
  ],
  [
    'takes the ports of the rule',
    'Egress',
    [dns],
    { ...openShiftLike, own: [udp(53)] },
    [{ peers: dnsPods({ 'dns.operator': 'default' }), ports: [udp(53)] }],
  ],
]);

describe('entity ClusterDNS without its Service', () => {
  const known = { peers: dnsPods({ 'k8s-app': 'dns' }), ports: [udp(5353)] };
  const compiled = (given: FactsInput, lastKnown: DirectionRule[]) => {
    const made = profile({ egress: [{ name: 'rule', to: [dns] }] });
    const { policies, unresolved } = compile(made, SHOP, facts(given), {
      ...NOTHING_KNOWN,
      rules: () => lastKnown,
    });
    return { rules: rulesOf(named(policies, 'segmented.egress')?.spec ?? {}, 'Egress'), unresolved };
  };

  it('is unresolved, and allows the configured pods on port 53 meanwhile', () => {
    const { rules, unresolved } = compiled({}, []);
    assert.deepEqual(rules, [{ peers: dnsPods({ 'k8s-app': 'kube-dns' }), ports: [udp(53), tcp(53)] }]);
    assert.deepEqual(
      unresolved.map(({ reason, hasLastKnown }) => ({ reason, hasLastKnown })),
      [{ reason: 'ServiceNotFound', hasLastKnown: false }],
    );
    assert.match(
      unresolved[0]?.message ?? '',
      /Service kube-system\/kube-dns does not exist.* set clusterDNS .*; meanwhile pods k8s-app=kube-dns of namespace kube-system are allowed on port 53$/,
    );
  });

  it('keeps the last known pods and ports, instead of port 53', () => {
    const { rules, unresolved } = compiled({}, [known]);
    assert.deepEqual(rules, [known]);
    assert.equal(unresolved[0]?.hasLastKnown, true);
    assert.doesNotMatch(unresolved[0].message, /meanwhile/);
  });

  it('allows node-local caches all the same', () => {
    const caches = { peers: blocks('169.254.20.10/32', 'fd00:ec::10/128'), ports: [udp(53), tcp(53)] };
    assert.deepEqual(compiled(local, [known]).rules, [known, caches]);
  });

  it('is unresolved while Services can not be read', () => {
    const { rules, unresolved } = compiled({ unknown: ['services'] }, []);
    assert.deepEqual(rules, []);
    assert.equal(unresolved[0]?.reason, 'SourceUnavailable');
  });
});

const nodes: FactsInput = {
  nodes: [{ addresses: ['192.168.0.10', 'fd01::10'] }, { addresses: ['192.168.0.9', '192.168.0.10'] }],
};
table('entity Nodes', [
  [
    'is their addresses of all families, each once',
    'Egress',
    [{ entity: 'Nodes' }],
    nodes,
    [{ peers: blocks('192.168.0.10/32', '192.168.0.9/32', 'fd01::10/128') }],
  ],
  [
    'becomes the configured ranges if there are any',
    'Ingress',
    [{ entity: 'Nodes' }],
    { ...nodes, configuration: { nodeCIDRs: ['192.168.0.0/24', 'FD01::/64'] } },
    [{ peers: blocks('192.168.0.0/24', 'fd01::/64') }],
  ],
  [
    'needs no Nodes where ranges are configured',
    'Ingress',
    [{ entity: 'Nodes' }],
    { unknown: ['nodes'], configuration: { nodeCIDRs: ['192.168.0.0/24'] } },
    [{ peers: blocks('192.168.0.0/24') }],
  ],
  [
    'is refused beyond the configured number',
    'Egress',
    [{ entity: 'Nodes' }],
    { ...nodes, configuration: { maxNodeAddresses: 2 } },
    { reason: 'TooManyAddresses', message: /3 node addresses, more than the 2 .*; set nodeCIDRs/ },
  ],
  [
    'is unresolved without any address',
    'Egress',
    [{ entity: 'Nodes' }],
    { nodes: [{}] },
    { reason: 'NoEndpoints', message: /InternalIP/ },
  ],
  [
    'is unresolved while Nodes can not be read',
    'Egress',
    [{ entity: 'Nodes' }],
    { ...nodes, unknown: ['nodes'] },
    { reason: 'SourceUnavailable', message: /Nodes/ },
  ],
]);

const world: Peer = { entity: 'World' };
const metadata6 = ['fd00:ec2::254/128', 'fd20:ce::254/128', 'fe80::/10'];
const v6World = (...own: string[]) => ({
  peers: [{ ipBlock: { cidr: '::/0', except: [...own, ...metadata6] } }],
});
table('entity World', [
  [
    'is all but pods, services, nodes and link-local addresses, one family in a rule',
    'Egress',
    [world],
    {
      nodes: [
        { addresses: ['192.168.0.10', 'fc01::10'], podCIDRs: ['10.244.0.0/24', 'fc00::/64'] },
        { addresses: ['192.168.0.11'], podCIDRs: ['10.244.1.0/24', 'fc00:0:0:1::/64'] },
      ],
      serviceCIDRs: ['10.96.0.0/16', 'fc02::/112'],
    },
    [
      {
        peers: [
          {
            ipBlock: {
              cidr: '0.0.0.0/0',
              except: ['10.96.0.0/16', '10.244.0.0/23', '169.254.0.0/16', '192.168.0.10/31'],
            },
          },
        ],
      },
      v6World('fc00::/63', 'fc01::10/128', 'fc02::/112'),
    ],
  ],
  [
    'counts configured ranges, and lists nothing inside another',
    'Ingress',
    [world],
    {
      nodes: [{ addresses: ['192.168.0.10'], podCIDRs: ['10.244.0.0/24'] }],
      serviceCIDRs: ['10.96.0.0/16'],
      configuration: { podCIDRs: ['10.0.0.0/8'], nodeCIDRs: ['192.168.0.0/16'] },
    },
    [
      {
        peers: [
          { ipBlock: { cidr: '0.0.0.0/0', except: ['10.0.0.0/8', '169.254.0.0/16', '192.168.0.0/16'] } },
        ],
      },
      v6World(),
    ],
  ],
  [
    'leaves out a family that is the cluster’s altogether',
    'Egress',
    [world],
    { configuration: { podCIDRs: ['0.0.0.0/0'] } },
    [v6World()],
  ],
  [
    'is unresolved where the cluster is everything',
    'Egress',
    [world],
    { configuration: { podCIDRs: ['0.0.0.0/0', '::/0'] } },
    { reason: 'NotConfigured', message: /hold every address; correct podCIDRs/ },
  ],
  [
    'is unresolved where no pod range is known',
    'Egress',
    [world],
    { nodes: [{ addresses: ['192.168.0.1'] }] },
    { reason: 'NotConfigured', message: /no Node reports its pod CIDRs; set podCIDRs/ },
  ],
  [
    'is unresolved where the pods of one family are unknown',
    'Egress',
    [world],
    { nodes: [{ podCIDRs: ['10.0.0.0/24'] }], serviceCIDRs: ['10.96.0.0/16', 'fc02::/112'] },
    { reason: 'NotConfigured', message: /IPv6 pod CIDRs/ },
  ],
  [
    'is refused where the cluster takes too many ranges',
    'Egress',
    [world],
    {
      nodes: Array.from({ length: 40 }, (_, i) => ({
        addresses: [`192.168.${i}.1`],
        podCIDRs: ['10.0.0.0/24'],
      })),
    },
    { reason: 'TooManyAddresses', message: /set podCIDRs and nodeCIDRs/ },
  ],
  [
    'is unresolved while service ranges can not be read',
    'Egress',
    [world],
    { unknown: ['serviceCIDRs'] },
    { reason: 'SourceUnavailable', message: /address ranges/ },
  ],
]);

const nginx = { namespaceSelector: inNamespace('ingress-nginx'), podSelector: api };
table('entities IngressControllers, Monitoring and Any', [
  [
    'IngressControllers is what is configured',
    'Ingress',
    [{ entity: 'IngressControllers' }],
    {
      configuration: {
        ingressControllers: [nginx, { podSelector: api }, { namespaceSelector: inNamespace('edge') }],
      },
    },
    [
      {
        peers: [
          nginx,
          { namespaceSelector: {}, podSelector: api },
          { namespaceSelector: inNamespace('edge') },
        ],
      },
    ],
  ],
  [
    'Monitoring is what is configured',
    'Ingress',
    [{ entity: 'Monitoring' }],
    { configuration: { monitoring: [nginx] }, own: [tcp('metrics')] },
    [{ peers: [nginx], ports: [tcp('metrics')] }],
  ],
  [
    'IngressControllers is unresolved where none is',
    'Ingress',
    [{ entity: 'IngressControllers' }],
    {},
    { reason: 'NotConfigured', message: /set ingressControllers/ },
  ],
  [
    'Monitoring is unresolved where none is',
    'Ingress',
    [{ entity: 'Monitoring' }],
    {},
    { reason: 'NotConfigured', message: /set monitoring/ },
  ],
  [
    'Any is a rule without peers',
    'Egress',
    [{ entity: 'Any' }],
    { own: [tcp(443)] },
    [{ ports: [tcp(443)] }],
  ],
  ['Any without ports is everything', 'Ingress', [{ entity: 'Any' }], {}, [{}]],
  [
    'a peer that this version does not know is never everyone',
    'Ingress',
    [{ later: 'x' } as Peer],
    {},
    { reason: 'NotConfigured', message: /does not know this kind of peer; upgrade/ },
  ],
  [
    'an entity that this version does not know is never everyone',
    'Ingress',
    [{ entity: 'Mars' } as unknown as Peer],
    {},
    { reason: 'NotConfigured', message: /does not know Mars; upgrade/ },
  ],
]);
