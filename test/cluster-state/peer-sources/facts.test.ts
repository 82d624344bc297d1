import assert from 'node:assert/strict';
import {
  endpointFacts,
  labelledDNS,
  nodeFacts,
  serviceCIDRs,
  serviceFacts,
  webhookServices,
} from '../../../src/cluster-state/peer-sources/facts.ts';

describe('facts of a Service', () => {
  for (const [name, spec, facts] of [
    [
      'with everything',
      {
        type: 'ClusterIP',
        selector: { app: 'api' },
        ports: [{ name: 'http', port: 80, targetPort: 'main', protocol: 'TCP' }],
        clusterIP: '10.96.0.7',
        clusterIPs: ['10.96.0.7', 'fd00::7'],
      },
      {
        type: 'ClusterIP',
        selector: { app: 'api' },
        ports: [{ protocol: 'TCP', port: 80, targetPort: 'main' }],
        clusterIPs: ['10.96.0.7', 'fd00::7'],
      },
    ],
    [
      'headless, without ports',
      { selector: { app: 'db' }, clusterIP: 'None', clusterIPs: ['None'] },
      { type: 'ClusterIP', selector: { app: 'db' }, ports: [], clusterIPs: [] },
    ],
    [
      'of an old client: one address, target port 0 for "as the port"',
      { ports: [{ port: 53, targetPort: 0 }], clusterIP: '10.96.0.10' },
      { type: 'ClusterIP', ports: [{ port: 53 }], clusterIPs: ['10.96.0.10'] },
    ],
    ['that is an alias', { type: 'ExternalName' }, { type: 'ExternalName', ports: [], clusterIPs: [] }],
  ] as const) {
    it(name, () => assert.deepEqual(serviceFacts({ spec }), facts));
  }
});

describe('the label of a DNS Service', () => {
  const spec = { selector: { a: 'b' }, ports: [{ port: 53 }] };
  const facts = (namespace: string, labels: Record<string, string>) =>
    serviceFacts({ metadata: { namespace, labels }, spec });

  for (const [key, value] of [
    ['k8s-app', 'kube-dns'],
    ['k8s-app', 'coredns'],
    ['kubernetes.io/name', 'CoreDNS'],
    ['app.kubernetes.io/name', 'coredns'],
  ] as const) {
    it(`can be ${key}=${value} in kube-system, and means nothing elsewhere`, () => {
      assert.equal(facts('kube-system', { [key]: value }).isLabelledDNS, true);
      assert.equal(facts('tenant', { [key]: value }).isLabelledDNS, undefined);
    });
  }

  it('is that of the first Service by name', () => {
    const dns = facts('kube-system', { 'k8s-app': 'coredns' });
    const services = [
      ['kube-system/b', dns],
      ['kube-system/a', dns],
      ['kube-system/0', facts('kube-system', {})],
    ] as const;
    assert.deepEqual(labelledDNS(services), { namespace: 'kube-system', name: 'a' });
    assert.equal(labelledDNS([]), undefined);
  });
});

describe('facts of an EndpointSlice', () => {
  const metadata = { name: 'api-x', labels: { 'kubernetes.io/service-name': 'api' } };

  it('are its Service, every address and every port', () => {
    const slice = {
      metadata,
      endpoints: [{ addresses: ['192.0.2.1'] }, { addresses: ['192.0.2.2', '192.0.2.3'] }],
      ports: [{ name: 'https', port: 6443, protocol: 'TCP' as const }],
    };
    assert.deepEqual(endpointFacts(slice), {
      service: 'api',
      addresses: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
      ports: [{ port: 6443, protocol: 'TCP' }],
    });
  });

  it('are empty lists where the slice has null', () => {
    const empty = { service: 'api', addresses: [], ports: [] };
    assert.deepEqual(endpointFacts({ metadata, endpoints: null, ports: null }), empty);
  });
});

describe('facts of a Node', () => {
  it('are its InternalIPs and pod CIDRs of all families', () => {
    const node = {
      spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24', 'fd00:10::/64'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '192.0.2.10' },
          { type: 'InternalIP', address: '2001:db8::10' },
          { type: 'ExternalIP', address: '198.51.100.1' },
          { type: 'Hostname', address: 'node' },
        ],
      },
    };
    assert.deepEqual(nodeFacts(node), {
      addresses: ['192.0.2.10', '2001:db8::10'],
      podCIDRs: ['10.244.0.0/24', 'fd00:10::/64'],
    });
  });

  it('are empty for a Node that has just joined', () => {
    assert.deepEqual(nodeFacts({}), { addresses: [], podCIDRs: [] });
  });
});

describe('Services that the API server calls', () => {
  const service = { namespace: 'hooks', name: 'guard' };
  for (const [name, object, services] of [
    [
      'for the webhooks of a configuration',
      {
        webhooks: [{ clientConfig: { service: { ...service, port: 8443 } } }, { clientConfig: { service } }],
      },
      [
        { ...service, port: 8443 },
        { ...service, port: 443 },
      ],
    ],
    ['for a webhook by URL: none', { webhooks: [{ clientConfig: { url: 'https://example.com' } }] }, []],
    ['for an APIService', { spec: { service } }, [{ ...service, port: 443 }]],
    ['for an APIService of the API server itself: none', { spec: { service: null } }, []],
    [
      'for the conversion of a CRD',
      {
        spec: {
          conversion: {
            strategy: 'Webhook',
            webhook: { clientConfig: { service: { ...service, port: 9443 } } },
          },
        },
      },
      [{ ...service, port: 9443 }],
    ],
    ['for a CRD without conversion: none', { spec: { conversion: { strategy: 'None' } } }, []],
    ['for a configuration without webhooks: none', {}, []],
  ] as const) {
    it(name, () =>
      assert.deepEqual(webhookServices(object as Parameters<typeof webhookServices>[0]), services),
    );
  }
});

describe('facts of a ServiceCIDR', () => {
  it('are its ranges', () => {
    assert.deepEqual(serviceCIDRs({ spec: { cidrs: ['10.96.0.0/16', 'fd00:96::/112'] } }), [
      '10.96.0.0/16',
      'fd00:96::/112',
    ]);
    assert.deepEqual(serviceCIDRs({}), []);
  });
});
