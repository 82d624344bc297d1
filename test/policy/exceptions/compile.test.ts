import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { compile } from '../../../src/policy/compile.ts';
import { compileException } from '../../../src/policy/exceptions/compile.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { parseNotes } from '../../../src/policy/notes.ts';
import { plan } from '../../../src/policy/planning/plan.ts';
import { rulesOf, specKey } from '../../../src/policy/semantics/normalize.ts';
import { NOTHING } from '../../../src/policy/semantics/selector.ts';
import { facts, type FactsInput, ownerByLabels, profile, runs, SHOP } from '../fixture.ts';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { Flow } from '../../../src/analysis/cluster.ts';
import { flow, namespaces, pods, selector } from '../../analysis/arbitrary.ts';
import { NAMESPACE, peer } from '../arbitrary.ts';
import { at, CREATED, exception, granting, HOUR } from './fixture.ts';

const END = CREATED + 4 * HOUR;

function compiled(
  object: SegmentationException,
  {
    by = granting('p'),
    input = {},
    observed = [],
  }: {
    readonly by?: SegmentationProfile;
    readonly input?: FactsInput;
    readonly observed?: readonly NetworkPolicy[];
  } = {},
) {
  const context = { namespace: SHOP, cluster: facts(input), lastKnown: lastKnownFrom(observed) };
  return compileException(object, { profile: by, end: END }, context);
}

const names = (policies: readonly NetworkPolicy[]) => policies.map(({ metadata }) => metadata.name);

describe('policies of an exception', () => {
  describe('for peers that the network engine alone carries', () => {
    const egress = [
      {
        name: 'r',
        to: [{ fqdn: { names: ['api.example.com'] } }],
        ports: [{ protocol: 'TCP' as const, port: 443 }],
      },
    ];
    const named = exception('debug', {
      egress: egress.map((each) => ({ ...each, podSelector: { matchLabels: { app: 'web' } } })),
    });
    const servers = {
      'kube-system/kube-dns': { selector: { 'k8s-app': 'kube-dns' }, ports: [{ port: 53 }] },
    };
    const onEngine = (kind: 'available' | 'missing'): FactsInput => ({
      services: servers,
      engine: {
        kind,
        carries: new Set(['names'] as const),
        reason: 'NotInstalled',
        message: 'no permission',
      },
    });

    it('carry the end beside the extensions, and allow nothing', () => {
      const { policies, extensions, unresolved } = compiled(named, { input: onEngine('available') });
      assert.deepEqual(unresolved, []);
      assert.deepEqual(names(policies), ['p.exception.debug.egress.r']);
      assert.equal(extensions[0]?.metadata.labels?.['segmentation.dev/exception'], 'debug');
      const [policy] = policies;
      assert.deepEqual(policy?.metadata.ownerReferences, extensions[0].metadata.ownerReferences);
      assert.equal(
        parseNotes(policy?.metadata.annotations?.['segmentation.dev/rules'] ?? '')?.[0]?.until,
        at(4),
      );
      assert.deepEqual(policy?.spec, {
        podSelector: { matchLabels: { app: 'web' } },
        policyTypes: ['Egress'],
        egress: [{ to: [{ podSelector: NOTHING }] }],
      });
    });

    it('are created and deleted by one step each, which open nothing', () => {
      const by = granting('p', {}, { egress: [{ name: 'r', to: [{ podSelector: {} }] }] });
      const own = compile(by, SHOP, facts()).policies;
      const added = compiled(named, { by, input: onEngine('available') }).policies;
      const context = { hasPods: true, ownerOf: ownerByLabels };
      const [begin, end] = [plan(own, [...own, ...added], context), plan([...own, ...added], own, context)];
      assert.deepEqual(
        [begin, end].map(({ steps }) => steps.map(({ verb }) => verb)),
        [['create'], ['delete']],
      );
      assert.deepEqual([begin.opens, end.opens], [[], []]);
    });

    it('are the same while the engine can not carry them', () => {
      const before = compiled(named, { input: onEngine('available') }).policies;
      const after = compiled(named, { input: onEngine('missing'), observed: before });
      assert.deepEqual(after.policies, before);
      assert.deepEqual(
        after.unresolved.map(({ reason, hasLastKnown }) => [reason, hasLastKnown]),
        [['NotInstalled', true]],
      );
      assert.deepEqual(
        after.extensions.map(({ rules, unresolved }) => [rules.length, unresolved.length]),
        [[0, 1]],
      );
    });

    it('are none without an engine that carries them, or before it could', () => {
      for (const input of [{}, onEngine('missing')]) {
        const { policies, unresolved } = compiled(named, { input });
        assert.deepEqual(policies, []);
        assert.equal(unresolved.length, 1);
      }
    });
  });

  it('carry its name, reason and end, and belong to it', () => {
    const [policy] = compiled(
      exception('debug', { egress: [{ name: 'r', description: 'to see', to: [{ podSelector: {} }] }] }),
    ).policies;
    assert.deepEqual(policy?.metadata, {
      name: 'p.exception.debug.egress',
      namespace: 'shop',
      labels: {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': 'p',
        'segmentation.dev/role': 'exception',
        'segmentation.dev/exception': 'debug',
      },
      annotations: {
        'segmentation.dev/rules': JSON.stringify([
          { rule: 'r', exception: 'debug', until: at(4), description: 'INC-4711: to see' },
        ]),
      },
      ownerReferences: [
        {
          apiVersion: 'segmentation.dev/v1alpha1',
          kind: 'SegmentationException',
          name: 'debug',
          uid: 'uid-debug',
          controller: true,
          blockOwnerDeletion: false,
        },
      ],
    });
  });

  it('are one for each direction, and one for each rule with a podSelector', () => {
    const { policies } = compiled(
      exception('debug', {
        ingress: [{ name: 'in', from: [{ podSelector: {} }] }],
        egress: [
          { name: 'out', to: [{ podSelector: {} }] },
          { name: 'some', podSelector: { matchLabels: { app: 'web' } }, to: [{ podSelector: {} }] },
        ],
      }),
    );
    assert.deepEqual(names(policies), [
      'p.exception.debug.egress',
      'p.exception.debug.egress.some',
      'p.exception.debug.ingress',
    ]);
  });

  it('leave out directions that the profile does not isolate', () => {
    const both = exception('debug', {
      ingress: [{ name: 'in', from: [{ podSelector: {} }] }],
      egress: [{ name: 'out', to: [{ podSelector: {} }] }],
    });
    const by = granting('p', {}, { isolation: ['Ingress'] });
    assert.deepEqual(names(compiled(both, { by }).policies), ['p.exception.debug.ingress']);
  });

  it('carry the side of a connection that lies in the namespace', () => {
    const from = [{ namespaces: ['shop'], podSelector: { matchLabels: { app: 'web' } } }];
    const connections = [{ name: 'c', from, to: [{ namespaces: ['data'] }] }];
    const { policies } = compiled(exception('debug', { egress: [], connections }));
    assert.deepEqual(names(policies), ['p.exception.debug.egress.c']);
  });

  it('have names of at most 63 characters that no two exceptions and rules share', () => {
    const long = 'x'.repeat(62);
    const all = ['a', 'b'].flatMap((last) => {
      const egress = ['a', 'b'].map((rule) => ({
        name: long + rule,
        podSelector: { matchLabels: { app: 'web' } },
        to: [{ podSelector: {} }],
      }));
      return names(compiled(exception(long + last, { egress }), { by: granting(long) }).policies);
    });
    assert.equal(new Set(all).size, 4);
    for (const name of all) assert.ok(name.length <= 63, name);
  });

  it('keep the last known form of a peer that is unresolved', () => {
    const object = exception('debug', {
      egress: [{ name: 'db', to: [{ service: { namespace: 'data', name: 'db' } }] }],
    });
    const input = { services: { 'data/db': { selector: { app: 'db' }, ports: [{ port: 5432 }] } } };
    const before = compiled(object, { input }).policies;
    const stripped = before.map((each) => ({ ...each, metadata: { ...each.metadata, labels: {} } }));
    for (const observed of [before, stripped]) {
      const after = compiled(object, { observed });
      assert.deepEqual(
        after.policies.map(({ spec }) => spec),
        before.map(({ spec }) => spec),
      );
      assert.deepEqual(
        after.unresolved.map(({ reason, hasLastKnown }) => [reason, hasLastKnown]),
        [['ServiceNotFound', true]],
      );
    }
    assert.deepEqual(compiled(object).policies, []);
  });

  it('have extensions beside them for peers that the network engine carries, of the same exception', () => {
    const carries = new Set(['nodes'] as const);
    const egress = [{ name: 'nodes', to: [{ entity: 'Nodes' as const }] }];
    const { policies, extensions, unresolved } = compiled(exception('debug', { egress }), {
      input: { nodes: [{ addresses: ['192.0.2.1'] }], engine: { kind: 'available', carries } },
    });
    assert.deepEqual(unresolved, []);
    const [policy, extension] = [policies[0]?.metadata, extensions[0]?.metadata];
    assert.equal(extension?.name, 'p.exception.debug.egress');
    assert.deepEqual(extension.labels, policy?.labels);
    assert.deepEqual(extension.ownerReferences, policy?.ownerReferences);
    assert.deepEqual(extensions[0]?.rules, [
      {
        peer: { kind: 'nodes' },
        note: {
          rule: 'nodes',
          peer: 'entity Nodes',
          exception: 'debug',
          until: at(4),
          description: 'INC-4711',
        },
      },
    ]);
  });

  it('are none if one is too large, with what to do', () => {
    const endpoints = {
      'data/big': [
        {
          addresses: Array.from(
            { length: 17_000 },
            (_, i) => `2001:db8:aaaa:bbbb:cccc:dddd:eeee:${(i + 4096).toString(16)}`,
          ),
          ports: [],
        },
      ],
    };
    const object = exception('debug', {
      egress: [
        {
          name: 'big',
          to: [{ service: { namespace: 'data', name: 'big' } }],
          ports: [{ protocol: 'TCP', port: 1 }],
        },
      ],
    });
    const { policies, excess } = compiled(object, {
      input: { services: { 'data/big': { ports: [{ port: 1 }] } }, endpoints },
    });
    assert.deepEqual(policies, []);
    assert.match(excess ?? '', /use fewer or wider peers/);
  });

  it('allow what the same rules of a profile allow, and nothing else, under any rule', () => {
    const rule = fc.record({
      name: fc.constantFrom('r', 's'),
      to: fc.array(peer, { minLength: 1, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(rule, { selector: ({ name }) => name, minLength: 1 }), (egress) => {
        const own = compiled(exception('e', { egress })).policies;
        const same = compile(profile({ egress }), SHOP, facts()).policies.filter(
          ({ spec }) => rulesOf(spec, 'Egress').length > 0,
        );
        assert.deepEqual(
          own.map(({ spec }) => specKey(spec)),
          same.map(({ spec }) => specKey(spec)),
        );
        for (const { metadata } of own)
          for (const note of parseNotes(metadata.annotations?.['segmentation.dev/rules'] ?? '') ?? [])
            assert.equal(note?.until, at(4));
      }),
      { numRuns: runs(40) },
    );
  });

  it('open exactly the flows of their rules, and their end closes exactly these', () => {
    const rules = fc.record({
      to: fc.array(peer, { minLength: 1, maxLength: 2 }),
      from: fc.array(peer, { minLength: 1, maxLength: 2 }),
      own: fc.option(selector, { nil: undefined }),
    });
    const cluster = fc
      .record({ namespaces, pods })
      .chain((view) => fc.tuple(fc.constant(view), fc.array(flow(view.pods), { minLength: 1 })));
    fc.assert(
      fc.property(rules, peer, cluster, ({ to, from, own }, allowed, [view, flows]) => {
        const place = {
          name: NAMESPACE,
          labels: view.namespaces.find(({ name }) => name === NAMESPACE)?.labels ?? {},
        };
        const by = granting('p', {}, { egress: [{ name: 'own', to: [allowed] }] });
        const podSelector = own && { podSelector: own };
        const spec = {
          egress: [{ name: 'out', to, ...podSelector }],
          ingress: [{ name: 'in', from, ...podSelector }],
        };
        const context = { namespace: place, cluster: facts() };
        const base = compile(by, place, facts()).policies;
        const added = compileException(exception('e', spec), { profile: by, end: END }, context).policies;
        const allows = (policies: readonly NetworkPolicy[]) => {
          const evaluator = compileView({ ...view, policies });
          return (each: Flow) => evaluator.verdict(each);
        };
        const [before, during, alone] = [base, [...base, ...added], added].map(allows);
        for (const each of flows) {
          for (const end of ['egress', 'ingress'] as const) {
            const [was, is, only] = [before?.(each)[end], during?.(each)[end], alone?.(each)[end]];
            // A rule of the exception allows the flow at this end: then it is open, and otherwise as it was before.
            const isOpened = only?.reason === 'Rule';
            assert.equal(is?.allowed, was?.allowed === true || isOpened);
          }
        }
      }),
      { numRuns: runs(150) },
    );
  });

  it('are created and deleted by one step each, which leaves the policies of the profile as they are', () => {
    const by = granting('p', {}, { egress: [{ name: 'r', to: [{ podSelector: {} }] }] });
    const own = compile(by, SHOP, facts()).policies;
    const added = compiled(exception('debug'), { by }).policies;
    const context = { hasPods: true, ownerOf: ownerByLabels };
    const begin = plan(own, [...own, ...added], context);
    assert.deepEqual(
      begin.steps.map((step) => step.verb),
      ['create'],
    );
    const end = plan([...own, ...added], own, context);
    assert.deepEqual(end.steps, [{ verb: 'delete', reason: 'unwanted', name: 'p.exception.debug.egress' }]);
    assert.deepEqual([begin.opens, end.opens], [[], []]);
  });
});
