import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { compile, type LastKnown } from '../../src/policy/compile.ts';
import { NOTHING_KNOWN } from '../../src/policy/peers/last-known.ts';
import { rulesOf } from '../../src/policy/semantics/normalize.ts';
import { facts, type FactsInput, named, profile, SHOP } from './fixture.ts';

const policiesOf = (made: SegmentationProfile, input: FactsInput = {}, lastKnown?: LastKnown) =>
  compile(made, SHOP, facts(input), lastKnown).policies;
const namesOf = (made: SegmentationProfile, input?: FactsInput) =>
  policiesOf(made, input).map(({ metadata }) => metadata.name);
const notesOf = (made: SegmentationProfile, name: string, input?: FactsInput): unknown =>
  JSON.parse(
    named(policiesOf(made, input), name)?.metadata.annotations?.['segmentation.dev/rules'] ?? 'null',
  );
const web = { matchLabels: { app: 'web' } };
const anyone = [{ entity: 'Any' as const }];

describe('the policies of a profile', () => {
  it('are a default-deny alone if nothing is allowed', () => {
    assert.deepEqual(policiesOf(profile()), [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: {
          name: 'segmented.default-deny',
          namespace: 'shop',
          labels: {
            'app.kubernetes.io/managed-by': 'segmentation-operator',
            'segmentation.dev/profile': 'segmented',
            'segmentation.dev/role': 'default-deny',
          },
          ownerReferences: [
            {
              apiVersion: 'segmentation.dev/v1alpha1',
              kind: 'SegmentationProfile',
              name: 'segmented',
              uid: 'uid-1',
              controller: true,
              blockOwnerDeletion: false,
            },
          ],
        },
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      },
    ]);
  });

  it('are one for all pods of a direction and one for each rule with a podSelector, sorted by name', () => {
    const made = profile({
      ingress: [
        { name: 'b', from: anyone },
        { name: 'a', from: anyone, podSelector: web },
        { name: 'c', from: [{ podSelector: {} }], podSelector: {} },
        { name: 'd', from: [{ podSelector: web }], podSelector: { matchLabels: {} } },
      ],
      egress: [{ name: 'a', to: anyone, podSelector: web }],
    });
    assert.deepEqual(namesOf(made), [
      'segmented.default-deny',
      'segmented.egress.a',
      'segmented.ingress',
      'segmented.ingress.a',
    ]);
    const own = named(policiesOf(made), 'segmented.egress.a');
    assert.deepEqual(own?.spec, { podSelector: web, policyTypes: ['Egress'], egress: [{}] });
    assert.equal(own.metadata.labels?.['segmentation.dev/rule'], 'a');
    assert.equal(own.metadata.labels['segmentation.dev/role'], 'egress');
    assert.deepEqual(named(policiesOf(made), 'segmented.ingress')?.spec.ingress, [
      {},
      { from: [{ podSelector: {} }] },
      { from: [{ podSelector: web }] },
    ]);
  });

  for (const [direction, other] of [
    ['Ingress', 'egress'],
    ['Egress', 'ingress'],
  ] as const) {
    it(`have one direction if only ${direction} is isolated`, () => {
      const made = profile({
        isolation: [direction],
        baseline: { sameNamespace: 'Allow', dns: 'Allow', monitoring: 'Allow', admissionWebhooks: 'Allow' },
      });
      const policies = policiesOf(made, {
        webhooks: [{ namespace: 'shop', name: 'hook', port: 443 }],
        services: { 'shop/hook': { selector: { app: 'hook' }, ports: [{ port: 443 }] } },
      });
      assert.ok(policies.length >= 2);
      for (const { metadata, spec } of policies) {
        assert.deepEqual(spec.policyTypes, [direction], metadata.name);
        assert.equal(other in spec, false, metadata.name);
      }
    });
  }

  it('list the directions in one order, whatever the order in the profile', () => {
    const [deny] = policiesOf(profile({ isolation: ['Egress', 'Ingress'] }));
    assert.deepEqual(deny?.spec.policyTypes, ['Ingress', 'Egress']);
  });

  it('have no owner under Retain, so that they outlive the profile', () => {
    for (const { metadata } of policiesOf(
      profile({ deletionPolicy: 'Retain', baseline: { sameNamespace: 'Allow' } }),
    )) {
      assert.equal('ownerReferences' in metadata, false);
    }
  });

  it('do not depend on the generation, the selector and the excluded namespaces of the profile', () => {
    const made = profile({ ingress: [{ name: 'a', from: anyone }] });
    const edited: SegmentationProfile = {
      ...made,
      metadata: { ...made.metadata, generation: 99, resourceVersion: '7' },
      spec: { ...made.spec, excludeNamespaces: ['x'], namespaceSelector: web },
    };
    assert.equal(JSON.stringify(policiesOf(edited)), JSON.stringify(policiesOf(made)));
  });

  it('leave out a rule whose peers are all unresolved, rather than write it without peers', () => {
    const missing = [{ service: { namespace: 'data', name: 'gone' } }];
    const made = profile({
      ingress: [{ name: 'a', from: missing }],
      egress: [{ name: 'b', to: missing, podSelector: web }],
    });
    assert.deepEqual(namesOf(made), ['segmented.default-deny']);
  });

  it('have valid names and labels for the longest names that the CRD allows', () => {
    const long = 'a'.repeat(63);
    const service = { selector: { app: 'hook' }, ports: [{ port: 443 }] };
    const made = {
      ...profile({
        baseline: { admissionWebhooks: 'Allow' },
        egress: [{ name: long, podSelector: web, to: anyone }],
      }),
      metadata: { name: long, uid: 'u' },
    };
    const policies = policiesOf(made, {
      webhooks: [{ namespace: 'shop', name: long, port: 443 }],
      services: { [`shop/${long}`]: service },
    });
    assert.equal(policies.length, 3);
    for (const { metadata } of policies) {
      assert.match(metadata.name, /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/);
      assert.ok(metadata.name.length <= 63, metadata.name);
      for (const value of Object.values(metadata.labels ?? {})) {
        assert.match(value, /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/);
        assert.ok(value.length <= 63, value);
      }
    }
  });

  it('do not depend on earlier compilations for other namespaces and facts', () => {
    const made = profile({
      baseline: { dns: 'Allow', kubeAPIServer: 'Allow' },
      egress: [{ name: 'own', to: [{ sameNamespaceLabels: ['team'] }, { entity: 'Nodes' }] }],
    });
    const first = { nodes: [{ addresses: ['192.168.0.1'] }] };
    const second = {
      nodes: [{ addresses: ['192.168.0.2'] }],
      services: { 'kube-system/kube-dns': { selector: { a: 'b' }, ports: [{ port: 53, targetPort: 5353 }] } },
    };
    const fresh = (input: FactsInput, labels: Record<string, string>) =>
      JSON.stringify(compile(structuredClone(made), { name: 'shop', labels }, facts(input)));
    const reused = (input: FactsInput, labels: Record<string, string>) =>
      JSON.stringify(compile(made, { name: 'shop', labels }, facts(input)));
    for (const [input, labels] of [
      [first, { team: 'a' }],
      [second, { team: 'b' }],
      [first, { team: 'a' }],
      [first, {}],
      [second, { team: 'a' }],
      [{}, { team: 'a' }],
    ] as const) {
      assert.equal(reused(input, labels), fresh(input, labels));
    }
  });
});

describe('the notes on a policy', () => {
  it('name, in order, the source of each rule, its dynamic peer, and once its description', () => {
    const made = profile({
      baseline: { sameNamespace: 'Allow' },
      egress: [
        {
          name: 'a',
          description: 'why',
          to: [
            { service: { namespace: 'data', name: 'api' } },
            { podSelector: web },
            { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
          ],
        },
        { name: 'b', to: anyone },
      ],
    });
    const input = { services: { 'data/api': { selector: { app: 'api' }, ports: [{ port: 80 }] } } };
    assert.deepEqual(notesOf(made, 'segmented.egress', input), [
      { rule: 'baseline.sameNamespace', description: 'pods of the same namespace' },
      { rule: 'a', description: 'why' },
      { rule: 'a' },
      { rule: 'a', peer: 'service data/api' },
      { rule: 'b', peer: 'entity Any' },
    ]);
    assert.equal(named(policiesOf(made, input), 'segmented.egress')?.spec.egress?.length, 5);
  });

  it('name the first of two sources that allow the same, which is written once', () => {
    const made = profile({
      ingress: [
        { name: 'a', from: [{ podSelector: web }] },
        { name: 'b', from: [{ podSelector: web }] },
      ],
    });
    assert.deepEqual(notesOf(made, 'segmented.ingress'), [{ rule: 'a' }]);
  });

  it('name the dynamic peer of each source, though another source resolves to the same', () => {
    const to = [{ service: { namespace: 'data', name: 'api' } }];
    const made = profile({
      egress: [
        { name: 'a', to },
        { name: 'b', to },
      ],
    });
    const input = { services: { 'data/api': { selector: { app: 'api' }, ports: [{ port: 80 }] } } };
    assert.deepEqual(notesOf(made, 'segmented.egress', input), [
      { rule: 'a', peer: 'service data/api' },
      { rule: 'b', peer: 'service data/api' },
    ]);
  });
});

describe('an unresolved peer', () => {
  const gone = { service: { namespace: 'data', name: 'gone' } };
  const made = profile({
    egress: [{ name: 'a', to: [gone, { podSelector: web }, gone] }],
    ingress: [{ name: 'a', from: [gone] }],
  });
  const known = { peers: [{ podSelector: { matchLabels: { app: 'old' } } }] };

  it('is reported once for each rule, direction and peer', () => {
    const { unresolved } = compile(made, SHOP, facts());
    assert.deepEqual(
      unresolved.map(({ direction, rule, peer, hasLastKnown }) => ({ direction, rule, peer, hasLastKnown })),
      [
        { direction: 'Ingress', rule: 'a', peer: 'service data/gone', hasLastKnown: false },
        { direction: 'Egress', rule: 'a', peer: 'service data/gone', hasLastKnown: false },
      ],
    );
  });

  it('keeps the last known rules of the policy that carried it', () => {
    const asked: string[][] = [];
    const { policies, unresolved } = compile(made, SHOP, facts(), {
      ...NOTHING_KNOWN,
      rules: (...question) => {
        asked.push(question);
        return question[1] === 'Egress' ? [known] : [];
      },
    });
    assert.deepEqual(asked, [
      ['segmented.ingress', 'Ingress', 'a', 'service data/gone'],
      ['segmented.egress', 'Egress', 'a', 'service data/gone'],
    ]);
    assert.deepEqual(
      unresolved.map(({ hasLastKnown }) => hasLastKnown),
      [false, true],
    );
    const object = named(policies, 'segmented.egress');
    assert.deepEqual(rulesOf(object?.spec ?? {}, 'Egress'), [{ peers: [{ podSelector: web }] }, known]);
  });
});

describe('the baseline', () => {
  const every: FactsInput = {
    services: { 'default/kubernetes': { ports: [{ port: 443 }], clusterIPs: ['10.96.0.1'] } },
    endpoints: { 'default/kubernetes': [{ addresses: ['192.168.0.1'], ports: [{ port: 6443 }] }] },
    configuration: {
      ingressControllers: [{ podSelector: web }],
      monitoring: [{ podSelector: web, namespaceSelector: web }],
    },
  };
  const entries: [entry: string, expected: Record<string, string[]>][] = [
    ['dns', { 'segmented.egress': ['entity ClusterDNS'] }],
    ['kubeAPIServer', { 'segmented.egress': ['entity KubeAPIServer', 'entity KubeAPIServer'] }],
    ['ingressControllers', { 'segmented.ingress': ['entity IngressControllers'] }],
    ['monitoring', { 'segmented.ingress': ['entity Monitoring'] }],
    ['sameNamespace', { 'segmented.egress': ['own'], 'segmented.ingress': ['own'] }],
  ];
  for (const [entry, expected] of entries) {
    it(`allows ${entry} in its directions only`, () => {
      const made = profile({ baseline: { [entry]: 'Allow' } });
      assert.deepEqual(namesOf(made, every), ['segmented.default-deny', ...Object.keys(expected)]);
      for (const [name, peers] of Object.entries(expected)) {
        const notes = notesOf(made, name, every) as { rule: string; peer?: string }[];
        assert.deepEqual(
          notes.map(({ peer }) => peer ?? 'own'),
          peers,
        );
        for (const { rule } of notes) assert.equal(rule, `baseline.${entry}`);
      }
    });
  }
});

describe('baseline admissionWebhooks', () => {
  const made = profile({ baseline: { admissionWebhooks: 'Allow' } });
  const hook = (port: number, name = 'hook', namespace = 'shop') => ({ namespace, name, port });
  const hooks = {
    'shop/hook': {
      selector: { app: 'hook' },
      ports: [{ port: 443, targetPort: 9443 }, { port: 8443, targetPort: 'conversion' }, { port: 80 }],
    },
  };
  const specs = (input: FactsInput) =>
    policiesOf(made, input)
      .slice(1)
      .map(({ spec }) => spec);
  const expected = (...ports: (number | string)[]) => ({
    podSelector: { matchLabels: { app: 'hook' } },
    policyTypes: ['Ingress'],
    ingress: [{ ports: ports.map((port) => ({ protocol: 'TCP', port })) }],
  });
  const cases: [name: string, input: FactsInput, specs: unknown[]][] = [
    [
      'allows everyone to reach the pods on the target port',
      { webhooks: [hook(443)], services: hooks },
      [expected(9443)],
    ],
    [
      'joins the ports of one Service, by number or name',
      { webhooks: [hook(443), hook(8443), hook(443)], services: hooks },
      [expected(9443, 'conversion')],
    ],
    [
      'allows only the configured sources',
      {
        webhooks: [hook(443)],
        services: hooks,
        configuration: { webhookSourceCIDRs: ['192.168.0.0/24', 'fd01::/64'] },
      },
      [
        {
          ...expected(9443),
          ingress: [
            {
              from: [{ ipBlock: { cidr: '192.168.0.0/24' } }, { ipBlock: { cidr: 'fd01::/64' } }],
              ports: [{ protocol: 'TCP', port: 9443 }],
            },
          ],
        },
      ],
    ],
    ['allows nothing for a Service that does not exist', { webhooks: [hook(443)] }, []],
    [
      'allows nothing for a Service without selector',
      { webhooks: [hook(443)], services: { 'shop/hook': { ports: [{ port: 443 }] } } },
      [],
    ],
    [
      'allows nothing for an ExternalName, whatever it selects',
      {
        webhooks: [hook(443)],
        services: { 'shop/hook': { type: 'ExternalName', selector: { app: 'x' }, ports: [{ port: 443 }] } },
      },
      [],
    ],
    [
      'allows nothing for a port that the Service does not have',
      { webhooks: [hook(444)], services: hooks },
      [],
    ],
    [
      'allows nothing for Services of other namespaces',
      { webhooks: [hook(443, 'hook', 'data')], services: { ...hooks, 'data/hook': hooks['shop/hook'] } },
      [],
    ],
    [
      'allows nothing while webhooks can not be read',
      { webhooks: [hook(443)], services: hooks, unknown: ['webhooks'] },
      [],
    ],
  ];
  for (const [name, input, wanted] of cases) {
    it(name, () => assert.deepEqual(specs(input), wanted));
  }

  it('writes a policy for each Service', () => {
    const services = { ...hooks, 'shop/other': { selector: { app: 'other' }, ports: [{ port: 443 }] } };
    const policies = policiesOf(made, { webhooks: [hook(443), hook(443, 'other')], services }).slice(1);
    assert.equal(new Set(policies.map(({ metadata }) => metadata.name)).size, 2);
    for (const { metadata } of policies) {
      assert.match(metadata.name, /^segmented\.ingress\.baseline\.webhook\.[0-9a-f]{12}$/);
      assert.match(
        metadata.annotations?.['segmentation.dev/rules'] ?? '',
        /the API server calls Service (hook|other)/,
      );
    }
  });
});
