import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { IngressRule, SegmentationProfile } from '../../../../src/api/profile.ts';
import { entrancesOf, isTunnelDeny } from '../../../../src/engines/istio/ambient/objects.ts';
import { isTunnel, keptTunnels } from '../../../../src/policy/tunnels.ts';
import { NOTHING_ALLOWED, runs } from '../../../policy/fixture.ts';
import { connectionsOn, profiles as generated, SOURCES, TARGETS, tcp } from './arbitrary.ts';
import {
  AmbientNamespace,
  type ExceptedProfile,
  exceptionOf,
  isMeant,
  meshProfile,
  TUNNEL_PORT,
  textOf,
  textsOf,
} from './world.ts';

const PORTS = [80, 90, TUNNEL_PORT];
const CONNECTIONS = connectionsOn(PORTS);

const passing = (namespace: AmbientNamespace) => textsOf(CONNECTIONS, (each) => namespace.passes(each));

describe('the tunnel of a mesh without sidecars', () => {
  /** The namespace once all is written and accepted, and the peers that are unresolved. */
  const settled = (...profiles: readonly ExceptedProfile[]) => {
    const namespace = new AmbientNamespace();
    namespace.settle(profiles);
    const all = [...namespace.plan(profiles).profiles.values()];
    return { namespace, unresolved: all.flatMap(({ unresolved }) => unresolved) };
  };
  const web = { matchLabels: { app: 'web' } };
  const db = { matchLabels: { app: 'db' } };

  it('lets labels decide who comes in, and identities which ports are reached', () => {
    const { namespace, unresolved } = settled(
      meshProfile([
        { name: 'r', podSelector: web, from: [{ namespaces: ['front'], podSelector: db }], ports: [tcp(80)] },
        { name: 'ops', from: [{ namespaces: ['ops'] }], ports: [tcp(90)] },
      ]),
    );
    assert.deepEqual(unresolved, []);
    const allowed = (selector: object | undefined, namespace: string, port: string) => ({
      action: 'ALLOW',
      ...(selector && { selector }),
      rules: [{ from: [{ source: { namespaces: [namespace] } }], to: [{ operation: { ports: [port] } }] }],
    });
    const specs = (list: readonly unknown[]) => list.map((each) => JSON.stringify(each)).sort();
    assert.deepEqual(
      specs(namespace.objects.map((each) => (each as { spec?: unknown }).spec)),
      specs([
        { action: 'ALLOW', rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }] },
        allowed(web, 'front', '80'),
        allowed(undefined, 'ops', '90'),
      ]),
    );
  });
  it('does not open for a rule that is left out beside a rule for every port that no namespace matches', () => {
    const nobody = { name: 'nobody', from: [{ namespaceSelector: { matchLabels: { team: 'none' } } }] };
    const named = {
      name: 'named',
      from: [{ podSelector: {} }],
      ports: [{ protocol: 'TCP' as const, port: 'http' }],
    };
    const { namespace } = settled(meshProfile([nobody]));
    namespace.settle([meshProfile([nobody, named])]);
    assert.deepEqual(namespace.policies.filter(isTunnel), []);
  });

  it('carries all rules of config/samples/ambient', () => {
    const file = join(import.meta.dirname, '../../../../config/samples/ambient/profile.yaml');
    const { spec } = parse(readFileSync(file, 'utf8')) as Pick<SegmentationProfile, 'spec'>;
    const { namespace, unresolved } = settled(
      meshProfile(spec.ingress, 'ambient', {
        ...spec,
        baseline: { ...NOTHING_ALLOWED, ...spec.baseline },
        mesh: { authorization: 'Enforce', mtls: 'Disabled', ...spec.mesh },
        deletionPolicy: 'Delete',
      }),
    );
    assert.deepEqual(unresolved, []);
    const names = namespace.objects.map(({ metadata }) => metadata.name).sort();
    assert.equal(names.length, 3);
    assert.ok(names.includes('ambient.ingress.baseline.mesh.tunnel'), names.join());
  });

  const twoPorts = (accounts: boolean) =>
    meshProfile(
      ['well', 'other'].map((account, i) => ({
        name: account,
        from: [
          accounts
            ? { serviceAccount: { namespace: 'front', name: account } }
            : { namespaces: ['front'], podSelector: i === 0 ? web : db },
        ],
        ports: [tcp(i === 0 ? 80 : 90)],
      })),
    );

  it('leaves out a rule whose pods share an identity with those of another one, and have other ports', () => {
    const { namespace, unresolved } = settled(twoPorts(false));
    const [only, ...more] = unresolved;
    assert.deepEqual([only?.rule, only?.reason, more], ['other', 'Unsupported', []]);
    assert.match(only?.message ?? '', /pods that rule well lets in .*Give both rules the same ports/);
    assert.deepEqual([namespace.policies, namespace.objects], [[], []], 'a namespace with pods waits');
    assert.deepEqual(settled(twoPorts(true)).unresolved, []);
  });

  it('keeps what passes when a new rule excludes an old one', () => {
    const { namespace } = settled(meshProfile(twoPorts(false).spec.ingress?.slice(1)));
    const before = passing(namespace);
    assert.ok(before.size > 0);
    namespace.settle([twoPorts(false)]);
    assert.deepEqual(passing(namespace), before);
  });

  it('keeps what passes by a rule that goes, also for pods that no permit can select', () => {
    const both = { matchExpressions: [{ key: 'app', operator: 'In' as const, values: ['web', 'db'] }] };
    const before = meshProfile([
      { name: 'a', from: [{ podSelector: web }], ports: [tcp(80)] },
      { name: 'b', podSelector: both, from: [{ podSelector: db }], ports: [tcp(TUNNEL_PORT)] },
    ]);
    const after = meshProfile([{ name: 'a', from: [{ namespaceSelector: {} }], ports: [tcp(80)] }]);
    const { namespace } = settled(meshProfile());
    namespace.settle([before]);
    const isPassing = () =>
      CONNECTIONS.filter((each) => each.port === 80 && namespace.passes(each)).map(textOf);
    const passed = isPassing();
    assert.ok(passed.includes('shop/db-well to web:80'), passed.join());
    namespace.settle([after], (write) => {
      for (const each of passed) assert.ok(isPassing().includes(each), `${each} is cut after ${write}`);
    });
  });

  it('keeps what passes under a cover when the operator is killed, until istiod accepts', () => {
    const before = meshProfile([
      {
        name: 'r',
        from: [{ namespaces: ['shop'] }, { namespaces: ['front'], podSelector: web }],
        ports: [tcp(80)],
      },
    ]);
    const after = meshProfile([{ name: 'r', from: [{ podSelector: web }], ports: [tcp(80)] }]);
    const namespace = new AmbientNamespace();
    for (const _ of namespace.reconcile([before]));
    namespace.accept();
    const passed = passing(namespace);
    const writing = namespace.reconcile([after]);
    for (let next = writing.next(); next.done !== true && !namespace.isIsolated; next = writing.next());
    assert.ok(namespace.isCovered);
    const wanted = CONNECTIONS.filter((each) => passed.has(textOf(each)) && isMeant([after], each));
    assert.ok(wanted.length > 0);
    namespace.settle([after], (write) => {
      for (const each of wanted) assert.ok(namespace.passes(each), `${textOf(each)} is cut after ${write}`);
    });
  });

  for (const [what, peer] of [
    ['several namespaces', { namespaces: ['front', 'back'] }],
    ['pods of several namespaces', { namespaces: ['front', 'back'], podSelector: web }],
    ['namespaces by label', { namespaceSelector: { matchLabels: { team: 'a' } } }],
  ] as const)
    it(`is opened for a peer of ${what}, once all of them are permitted`, () => {
      const made = meshProfile([{ name: 'r', from: [peer], ports: [tcp(80)] }]);
      const { namespace, unresolved } = settled(made);
      assert.deepEqual(unresolved, []);
      for (const each of CONNECTIONS)
        assert.equal(namespace.passes(each), isMeant([made], each), textOf(each));
    });

  it('takes an address in a transition policy for no pod', () => {
    const metadata = { name: 't', namespace: 'shop', labels: { 'segmentation.dev/role': 'transition' } };
    const from = [{ ipBlock: { cidr: '192.0.2.0/24' } }, { podSelector: web }];
    const spec = { podSelector: {}, ingress: [{ from, ports: [tcp(TUNNEL_PORT)] }] };
    assert.deepEqual(
      entrancesOf([{ metadata, spec }], TUNNEL_PORT).map(({ source }) => source.pods),
      [web],
    );
  });

  const unsayable: [what: string, rule: Partial<IngressRule>, RegExp][] = [
    ['a named port', { ports: [{ protocol: 'TCP', port: 'http' }] }, /takes numbers for ports/],
    ['a large range', { ports: [{ ...tcp(1), endPort: 1000 }] }, /lists ports one by one/],
    [
      'a podSelector with an expression',
      { podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] }, ports: [tcp(80)] },
      /selects pods by matchLabels alone/,
    ],
  ];
  for (const [what, rule, message] of unsayable)
    it(`is not opened for a rule with ${what}`, () => {
      const { unresolved } = settled(
        meshProfile([{ name: 'r', from: [{ namespaces: ['front'] }], ...rule }]),
      );
      assert.deepEqual(
        unresolved.map((each) => [each.rule, each.reason]),
        [['r', 'Unsupported']],
      );
      assert.match(unresolved[0]?.message ?? '', message);
    });

  it('reports each rule that stays closed because another one, for every port, can not be said', () => {
    const closed = meshProfile([], 'segmented', {
      baseline: NOTHING_ALLOWED,
      mesh: { authorization: 'Disabled', mtls: 'Disabled' },
    });
    const { namespace } = settled(closed);
    const made = meshProfile([
      {
        name: 'open',
        podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] },
        from: [{ namespaces: ['front'] }],
      },
      { name: 'web', podSelector: web, from: [{ namespaces: ['back'] }], ports: [tcp(80)] },
    ]);
    namespace.settle([made]);
    const { unresolved = [] } = namespace.plan([made]).profiles.get('segmented') ?? {};
    assert.deepEqual(
      unresolved.map(({ rule, reason, hasLastKnown }) => [rule, reason, hasLastKnown]),
      [
        ['open', 'Unsupported', true],
        ['web', 'Unsupported', false],
      ],
    );
    assert.match(unresolved[1]?.message ?? '', /no AuthorizationPolicy can say rule open/);
    assert.deepEqual(namespace.objects, []);
    const isPassing = CONNECTIONS.filter((each) => each.port !== TUNNEL_PORT && namespace.passes(each));
    assert.ok(isPassing.length > 0);
    for (const each of isPassing) assert.equal(each.from.namespace, 'front', textOf(each));
  });

  it('restores a permit of which somebody has made another form of the kind', () => {
    const wanted = [
      meshProfile([{ name: 'r', podSelector: web, from: [{ namespaces: ['front'] }], ports: [tcp(80)] }]),
    ];
    const { namespace } = settled(...wanted);
    const written = namespace.objects;
    const specsOf = (objects: readonly object[]) =>
      objects.map((each) => JSON.stringify((each as { readonly spec?: unknown }).spec)).sort();
    for (const spec of [
      { rules: [{ to: [{ operation: { methods: ['GET'] } }] }] },
      { rules: [{ to: [{}] }] },
      { rules: [{ from: [{}], to: [{ operation: { ports: ['80'] } }] }] },
      { rules: [{ from: [{ source: {} }] }] },
      { rules: [{}] },
      { selector: {}, action: 'DENY', rules: [{ from: [{ source: { namespaces: ['front'] } }] }] },
      {},
      undefined,
    ]) {
      namespace.objects = written.map((each) => (isTunnelDeny(each) ? each : { ...each, spec }));
      namespace.settle(wanted);
      assert.deepEqual(specsOf(namespace.objects), specsOf(written), JSON.stringify(spec));
    }
  });

  it('waits for nothing where it stays closed for a rule that pods of another profile would get the ports of', () => {
    const front = (podSelector: typeof web) => [{ namespaces: ['front'], podSelector }];
    const first = meshProfile([{ name: 'web', from: front(web), ports: [tcp(80)] }]);
    const second = meshProfile([{ name: 'db', from: front(db) }], 'other', {
      baseline: NOTHING_ALLOWED,
      mesh: { authorization: 'Disabled', mtls: 'Disabled' },
    });
    const { namespace } = settled(first);
    namespace.settle([first, second]);
    const { isSettled, profiles } = namespace.plan([first, second]);
    assert.deepEqual(
      profiles.get('segmented')?.unresolved.map(({ reason }) => reason),
      ['Unsupported'],
    );
    assert.ok(isSettled);
  });

  it('restores the restriction that somebody has deleted, also if a rule for every port can not be said', () => {
    const rules: IngressRule[] = [{ name: 'web', from: [{ namespaces: ['front'] }], ports: [tcp(80)] }];
    const { namespace } = settled(meshProfile(rules));
    const expected = passing(namespace);
    const open = {
      name: 'open',
      podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' as const }] },
      from: [{ namespaces: ['back'] }],
    };
    const made = meshProfile([...rules, open]);
    namespace.settle([made]);
    namespace.objects = namespace.objects.filter((each) => !isTunnelDeny(each));
    namespace.settle([made]);
    assert.deepEqual(passing(namespace), expected);
  });

  it('is not opened where connections come from a waypoint', () => {
    const namespace = new AmbientNamespace({ 'istio.io/use-waypoint': 'waypoint' });
    const made = meshProfile([{ name: 'r', from: [{ namespaces: ['front'] }], ports: [tcp(80)] }]);
    const [only] = namespace.plan([made]).profiles.get('segmented')?.unresolved ?? [];
    assert.match(only?.message ?? '', /the namespace has a waypoint/);
  });

  it('is not opened for egress on single ports, and needs nothing for egress on all ports', () => {
    const made = (ports: IngressRule['ports']) =>
      meshProfile([], 'segmented', {
        isolation: ['Egress'],
        egress: [{ name: 'out', to: [{ namespaces: ['front'] }], ...(ports && { ports }) }],
      });
    assert.deepEqual(settled(made(undefined)).unresolved, []);
    assert.deepEqual(
      settled(made([tcp(80)])).unresolved.map(({ direction, rule }) => [direction, rule]),
      [['Egress', 'out']],
    );
  });

  it('stays as it is while istiod does not accept, and says which policy it waits for', () => {
    const { namespace } = settled(
      meshProfile([{ name: 'a', from: [{ namespaces: ['front'] }], ports: [tcp(80)] }]),
    );
    const before = passing(namespace);
    const next = meshProfile(
      ['front', 'ops'].map((name) => ({ name, from: [{ namespaces: [name] }], ports: [tcp(80)] })),
    );
    for (const _ of namespace.reconcile([next]));
    for (const _ of namespace.reconcile([next]));
    assert.deepEqual(passing(namespace), before);
    const [only] = namespace.plan([next]).profiles.get('segmented')?.unresolved ?? [];
    assert.equal(only?.reason, 'NotAccepted');
    assert.match(only?.message ?? '', /istiod has not accepted AuthorizationPolicy shop\/segmented/);
    namespace.accept();
    namespace.settle([next]);
    assert.ok(passing(namespace).size > before.size);
  });

  it('names the version of Istio that it needs where istiod does not say which generation it has accepted', () => {
    const namespace = new AmbientNamespace();
    const made = meshProfile([{ name: 'a', from: [{ namespaces: ['front'] }], ports: [tcp(80)] }]);
    for (const _ of namespace.reconcile([made]));
    const conditions = [{ type: 'ZtunnelAccepted', status: 'True' }];
    namespace.objects = namespace.objects.map((object) => ({ ...object, status: { conditions } }));
    const [only] = namespace.plan([made]).profiles.get('segmented')?.unresolved ?? [];
    assert.equal(only?.reason, 'NotAccepted');
    assert.match(only?.message ?? '', /older than Istio 1\.25, which ambient mode needs/);
  });

  it('adds up over profiles, and counts what others open by themselves', () => {
    const asking = meshProfile([{ name: 'a', from: [{ namespaces: ['front'] }], ports: [tcp(80)] }]);
    const other = meshProfile([{ name: 'b', from: [{ namespaces: ['ops'] }] }], 'other', {
      baseline: { ...asking.spec.baseline, mesh: 'Deny' },
      mesh: { authorization: 'Disabled', mtls: 'Disabled' },
    });
    const profiles = [asking, other];
    const { namespace, unresolved } = settled(...profiles);
    assert.deepEqual(unresolved, []);
    for (const each of CONNECTIONS)
      assert.equal(namespace.passes(each), isMeant(profiles, each), textOf(each));
  });

  it('lets pass exactly what generated profiles mean, or says which rules are left out', () => {
    let complete = 0;
    let partial = 0;
    fc.assert(
      fc.property(generated, (made) => {
        const namespace = new AmbientNamespace();
        const profiles = [made];
        namespace.settle(profiles);
        const { unresolved = [] } = namespace.plan(profiles).profiles.get('segmented') ?? {};
        const isPostponed = namespace.policies.length === 0;
        for (const { rule, reason } of unresolved) assert.notEqual(reason, 'NotAccepted', `${rule} waits`);
        for (const each of CONNECTIONS) {
          const isPassing = namespace.passes(each);
          if (isPassing && !isPostponed) assert.ok(isMeant(profiles, each), `wider: ${textOf(each)}`);
          if (unresolved.length === 0) assert.equal(isPassing, isMeant(profiles, each), textOf(each));
        }
        if (unresolved.length === 0) complete += 1;
        else partial += 1;
        assert.equal(isPostponed, unresolved.length > 0);
      }),
      { numRuns: runs(40), examples: [[twoPorts(true)], [twoPorts(false)]] },
    );
    assert.ok(complete > 0 && partial > 0, `${complete} complete, ${partial} partial`);
  });

  describe('for an exception', () => {
    const rule = { name: 'web', from: [{ namespaces: ['front'] }], ports: [tcp(80)] };
    const debug = exceptionOf('debug', [
      { name: 'ops', podSelector: web, from: [{ namespaces: ['ops'] }], ports: [tcp(90)] },
    ]);
    const tunnels = ({ policies }: AmbientNamespace) => policies.filter(isTunnel);

    it('is opened by a policy of its own, which carries its end and belongs to it', () => {
      const { namespace } = settled({ ...meshProfile([rule]), exceptions: [debug] });
      const found = tunnels(namespace).find(
        ({ metadata }) => metadata.labels?.['segmentation.dev/exception'] === 'debug',
      );
      assert.match(found?.metadata.name ?? '', /^segmented\.exception-[0-9a-f]+\.debug\./);
      assert.equal(found?.metadata.ownerReferences?.[0]?.kind, 'SegmentationException');
      assert.match(
        found.metadata.annotations?.['segmentation.dev/rules'] ?? '',
        /"until":"2026-12-01T08:00:00Z"/,
      );
      const [to] = TARGETS;
      const from = SOURCES.find((each) => each.namespace === 'ops');
      assert.ok(to && from);
      assert.deepEqual(
        PORTS.filter((port) => namespace.passes({ from, to, port })),
        [90],
      );
    });

    it('is closed by the first write after its end, before its permit goes', () => {
      const made = meshProfile([rule]);
      const { namespace } = settled({ ...made, exceptions: [debug] });
      const writes: string[] = [];
      namespace.settle([made], (write) => writes.push(write));
      assert.match(writes[0] ?? '', /^delete NetworkPolicy segmented\.exception\.debug/);
      assert.deepEqual(
        tunnels(namespace).map(({ metadata }) => metadata.name),
        ['segmented.ingress.baseline.mesh.tunnel'],
      );
      assert.deepEqual(namespace.objects, settled(made).namespace.objects);
    });

    it('is closed after its end also while the mesh is not known, and kept until then', () => {
      const made = meshProfile([rule]);
      const { namespace } = settled({ ...made, exceptions: [debug] });
      const kept = (policies: readonly NetworkPolicy[]) => {
        const compiled = { policies, extensions: [], unresolved: [], connections: [] };
        const tunnels = keptTunnels([{ profile: made, compiled }], namespace.policies, 'not read');
        return [...tunnels.values()].flatMap((each) => each.policies.map(({ metadata }) => metadata.name));
      };
      assert.equal(kept(namespace.policies).length, 2);
      const rest = namespace.policies.filter(
        ({ metadata }) => metadata.labels?.['segmentation.dev/exception'] === undefined,
      );
      assert.deepEqual(kept(rest), ['segmented.ingress.baseline.mesh.tunnel']);
    });

    it('gives way to new rules, and reports to the exception what it can not carry', () => {
      const other = exceptionOf('other', [
        { name: 'r', from: [{ namespaces: ['front'], podSelector: db }], ports: [tcp(90)] },
      ]);
      const made = {
        ...meshProfile([
          { name: 'r', from: [{ namespaces: ['front'], podSelector: web }], ports: [tcp(80)] },
        ]),
        exceptions: [other],
      };
      const { namespace, unresolved } = settled(made);
      assert.deepEqual(unresolved, []);
      const { exceptions } = namespace.plan([made]).profiles.get('segmented') ?? {};
      assert.deepEqual(
        exceptions?.get('other')?.map(({ rule, reason }) => [rule, reason]),
        [['r', 'Unsupported']],
      );
    });
  });

  const edit = fc.record({
    made: fc
      .tuple(generated, fc.option(generated, { nil: undefined, freq: 2 }))
      .map(
        ([made, excepted]): ExceptedProfile =>
          excepted === undefined
            ? made
            : { ...made, exceptions: [exceptionOf('debug', excepted.spec.ingress ?? [])] },
      ),
    kill: fc.integer({ min: 0, max: 14 }),
    isAccepted: fc.boolean(),
  });
  type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;
  let opened = 0;
  /**
   * Carries out the edits, the first write by write until the operator is killed. Each state is compared with the one before
   * the edit.
   */
  const judge = (namespace: AmbientNamespace, edits: readonly Edit[]) => {
    for (const { made, kill, isAccepted } of edits) {
      const profiles = [made];
      const before = passing(namespace);
      const meantBy = (all: readonly ExceptedProfile[]) => textsOf(CONNECTIONS, (each) => isMeant(all, each));
      const meant = meantBy(profiles);
      const { exceptions } = namespace.plan(profiles).profiles.get('segmented') ?? {};
      const isCarried = [...(exceptions?.values() ?? [])].every((all) =>
        all.every(({ reason }) => reason !== 'Unsupported'),
      );
      // Isolation never waits for rules of exceptions that can't be carried.
      const isHeld = namespace.isIsolated || isCarried;
      const held = isHeld ? meant : meantBy([meshProfile(made.spec.ingress)]);
      const check = (step: string) => {
        const now = passing(namespace);
        // Until the namespace is isolated, its NetworkPolicies restrict nothing.
        if (namespace.isIsolated && !namespace.isCovered)
          for (const each of now)
            assert.ok(before.has(each) || meant.has(each), `wider after ${step}: ${each}`);
        for (const each of before) if (held.has(each)) assert.ok(now.has(each), `cut after ${step}: ${each}`);
        opened += now.size;
      };
      const writing = namespace.reconcile(profiles);
      for (let n = 0; n < kill; n++) {
        const next = writing.next();
        if (next.done === true) break;
        check(next.value);
      }
      if (isAccepted) namespace.accept();
      namespace.settle(profiles, check);
    }
  };
  const edits = fc.array(edit, { minLength: 1, maxLength: 3 });

  it('is never wider, and never cut, while profiles change and the operator is killed between writes', () => {
    opened = 0;
    fc.assert(
      fc.property(generated, edits, (first, all) => {
        const namespace = new AmbientNamespace();
        namespace.settle([first]);
        judge(namespace, all);
      }),
      { numRuns: runs(40) },
    );
    assert.ok(opened > 0);
  });

  it('is never wider, and never cut, where a profile begins to ask for it that isolates the namespace already', () => {
    opened = 0;
    fc.assert(
      fc.property(generated, edits, ({ metadata, spec }, all) => {
        const namespace = new AmbientNamespace();
        const mesh = { authorization: 'Disabled', mtls: 'Disabled' } as const;
        namespace.isolate([{ metadata, spec: { ...spec, baseline: NOTHING_ALLOWED, mesh } }]);
        judge(namespace, all);
      }),
      { numRuns: runs(40) },
    );
    assert.ok(opened > 0);
  });
});
