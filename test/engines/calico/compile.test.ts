import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { LabelSelector } from '../../../src/api/meta.ts';
import { parseCalicoSelector } from '../../../src/engines/calico/parse-selector.ts';
import { CALICO_EXTENSIONS } from '../../../src/engines/calico/extensions.ts';
import { calicoSelector, labelSelectorOf } from '../../../src/engines/calico/selector.ts';
import type { ExtensionPolicy, ExtensionRule } from '../../../src/policy/extensions.ts';
import { matches, selectorKey } from '../../../src/policy/semantics/selector.ts';
import { runs } from '../../policy/fixture.ts';

const ACCOUNT = { kind: 'serviceAccount', namespace: 'checkout', name: 'web' } as const;
const note = { rule: 'r', peer: 'serviceAccount checkout/web' };

const policy = (
  direction: ExtensionPolicy['direction'],
  ports?: ExtensionRule['ports'],
  podSelector: LabelSelector = {},
): ExtensionPolicy => ({
  metadata: { name: 'p.ingress', namespace: 'shop' },
  podSelector,
  direction,
  unresolved: [],
  rules: [{ peer: ACCOUNT, note, ...(ports && { ports }) }],
});
const rulesOf = (...input: Parameters<typeof policy>) =>
  CALICO_EXTENSIONS.compile(policy(...input)).rules.map(({ rule }) => rule);

const SOURCE = {
  serviceAccounts: { names: ['web'] },
  namespaceSelector: "projectcalico.org/name == 'checkout'",
};

describe("extension as Calico's NetworkPolicy", () => {
  it('is of the tier and order of NetworkPolicies, and has one direction', () => {
    const { frame } = CALICO_EXTENSIONS.compile(policy('Egress', undefined, { matchLabels: { app: 'a' } }));
    assert.deepEqual(frame.spec, { tier: 'default', order: 1000, selector: "app == 'a'", types: ['Egress'] });
  });

  it('allows pods of the account in its namespace, in every protocol without ports', () => {
    assert.deepEqual(rulesOf('Ingress'), [{ action: 'Allow', source: SOURCE }]);
    assert.deepEqual(rulesOf('Egress'), [{ action: 'Allow', destination: SOURCE }]);
  });

  it('has a rule for each protocol, with ranges and names of ports', () => {
    const ports = [
      { protocol: 'TCP', port: 8443 },
      { protocol: 'TCP', port: 9000, endPort: 9100 },
      { protocol: 'TCP', port: 'http' },
      { protocol: 'UDP' },
    ] as const;
    assert.deepEqual(rulesOf('Ingress', ports), [
      {
        action: 'Allow',
        protocol: 'TCP',
        source: SOURCE,
        destination: { ports: [8443, '9000:9100', 'http'] },
      },
      { action: 'Allow', protocol: 'UDP', source: SOURCE },
    ]);
    assert.deepEqual(rulesOf('Egress', ports.slice(0, 1)), [
      { action: 'Allow', protocol: 'TCP', destination: { ...SOURCE, ports: [8443] } },
    ]);
  });

  it('splits more than 50 ports, and drops ports beside every port of their protocol', () => {
    const ports = Array.from({ length: 60 }, (_, index) => ({ protocol: 'TCP' as const, port: index + 1 }));
    const lengths = rulesOf('Ingress', ports).map(
      (rule) => (rule as { destination?: { ports: readonly unknown[] } }).destination?.ports.length,
    );
    assert.deepEqual(lengths, [50, 10]);
    assert.deepEqual(rulesOf('Ingress', [...ports, { protocol: 'TCP' }]), [
      { action: 'Allow', protocol: 'TCP', source: SOURCE },
    ]);
  });

  it('is limited to a namespace with the labels that a connection asks for', () => {
    const { rules, ...rest } = policy('Ingress');
    const peer = { ...ACCOUNT, namespaceLabels: { team: 'a' } };
    const [rule] = CALICO_EXTENSIONS.compile({
      ...rest,
      rules: rules.map((each) => ({ ...each, peer })),
    }).rules;
    assert.partialDeepStrictEqual(rule?.rule, {
      source: { namespaceSelector: "projectcalico.org/name == 'checkout' && team == 'a'" },
    });
  });

  it('is planned as a policy with the same pods and direction, and with a rule of its own for each', () => {
    const { frame, rules } = CALICO_EXTENSIONS.compile(
      policy('Egress', [{ port: 1 }, { protocol: 'UDP', port: 2 }], { matchLabels: { app: 'a' } }),
    );
    const [first, ...more] = rules.map(({ rule }) => rule);
    assert.ok(first);
    const spec = CALICO_EXTENSIONS.asPolicy?.(CALICO_EXTENSIONS.withRules(frame, [first, ...more]));
    assert.deepEqual(spec?.policyTypes, ['Egress']);
    assert.equal(selectorKey(spec?.podSelector ?? {}), selectorKey({ matchLabels: { app: 'a' } }));
    assert.equal(new Set(spec?.egress?.map((rule) => JSON.stringify(rule))).size, 2);
  });

  it("of somebody else isolates as a NetworkPolicy in the NetworkPolicies' tier only", () => {
    const { part, isolation } = CALICO_EXTENSIONS.foreign ?? assert.fail();
    const isolated = (spec: object, name = 'default.foreign') => {
      const object = { metadata: { name }, spec };
      assert.deepEqual(isolation({ ...object, ...part(object) }), isolation(object));
      return isolation(object);
    };
    const typesOf = (spec: object) => {
      const found = isolated(spec);
      return typeof found === 'object' ? found.policyTypes : found;
    };
    assert.deepEqual(isolated({ tier: 'default', types: ['Egress'], egress: [] }), {
      podSelector: {},
      policyTypes: ['Egress'],
    });
    assert.deepEqual(typesOf({ selector: 'all()' }), ['Ingress']);
    assert.deepEqual(typesOf({ egress: [{}] }), ['Egress']);
    assert.deepEqual(typesOf({ ingress: [{}], egress: [{}] }), ['Ingress', 'Egress']);
    assert.equal(isolated({ tier: 'platform', selector: 'all()' }), 'none');
    assert.equal(isolated({ selector: 'all()', serviceAccountSelector: "role == 'a'" }), 'unclear');
    assert.equal(isolated({ selector: 'a || b' }), 'unclear');
    assert.equal(isolated({ selector: 'all()' }, 'knp.default.p.ingress'), 'none');
  });

  it('of the cluster isolates the pods of the namespaces that it selects', () => {
    const { part, ofCluster } = CALICO_EXTENSIONS.foreign ?? assert.fail();
    const isolated = (spec: object) => {
      const object = { metadata: { name: 'default.foreign' }, spec };
      const isolation = ofCluster?.isolation ?? assert.fail();
      const place = { name: 'shop', labels: { team: 'red' } };
      assert.deepEqual(isolation({ ...object, ...part(object) }, place), isolation(object, place));
      return isolation(object, place);
    };
    const all = { podSelector: {}, policyTypes: ['Ingress'] };
    for (const spec of [
      {},
      { selector: 'all()', namespaceSelector: "team == 'red'" },
      { namespaceSelector: "projectcalico.org/name in {'shop'}" },
      {
        selector:
          "projectcalico.org/orchestrator == 'k8s' && projectcalico.org/namespace not in {'kube-system'}",
      },
      { selector: "pcns.team == 'red' && has(projectcalico.org/namespace)" },
    ])
      assert.deepEqual(isolated(spec), all, JSON.stringify(spec));
    assert.deepEqual(isolated({ selector: "app == 'a' && pcns.team == 'red'", types: ['Egress'] }), {
      podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values: ['a'] }] },
      policyTypes: ['Egress'],
    });
    for (const spec of [
      { tier: 'platform' },
      { namespaceSelector: "team != 'red'" },
      { namespaceSelector: "team != 'red'", selector: 'a || b' },
      { selector: "projectcalico.org/namespace == 'front' && app == 'a'" },
      { selector: '!has(pcns.team)' },
      { preDNAT: true },
      { doNotTrack: true },
    ])
      assert.equal(isolated(spec), 'none', JSON.stringify(spec));
    for (const spec of [
      { selector: 'a || b' },
      { serviceAccountSelector: "role == 'a'" },
      { selector: "pcsa.role == 'a'" },
      { namespaceSelector: 'team =' },
    ])
      assert.equal(isolated(spec), 'unclear', JSON.stringify(spec));
  });
});

describe("label selector as Calico's", () => {
  const key = fc.constantFrom('app', 'in', 'not', 'has', 'all', 'team.example.com/a-b');
  const value = fc.constantFrom('a', 'b', 'in', 'x.y-z_1', '');
  const values = fc.uniqueArray(value, { minLength: 1, maxLength: 3 });
  const selector: fc.Arbitrary<LabelSelector> = fc.record(
    {
      matchLabels: fc.dictionary(key, value, { maxKeys: 2 }),
      matchExpressions: fc.array(
        fc.oneof(
          fc.record({ key, operator: fc.constantFrom('In' as const, 'NotIn' as const), values }),
          fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
        ),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: [] },
  );
  const labels = fc.dictionary(key, value, { maxKeys: 4 });

  it('means the same, and is read back', () => {
    fc.assert(
      fc.property(selector, labels, (wanted, of) => {
        const text = calicoSelector(wanted);
        assert.equal(parseCalicoSelector(text)?.(of), matches(wanted, of), text);
        const back = labelSelectorOf(text);
        assert.ok(back, text);
        assert.equal(matches(back, of), matches(wanted, of), text);
      }),
      { numRuns: runs(400) },
    );
  });

  it('is not read from any other text', () => {
    for (const text of ['', "a == 'b' || c == 'd'", 'a == "b"', "(a == 'b')", "a contains 'b'", 'global()'])
      assert.equal(labelSelectorOf(text), undefined, text);
  });
});
