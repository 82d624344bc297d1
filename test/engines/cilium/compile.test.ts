import assert from 'node:assert/strict';
import { CILIUM_EXTENSIONS } from '../../../src/engines/cilium/extensions.ts';
import { extensionObjects } from '../../../src/engines/extensions/objects.ts';
import type { ExtensionPolicy, ExtensionRule } from '../../../src/policy/extensions.ts';

type Peer = ExtensionRule['peer'];
const NAMES: Peer = {
  kind: 'names',
  names: ['api.example.com', '*.example.org', '**.example.net'],
  dns: {
    namespace: 'kube-system',
    podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
    ports: [
      { protocol: 'UDP', port: 53 },
      { protocol: 'TCP', port: 'dns-tcp' },
    ],
  },
};

/** The spec of the object for one rule. */
function specOf(
  peer: Peer,
  rest: Partial<ExtensionPolicy> & { ports?: ExtensionRule['ports'] } = {},
): object {
  const { ports, ...policy } = rest;
  const rule = { peer, ...(ports && { ports }), note: { rule: 'rule', peer: 'peer' } };
  const [object] = extensionObjects(
    [
      {
        metadata: { name: 'p.egress', namespace: 'shop', labels: { 'segmentation.dev/profile': 'p' } },
        podSelector: {},
        direction: 'Egress',
        unresolved: [],
        rules: [rule],
        ...policy,
      },
    ],
    CILIUM_EXTENSIONS,
  );
  assert.ok(object);
  return (object as unknown as { spec: object }).spec;
}

const FRAME = { endpointSelector: {}, enableDefaultDeny: { ingress: false, egress: false } };
const FQDNS = [
  { matchName: 'api.example.com' },
  { matchPattern: '*.example.org' },
  { matchPattern: '**.example.net' },
];

describe('CiliumNetworkPolicy of an extension', () => {
  it('allows the entity kube-apiserver on the ports of the rule', () => {
    assert.deepEqual(specOf({ kind: 'kubeAPIServer' }, { ports: [{ protocol: 'TCP', port: 6443 }] }), {
      ...FRAME,
      egress: [{ toEntities: ['kube-apiserver'], toPorts: [{ ports: [{ port: '6443', protocol: 'TCP' }] }] }],
    });
  });

  it('allows the own node and all others, to and from, on every port without ports', () => {
    assert.deepEqual(specOf({ kind: 'nodes' }), {
      ...FRAME,
      egress: [{ toEntities: ['host', 'remote-node'] }],
    });
    assert.deepEqual(specOf({ kind: 'nodes' }, { direction: 'Ingress' }), {
      ...FRAME,
      ingress: [{ fromEntities: ['host', 'remote-node'] }],
    });
  });

  it('allows names, and the DNS queries for exactly these at the servers of the cluster', () => {
    assert.deepEqual(specOf(NAMES, { ports: [{ protocol: 'TCP', port: 443 }] }), {
      ...FRAME,
      egress: [
        {
          toEndpoints: [
            {
              matchLabels: {
                'k8s:k8s-app': 'kube-dns',
                'k8s:io.kubernetes.pod.namespace': 'kube-system',
              },
            },
          ],
          toPorts: [
            {
              ports: [
                { port: '53', protocol: 'UDP' },
                { port: 'dns-tcp', protocol: 'TCP' },
              ],
              rules: { dns: FQDNS },
            },
          ],
        },
        { toFQDNs: FQDNS, toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] },
      ],
    });
  });

  it('allows its own ingress, which no pod runs', () => {
    assert.deepEqual(specOf({ kind: 'engineIngress' }, { direction: 'Ingress' }), {
      ...FRAME,
      ingress: [{ fromEntities: ['ingress'] }],
    });
    assert.deepEqual(specOf({ kind: 'engineIngress' }), {
      ...FRAME,
      egress: [{ toEntities: ['ingress'] }],
    });
  });

  it('allows the pods of a service account by the labels that the agent sets', () => {
    const account: Peer = { kind: 'serviceAccount', namespace: 'shop', name: 'cart' };
    const matchLabels = {
      'k8s:io.kubernetes.pod.namespace': 'shop',
      'k8s:io.cilium.k8s.policy.serviceaccount': 'cart',
    };
    const ports = [{ protocol: 'TCP', port: 80 }] as const;
    assert.deepEqual(specOf(account, { direction: 'Ingress', ports }), {
      ...FRAME,
      ingress: [
        { fromEndpoints: [{ matchLabels }], toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }] },
      ],
    });
    assert.deepEqual(specOf({ ...account, namespaceLabels: { team: 'red' } }), {
      ...FRAME,
      egress: [
        {
          toEndpoints: [
            { matchLabels: { ...matchLabels, 'k8s:io.cilium.k8s.namespace.labels.team': 'red' } },
          ],
        },
      ],
    });
  });

  it('selects its pods by labels of Kubernetes alone', () => {
    const podSelector = {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'Exists' as const }],
    };
    assert.deepEqual(specOf({ kind: 'nodes' }, { podSelector }), {
      ...FRAME,
      endpointSelector: {
        matchLabels: { 'k8s:app': 'web' },
        matchExpressions: [{ key: 'k8s:tier', operator: 'Exists' }],
      },
      egress: [{ toEntities: ['host', 'remote-node'] }],
    });
  });

  it('writes ranges, and every port of a protocol', () => {
    const ports = [{ protocol: 'TCP', port: 8000, endPort: 8100 }, { protocol: 'UDP' }] as const;
    assert.partialDeepStrictEqual(specOf({ kind: 'nodes' }, { ports }), {
      egress: [
        {
          toPorts: [
            {
              ports: [
                { port: '8000', endPort: 8100, protocol: 'TCP' },
                { port: '0', protocol: 'UDP' },
              ],
            },
          ],
        },
      ],
    });
  });

  it('splits more ports than one entry may have', () => {
    const ports = Array.from({ length: 41 }, (_, index) => ({
      protocol: 'TCP' as const,
      port: 1000 + index,
    }));
    const { egress } = specOf({ kind: 'nodes' }, { ports }) as {
      egress: readonly { toPorts: readonly { ports: readonly unknown[] }[] }[];
    };
    assert.deepEqual(
      egress.map(({ toPorts }) => toPorts.map((each) => each.ports.length)),
      [[40, 1]],
    );
  });
});
