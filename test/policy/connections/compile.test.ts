import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { Connection, ProfileSpec } from '../../../src/api/profile.ts';
import { compile } from '../../../src/policy/compile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { facts, type FactsInput, profile } from '../fixture.ts';

const app = (name: string) => ({ matchLabels: { app: name } });
const named = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
const service = (namespace: string, name: string) => ({ service: { namespace, name } });

/** Three namespaces, a flow from each to the next, and the Services of the last two. */
const SHOP: Connection[] = [
  {
    name: 'storefront-to-checkout',
    from: [{ namespaces: ['shop-storefront'], podSelector: app('web') }],
    to: [service('shop-checkout', 'checkout')],
  },
  {
    name: 'checkout-to-payments',
    description: 'Orders are paid.',
    from: [{ namespaces: ['shop-checkout'], podSelector: app('checkout') }],
    to: [service('shop-payments', 'payments')],
  },
];
const CLUSTER: FactsInput = {
  services: {
    'shop-checkout/checkout': { selector: { app: 'checkout' }, ports: [{ port: 80, targetPort: 8443 }] },
    'shop-payments/payments': { selector: { app: 'payments' }, ports: [{ port: 80, targetPort: 'main' }] },
  },
};
const NAMESPACES = ['shop-storefront', 'shop-checkout', 'shop-payments'];

function compiled(
  spec: Partial<Omit<ProfileSpec, 'baseline'>>,
  namespace: string,
  { labels = {}, ...given }: FactsInput & { labels?: Record<string, string> } = CLUSTER,
  observed: readonly NetworkPolicy[] = [],
) {
  return compile(profile(spec), { name: namespace, labels }, facts(given), lastKnownFrom(observed));
}

const namesOf = (policies: readonly NetworkPolicy[]) =>
  policies.map(({ metadata }) => metadata.name.replace('segmented.', ''));

describe('a connection', () => {
  it('is written only in the namespaces in which its ends lie, at each end once', () => {
    assert.deepEqual(
      Object.fromEntries(
        NAMESPACES.map((each) => [each, namesOf(compiled({ connections: SHOP }, each).policies)]),
      ),
      {
        'shop-storefront': ['default-deny', 'egress.storefront-to-checkout'],
        'shop-checkout': ['default-deny', 'egress.checkout-to-payments', 'ingress.storefront-to-checkout'],
        'shop-payments': ['default-deny', 'ingress.checkout-to-payments'],
      },
    );
  });

  it("selects the pods of a Service, and gives both ends the Service's target ports", () => {
    const ports = [{ protocol: 'TCP', port: 8443 }];
    const [, egress] = compiled({ connections: SHOP }, 'shop-storefront').policies;
    assert.deepEqual(egress?.spec, {
      podSelector: app('web'),
      policyTypes: ['Egress'],
      egress: [
        {
          to: [{ namespaceSelector: named('shop-checkout'), podSelector: app('checkout') }],
          ports,
        },
      ],
    });
    const [, , ingress] = compiled({ connections: SHOP }, 'shop-checkout').policies;
    assert.deepEqual(ingress?.spec, {
      podSelector: app('checkout'),
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ namespaceSelector: named('shop-storefront'), podSelector: app('web') }], ports }],
    });
  });

  it('carries its name and description on the policies of both ends', () => {
    for (const [namespace, role] of [
      ['shop-checkout', 'egress'],
      ['shop-payments', 'ingress'],
    ] as const) {
      const { policies } = compiled({ connections: SHOP }, namespace);
      const { metadata } = policies.find((each) => each.metadata.name.includes(`${role}.checkout-to-`))!;
      assert.equal(metadata.labels?.['segmentation.dev/rule'], 'checkout-to-payments');
      const notes: unknown = JSON.parse(metadata.annotations?.['segmentation.dev/rules'] ?? '');
      const peer = role === 'egress' ? { peer: 'service shop-payments/payments' } : {};
      assert.deepEqual(notes, [
        { rule: 'checkout-to-payments', kind: 'connection', ...peer, description: 'Orders are paid.' },
      ]);
    }
  });

  it('leaves out the side of a direction that is not isolated', () => {
    const { policies, connections } = compiled(
      { connections: SHOP, isolation: ['Ingress'] },
      'shop-storefront',
    );
    assert.deepEqual(namesOf(policies), ['default-deny']);
    assert.deepEqual(connections, ['storefront-to-checkout']);
  });

  it('shares the policy for all pods of a direction with rules, if its end is all pods', () => {
    const { policies } = compiled(
      {
        ingress: [{ name: 'rule', from: [{ namespaces: ['other'] }] }],
        connections: [{ name: 'flow', from: [{ namespaces: ['edge'] }], to: [{ namespaces: ['shop'] }] }],
      },
      'shop',
    );
    assert.deepEqual(namesOf(policies), ['default-deny', 'ingress']);
    assert.deepEqual(policies[1]?.spec.ingress, [
      { from: [{ namespaceSelector: named('other') }] },
      { from: [{ namespaceSelector: named('edge') }] },
    ]);
  });

  it('has a policy for each distinct set of pods that its ends are in one namespace', () => {
    const from = [{ entity: 'Any' as const }];
    const to = [
      { namespaces: ['shop'], podSelector: app('a') },
      { namespaces: ['shop'], podSelector: app('b') },
      { namespaces: ['shop', 'bank'], podSelector: app('a') },
    ];
    const { policies } = compiled({ connections: [{ name: 'flow', from, to }] }, 'shop');
    const [, ...own] = policies;
    assert.deepEqual(
      own.map(({ spec }) => spec.podSelector),
      [app('a'), app('b')],
    );
    for (const { metadata } of own) {
      assert.match(metadata.name, /^segmented\.ingress\.flow\.[0-9a-f]{10}$/);
      assert.equal(metadata.name.split('.')[3], metadata.labels?.['segmentation.dev/end']);
    }
    const elsewhere = compiled({ connections: [{ name: 'flow', from, to }] }, 'bank');
    assert.deepEqual(namesOf(elsewhere.policies), ['default-deny', 'ingress.flow']);
  });

  it('of podSelectors alone is within one namespace, in every selected one', () => {
    const connections = [
      { name: 'flow', from: [{ podSelector: app('web') }], to: [{ podSelector: app('db') }] },
    ];
    const [, egress, ingress] = compiled({ connections }, 'shop').policies;
    assert.deepEqual(egress?.spec.egress, [{ to: [{ podSelector: app('db') }] }]);
    assert.deepEqual(ingress?.spec.ingress, [{ from: [{ podSelector: app('web') }] }]);
  });

  it('from a podSelector alone to a named namespace is written in that namespace only', () => {
    const connections = [
      { name: 'flow', from: [{ podSelector: app('web') }], to: [{ namespaces: ['pay'] }] },
    ];
    assert.deepEqual(namesOf(compiled({ connections }, 'pay').policies), [
      'default-deny',
      'egress.flow',
      'ingress',
    ]);
    const elsewhere = compiled({ connections }, 'shop');
    assert.deepEqual(namesOf(elsewhere.policies), ['default-deny']);
    assert.deepEqual(elsewhere.connections, []);
  });

  it('from an entity to a podSelector alone is written in every selected namespace', () => {
    const connections = [
      { name: 'flow', from: [{ entity: 'Any' as const }], to: [{ podSelector: app('web') }] },
    ];
    for (const namespace of ['shop', 'pay'])
      assert.deepEqual(namesOf(compiled({ connections }, namespace).policies), [
        'default-deny',
        'ingress.flow',
      ]);
  });

  it('with sameNamespaceLabels at both ends is equal in all namespaces that share the labels', () => {
    const connections: Connection[] = [
      {
        name: 'web-to-db',
        from: [{ sameNamespaceLabels: ['team'], podSelector: app('web') }],
        to: [{ sameNamespaceLabels: ['team'], podSelector: app('db') }],
      },
    ];
    const [red, alsoRed] = ['a', 'b'].map((name) =>
      compiled({ connections }, name, { labels: { team: 'red' } }).policies.map(({ spec }) => spec),
    );
    assert.deepEqual(red, alsoRed);
    assert.deepEqual(red?.[1]?.egress?.[0]?.to, [
      { namespaceSelector: { matchLabels: { team: 'red' } }, podSelector: app('db') },
      { podSelector: app('db') },
    ]);
  });

  it('with sameNamespaceLabels pairs namespaces by their values', () => {
    const connections = [
      {
        name: 'flow',
        from: [{ sameNamespaceLabels: ['team'], podSelector: app('web') }],
        to: [{ namespaces: ['pay', 'shop'], podSelector: app('api') }],
      },
    ];
    const { policies } = compiled({ connections }, 'shop', { labels: { team: 'red' } });
    const egress = policies.find(({ metadata }) => metadata.name === 'segmented.egress.flow');
    assert.deepEqual(egress?.spec.egress, [
      {
        to: [
          {
            namespaceSelector: {
              matchLabels: { team: 'red' },
              matchExpressions: [
                { key: 'kubernetes.io/metadata.name', operator: 'In', values: ['pay', 'shop'] },
              ],
            },
            podSelector: app('api'),
          },
          { namespaceSelector: named('shop'), podSelector: app('api') },
        ],
      },
    ]);
  });

  it('of which no end lies in a namespace is not among those of the namespace', () => {
    assert.deepEqual(compiled({ connections: SHOP }, 'elsewhere').connections, []);
    assert.deepEqual(compiled({ connections: SHOP }, 'shop-checkout').connections, [
      'storefront-to-checkout',
      'checkout-to-payments',
    ]);
  });
});

describe('a connection whose Service is deleted', () => {
  const gone: FactsInput = {
    services: { 'shop-checkout/checkout': CLUSTER.services?.['shop-checkout/checkout'] ?? {} },
  };

  for (const namespace of ['shop-checkout', 'shop-payments']) {
    it(`keeps the policies of both ends as they are, in ${namespace}`, () => {
      const before = compiled({ connections: SHOP }, namespace);
      const after = compiled({ connections: SHOP }, namespace, gone, before.policies);
      assert.equal(JSON.stringify(after.policies), JSON.stringify(before.policies));
      assert.deepEqual(
        after.unresolved.map(({ rule, end, peer, reason, hasLastKnown }) => ({
          rule,
          end,
          peer,
          reason,
          hasLastKnown,
        })),
        [
          {
            rule: 'checkout-to-payments',
            end: 'to',
            peer: 'service shop-payments/payments',
            reason: 'ServiceNotFound',
            hasLastKnown: true,
          },
        ],
      );
    });
  }

  it('is reported, and allows nothing, if nothing was known before', () => {
    const { policies, unresolved } = compiled({ connections: SHOP }, 'shop-payments', gone);
    assert.deepEqual(namesOf(policies), ['default-deny']);
    assert.equal(unresolved[0]?.hasLastKnown, false);
  });
});

describe('inNamespaces of a rule', () => {
  const from = [{ entity: 'Any' as const }];
  const rules = [
    { name: 'everywhere', from },
    { name: 'named', from, podSelector: app('a'), inNamespaces: { names: ['shop', 'bank'] } },
    { name: 'labelled', from, podSelector: app('b'), inNamespaces: { selector: app('x') } },
  ];
  for (const [namespace, labels, expected] of [
    ['shop', {}, ['default-deny', 'ingress', 'ingress.named']],
    ['shop', { app: 'x' }, ['default-deny', 'ingress', 'ingress.labelled', 'ingress.named']],
    ['post', {}, ['default-deny', 'ingress']],
  ] as const) {
    it(`is where the rule is written: in ${namespace} with labels ${JSON.stringify(labels)}`, () => {
      assert.deepEqual(
        namesOf(compiled({ ingress: rules }, namespace, { labels: { ...labels } }).policies),
        expected,
      );
    });
  }

  it('holds for rules for all pods too', () => {
    const scoped = [{ name: 'a', from, inNamespaces: { names: ['bank'] } }];
    assert.deepEqual(namesOf(compiled({ ingress: scoped }, 'shop').policies), ['default-deny']);
  });
});
