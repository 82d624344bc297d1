import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compileView, type Evaluator } from '../../../src/analysis/evaluator.ts';
import type { Flow, Namespace } from '../../../src/analysis/cluster.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import {
  authorizationRules,
  identifiedNamespaces,
  type Identities,
} from '../../../src/engines/istio/authorization.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import {
  pastSidecars,
  pastZtunnel,
  planMutualTLS,
  rulesOutOfMesh,
} from '../../../src/engines/istio/mutual-tls.ts';
import {
  type AuthorizationMode,
  authorizationPolicies,
  type DesiredAuthorization,
  planAuthorization,
} from '../../../src/engines/istio/overlay.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { compile } from '../../../src/policy/compile.ts';
import { compileException } from '../../../src/policy/exceptions/compile.ts';
import { isolates } from '../../../src/policy/semantics/normalize.ts';
import { flow, namespaces as someNamespaces, pods as somePods } from '../../analysis/arbitrary.ts';
import { clusterFacts, NAMESPACE, profiles } from '../../policy/arbitrary.ts';
import { CREATED, exception, HOUR } from '../../policy/exceptions/fixture.ts';
import { facts, profile, runs, SHOP } from '../../policy/fixture.ts';
import { evidenceOf } from './fixture.ts';
import { type Connection, meshAllows } from './model.ts';

const TRUST_DOMAIN = 'shop.example';
const inMesh = (...names: string[]) => ({
  trustDomain: TRUST_DOMAIN,
  isInMesh: (namespace: string) => names.includes(namespace),
});
const ENFORCE: ReadonlyMap<string, AuthorizationMode> = new Map([['segmented', 'Enforce']]);
const AUDIT: ReadonlyMap<string, AuthorizationMode> = new Map([['segmented', 'Audit']]);
const NOBODY: ReadonlySet<string> = new Set();

function ingressOf(policies: readonly NetworkPolicy[]): NetworkPolicy[] {
  return policies.filter(({ spec }) => isolates(spec).includes('Ingress'));
}

type ProfileInput = Parameters<typeof profile>[0];

const compiled = (spec: ProfileInput) => ingressOf(compile(profile(spec), SHOP, facts()).policies);

/** The AuthorizationPolicies of a namespace after a step. */
function after(objects: readonly KubeObject[], step: ObjectStep): KubeObject[] {
  const name = step.verb === 'delete' ? step.before.metadata.name : step.object.metadata.name;
  const rest = objects.filter(({ metadata }) => metadata.name !== name);
  return step.verb === 'delete' ? rest : [...rest, step.object];
}

const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'];

const contextOf = (identities: Identities) => ({ identities, ownerOf, meshWide: [] });

/** The connection of a flow, as the destination's sidecar sees it; undefined if its address is not known. */
function connectionOf({ from, port }: Flow, members: readonly string[]): Connection | undefined {
  if (from.kind === 'external') return { ip: from.ip, port };
  const { namespace, labels, ips, hostNetwork } = from.pod;
  const [ip] = ips;
  if (ip === undefined) return undefined;
  const account = labels[LABEL_SERVICE_ACCOUNT] ?? 'default';
  const hasIdentity = hostNetwork !== true && members.includes(namespace);
  return { ip, port, ...(hasIdentity && { principal: `${TRUST_DOMAIN}/ns/${namespace}/sa/${account}` }) };
}

interface World {
  readonly namespaces: readonly Namespace[];
  readonly flows: readonly Flow[];
  readonly members: readonly string[];
}

/** Flows of TCP to pods of the namespace, from elsewhere. */
const world: fc.Arbitrary<World> = fc
  .record({
    namespaces: someNamespaces,
    pods: somePods.map((list) =>
      list.map((pod, i) => {
        const labels = { ...pod.labels, [LABEL_SERVICE_ACCOUNT]: i % 2 === 0 ? 'well' : 'other' };
        // Each end has a single address: a connection has that of the flow's family.
        const own = { ...pod, labels, ips: pod.ips.slice(0, 1) };
        return i === 0 ? { ...own, namespace: NAMESPACE, hostNetwork: false } : own;
      }),
    ),
  })
  .chain(({ namespaces, pods }) =>
    fc.record({
      namespaces: fc.constant(namespaces),
      flows: fc.array(
        flow(pods).map((each) => ({ ...each, protocol: 'TCP' as const })),
        { minLength: 5, maxLength: 25 },
      ),
      members: fc.subarray(['alpha', 'beta', 'gamma']),
    }),
  );

type Judge = (objects: readonly KubeObject[], flow: Flow) => boolean | undefined;

function judge({ members }: World): Judge {
  return (objects, each) => {
    const { to } = each;
    const connection = connectionOf(each, members);
    if (to.kind !== 'pod' || to.pod.namespace !== NAMESPACE || to.pod.hostNetwork || !connection)
      return undefined;
    return meshAllows(objects, to.pod.labels, connection);
  };
}

/** True if a rule allows the flow, or nothing isolates its destination. */
function baseAllows(evaluator: Evaluator, each: Flow): boolean {
  const { ingress } = evaluator.verdict(each);
  return ingress.reason === 'Rule' || ingress.reason === 'NotIsolated';
}

describe('AuthorizationPolicies of an overlay', () => {
  const spec: ProfileInput = {
    isolation: ['Ingress'],
    ingress: [
      {
        name: 'web',
        podSelector: { matchLabels: { app: 'web' } },
        from: [{ namespaces: ['front'] }],
        ports: [{ protocol: 'TCP', port: 8443 }],
      },
      {
        name: 'metrics',
        from: [{ namespaces: ['legacy', 'front'] }],
        ports: [{ protocol: 'TCP', port: 9090 }],
      },
    ],
  };

  it('tell peers in the mesh by namespace, and leave rules with other peers to the NetworkPolicies', () => {
    const made = authorizationPolicies({ policies: compiled(spec), modes: ENFORCE }, inMesh('shop', 'front'));
    assert.deepEqual(
      made.map(({ metadata, spec: each }) => [metadata.name, each]),
      [
        ['segmented.default-deny', {}],
        ['segmented.ingress', { action: 'ALLOW', rules: [{ to: [{ operation: { ports: ['9090'] } }] }] }],
        [
          'segmented.ingress.web',
          {
            action: 'ALLOW',
            selector: { matchLabels: { app: 'web' } },
            rules: [
              {
                from: [{ source: { namespaces: ['front'] } }],
                to: [{ operation: { ports: ['8443'] } }],
              },
            ],
          },
        ],
      ],
    );
    const [deny] = made;
    assert.deepEqual(deny?.metadata.labels?.['segmentation.dev/profile'], 'segmented');
  });

  it('are dry runs under Audit, and none without a profile that asks', () => {
    const policies = compiled(spec);
    const audited = authorizationPolicies({ policies, modes: AUDIT }, inMesh());
    assert.equal(audited.length, 3);
    for (const { metadata } of audited)
      assert.equal(metadata.annotations?.['istio.io/dry-run'], 'true', metadata.name);
    assert.deepEqual(authorizationPolicies({ policies, modes: new Map() }, inMesh()), []);
  });

  const rule = (policy: Partial<NetworkPolicy['spec']>, ...members: string[]) =>
    authorizationRules(
      { metadata: { name: 'p', namespace: 'shop' }, spec: { podSelector: {}, ...policy } },
      inMesh(...members),
    ).map((each) => each.rule);
  const named = (...values: string[]) => ({
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In' as const, values }],
  });
  const tables: [what: string, ReturnType<typeof rule>, expected: ReturnType<typeof rule>][] = [
    [
      'pods of the own namespace',
      rule({ ingress: [{ from: [{ podSelector: { matchLabels: { app: 'a' } } }] }] }, 'shop'),
      [{ from: [{ source: { namespaces: ['shop'] } }] }],
    ],
    [
      'a service account',
      rule(
        {
          ingress: [
            {
              from: [
                {
                  namespaceSelector: named('a', 'b'),
                  podSelector: { matchLabels: { [LABEL_SERVICE_ACCOUNT]: 'web' } },
                },
              ],
            },
          ],
        },
        'a',
        'b',
      ),
      [{ from: [{ source: { principals: ['shop.example/ns/a/sa/web', 'shop.example/ns/b/sa/web'] } }] }],
    ],
    [
      'namespaces by labels, which change without the operator',
      rule({ ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'a' } } }] }] }, 'a'),
      [{}],
    ],
    [
      'a range of addresses',
      rule({ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }] }),
      [{ from: [{ source: { ipBlocks: ['10.0.0.0/8'], notIpBlocks: ['10.1.0.0/16'] } }] }],
    ],
    [
      'a small range of ports',
      rule({
        ingress: [
          {
            ports: [
              { port: 80, endPort: 82 },
              { protocol: 'UDP', port: 53 },
            ],
          },
        ],
      }),
      [{ to: [{ operation: { ports: ['80', '81', '82'] } }] }],
    ],
    ['a large range of ports', rule({ ingress: [{ ports: [{ port: 1, endPort: 65_535 }] }] }), [{}]],
    ['a named port', rule({ ingress: [{ ports: [{ port: 'http' }] }] }), [{}]],
    ['no TCP', rule({ ingress: [{ ports: [{ protocol: 'UDP', port: 53 }] }] }), []],
  ];
  for (const [what, actual, expected] of tables)
    it(`allow at least ${what}`, () => assert.deepEqual(actual, expected));

  it('allow every TCP connection that the NetworkPolicies of generated profiles allow', () => {
    let identified = 0;
    let denied = 0;
    fc.assert(
      fc.property(profiles, clusterFacts, world, (made, given, at) => {
        const own = at.namespaces.find(({ name }) => name === NAMESPACE)?.labels ?? {};
        const { policies } = compile(made, { name: NAMESPACE, labels: own }, facts(given));
        const overlay = authorizationPolicies(
          { policies: ingressOf(policies), modes: ENFORCE },
          inMesh(...at.members),
        );
        identified += overlay.filter((each) => identifiedNamespaces(each).length > 0).length;
        const base = compileView({ namespaces: at.namespaces, policies });
        for (const each of at.flows) {
          const verdict = judge(at)(overlay, each);
          if (verdict === undefined) continue;
          if (!verdict) denied += 1;
          if (baseAllows(base, each)) assert.ok(verdict, JSON.stringify({ each, overlay }));
        }
      }),
      { numRuns: runs(400) },
    );
    assert.ok(
      identified > runs(20) && denied > runs(20),
      `too little: ${identified} by identity, ${denied} denied`,
    );
  });

  it('allow at every step of a change what the old and the new NetworkPolicies allow, and no more', () => {
    const state = fc.record({
      made: profiles,
      mode: fc.constantFrom<'Enforce' | 'Audit' | 'Disabled'>('Enforce', 'Enforce', 'Audit', 'Disabled'),
    });
    let steps = 0;
    fc.assert(
      fc.property(state, state, clusterFacts, world, (old, next, given, at) => {
        const own = at.namespaces.find(({ name }) => name === NAMESPACE)?.labels ?? {};
        const identities = inMesh(...at.members);
        const stateOf = ({ made, mode }: typeof old): State => {
          const { policies } = compile(made, { name: NAMESPACE, labels: own }, facts(given));
          const modes = new Map(mode === 'Disabled' ? [] : [['segmented', mode] as const]);
          const desired: DesiredAuthorization = { policies: ingressOf(policies), modes, kept: NOBODY };
          return { desired, objects: authorizationPolicies(desired, identities), base: policies };
        };
        const [before, wanted] = [stateOf(old), stateOf(next)];
        const judged = judge(at);
        const bases = [before, wanted].map(({ base }) =>
          compileView({ namespaces: at.namespaces, policies: base }),
        );
        const check = (objects: readonly KubeObject[]) => {
          for (const each of at.flows) {
            const verdict = judged(objects, each);
            if (verdict === undefined) continue;
            const allowed = [before, wanted].map((one) => judged(one.objects, each));
            // I2: a flow of both states, by policies and overlay, passes at every step.
            if (bases.every((base) => baseAllows(base, each)) && allowed.every(Boolean))
              assert.ok(verdict, `cut: ${JSON.stringify(each)}`);
            // I1: no step allows more than both states together.
            if (verdict) assert.ok(allowed.some(Boolean), `wider: ${JSON.stringify(each)}`);
          }
        };
        let objects: readonly KubeObject[] = before.objects;
        const carryOut = (list: readonly ObjectStep[]) => {
          for (const step of list) {
            objects = after(objects, step);
            steps += 1;
            check(objects);
          }
        };
        const plan = () => planAuthorization(objects, wanted.desired, contextOf(identities));
        carryOut(plan().widen);
        // While the NetworkPolicies change, the overlay allows what it allowed, as far as the desired ones allow it.
        const desiredBase = compileView({ namespaces: at.namespaces, policies: wanted.base });
        for (const each of at.flows)
          if (judged(objects, each) === false && judged(before.objects, each) !== false)
            assert.ok(!baseAllows(desiredBase, each), JSON.stringify(each));
        const last = plan();
        carryOut([...last.widen, ...last.narrow]);
        const shape = (list: readonly KubeObject[]) =>
          list.map(({ metadata, ...rest }) => JSON.stringify([metadata.name, rest])).sort();
        assert.deepEqual(shape(objects), shape(wanted.objects));
        const { widen, narrow } = plan();
        assert.deepEqual([widen, narrow], [[], []]);
      }),
      { numRuns: runs(300) },
    );
    assert.ok(steps > runs(300), `too few steps: ${steps}`);
  });

  it('never cut a connection whose rule moves from one object to another', () => {
    const identities = inMesh('shop', 'a', 'b');
    const desiredOf = (first: string, second: string): DesiredAuthorization => ({
      policies: compiled({
        isolation: ['Ingress'],
        ingress: [first, second].map((namespace, i) => ({
          name: `r${i}`,
          podSelector: { matchLabels: { app: 'web' } },
          from: [{ namespaces: [namespace] }],
        })),
      }),
      modes: ENFORCE,
      kept: NOBODY,
    });
    const desired = desiredOf('b', 'a');
    let objects: readonly KubeObject[] = authorizationPolicies(desiredOf('a', 'b'), identities);
    for (const part of ['widen', 'narrow'] as const)
      for (const step of planAuthorization(objects, desired, contextOf(identities))[part]) {
        objects = after(objects, step);
        for (const namespace of ['a', 'b']) {
          const principal = `${TRUST_DOMAIN}/ns/${namespace}/sa/default`;
          assert.ok(meshAllows(objects, { app: 'web' }, { principal, ip: '10.0.0.1', port: 80 }), namespace);
        }
      }
    assert.deepEqual(planAuthorization(objects, desired, contextOf(identities)), {
      widen: [],
      narrow: [],
    });
  });

  for (const mode of ['Enforce', 'Audit'] as const)
    it(`begin and end with an exception beside those that stay as they are, under ${mode}`, () => {
      const identities = inMesh('shop', 'front');
      const modes = new Map([['segmented', mode]]);
      const kept = authorizationPolicies({ policies: compiled(spec), modes }, identities);
      const granted = { profile: profile(spec), end: CREATED + HOUR };
      const rules = { ingress: [{ name: 'in', from: [{ namespaces: ['front'] }] }], egress: [] };
      const excepted = compileException(exception('now', rules), granted, {
        namespace: SHOP,
        cluster: facts(),
      });
      const desired = (policies: readonly NetworkPolicy[]) => ({
        policies,
        modes: new Map(),
        kept: new Set(['segmented']),
        excepting: new Set(['segmented']),
      });
      const begun = planAuthorization(kept, desired(ingressOf(excepted.policies)), {
        identities,
        ownerOf,
        meshWide: [],
      });
      assert.deepEqual(begun.narrow, []);
      const objects = begun.widen.reduce(after, kept);
      assert.deepEqual(objects.slice(0, kept.length), kept);
      const [added, ...others] = objects.slice(kept.length);
      assert.deepEqual([added?.metadata.name, others], ['segmented.exception.now.ingress', []]);
      assert.equal(added?.metadata.annotations?.['istio.io/dry-run'], mode === 'Audit' ? 'true' : undefined);
      const without = (key: 'labels' | 'ownerReferences') =>
        objects.map((each): KubeObject => {
          const { [key]: _, ...metadata } = each.metadata;
          return each === added ? { ...each, metadata } : each;
        });
      const context = { ...contextOf(identities), ownerOf: () => 'segmented' };
      const restored = planAuthorization(
        without('ownerReferences'),
        desired(ingressOf(excepted.policies)),
        context,
      );
      assert.deepEqual(restored.widen.reduce(after, without('ownerReferences')).slice(kept.length), [added]);
      for (const observed of [objects, without('labels')]) {
        const ended = planAuthorization(observed, desired([]), context);
        assert.deepEqual(ended.widen, []);
        assert.deepEqual(ended.narrow.reduce(after, observed), kept);
      }
    });

  it('allow at every step what policies allow that stay as they are, while the overlay of another profile begins and ends', () => {
    const identities = inMesh('shop', 'front');
    const of = (name: string, input: ProfileInput) => {
      const made = profile(input);
      return ingressOf(compile({ ...made, metadata: { ...made.metadata, name } }, SHOP, facts()).policies);
    };
    const ofHeld = of('held', spec);
    const other = of('other', { isolation: ['Ingress'] });
    const connection = { principal: `${TRUST_DOMAIN}/ns/front/sa/default`, ip: '10.0.0.1', port: 8443 };
    let objects: readonly KubeObject[] = [];
    const carryOut = (modes: DesiredAuthorization['modes']) => {
      const desired = { policies: [...other, ...ofHeld], modes, kept: new Set(['held']) };
      for (const part of ['widen', 'narrow'] as const)
        for (const step of planAuthorization(objects, desired, contextOf(identities))[part]) {
          objects = after(objects, step);
          assert.ok(meshAllows(objects, { app: 'web' }, connection), JSON.stringify(step));
        }
      assert.deepEqual(planAuthorization(objects, desired, contextOf(identities)), {
        widen: [],
        narrow: [],
      });
    };
    for (const mode of ['Enforce', 'Audit', 'Enforce'] as const) {
      carryOut(new Map([['other', mode]]));
      const names = objects.map(({ metadata }) => metadata.name).sort();
      assert.deepEqual(names, ['held.ingress', 'held.ingress.web', 'other.default-deny'], mode);
    }
    assert.equal(meshAllows(objects, { app: 'web' }, { ...connection, port: 80 }), false);
    carryOut(new Map());
    assert.deepEqual(objects, []);
  });

  it('are removed by `widen` if the NetworkPolicies go, and by `narrow` if they stay', () => {
    const policies = compiled({
      isolation: ['Ingress'],
      ingress: [{ name: 'r', from: [{ namespaces: ['alpha'] }] }],
    });
    const context = contextOf(inMesh('alpha'));
    const objects = authorizationPolicies({ policies, modes: ENFORCE }, context.identities);
    const end = (staying: readonly NetworkPolicy[]) => {
      const desired = { policies: staying, modes: new Map<string, AuthorizationMode>(), kept: NOBODY };
      const { widen, narrow } = planAuthorization(objects, desired, context);
      return [widen, narrow].map((steps) => steps.some(({ verb }) => verb === 'delete'));
    };
    assert.deepEqual(end([]), [true, false]);
    assert.deepEqual(end(policies), [false, true]);
  });

  it('are none of an exception whose profile has no overlay', () => {
    const granted = { profile: profile(spec), end: CREATED + HOUR };
    const rules = { ingress: [{ name: 'in', from: [{ namespaces: ['front'] }] }], egress: [] };
    const { policies } = compileException(exception('now', rules), granted, {
      namespace: SHOP,
      cluster: facts(),
    });
    const kept = new Set(['segmented']);
    const desired = { policies, modes: new Map(), kept, excepting: kept };
    assert.deepEqual(planAuthorization([], desired, contextOf(inMesh('shop'))), {
      widen: [],
      narrow: [],
    });
  });

  it('leave foreign objects, and take another name beside them', () => {
    const foreign = { metadata: { name: 'segmented.ingress.web', namespace: 'shop' } };
    const desired = { policies: compiled(spec), modes: ENFORCE, kept: NOBODY };
    const { widen } = planAuthorization([foreign], desired, contextOf(inMesh()));
    const names = widen.map((step) => (step.verb === 'delete' ? '' : step.object.metadata.name));
    assert.equal(names.includes('segmented.ingress.web'), false);
    assert.ok(names.some((name) => name.startsWith('segmented.alternative.')));
  });

  it('are restored if somebody turns one into a dry run, or changes its rules', () => {
    const desired = { policies: compiled(spec), modes: ENFORCE, kept: NOBODY };
    const identities = inMesh('shop', 'front');
    const objects = authorizationPolicies(desired, identities);
    for (const name of objects.map(({ metadata }) => metadata.name)) {
      const drifted = objects.map((each) =>
        each.metadata.name === name
          ? { ...each, metadata: { ...each.metadata, annotations: { 'istio.io/dry-run': 'true' } } }
          : each,
      );
      let now: readonly KubeObject[] = drifted;
      for (const part of ['widen', 'narrow'] as const)
        for (const step of planAuthorization(now, desired, contextOf(identities))[part])
          now = after(now, step);
      assert.deepEqual(
        now.map(({ metadata }) => `${metadata.name} ${metadata.annotations?.['istio.io/dry-run']}`).sort(),
        objects.map(({ metadata }) => `${metadata.name} undefined`).sort(),
      );
    }
  });
});

interface State {
  readonly desired: DesiredAuthorization;
  readonly objects: readonly KubeObject[];
  readonly base: readonly NetworkPolicy[];
}

describe('strict mutual TLS', () => {
  const { facts: mesh } = detectIstio(evidenceOf());
  assert.ok(mesh.kind === 'available');
  const policies = compiled({
    isolation: ['Ingress'],
    ingress: [
      { name: 'front', from: [{ namespaces: ['front'] }] },
      { name: 'office', from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] },
      { name: 'scrape', from: [{ namespaces: ['monitoring'] }], ports: [{ protocol: 'TCP', port: 15_020 }] },
    ],
  });
  const denies = policies.filter(({ metadata }) => metadata.name === 'segmented.default-deny');
  const past = pastSidecars(mesh);
  const asked = { denies, isPossible: true, kept: NOBODY };

  it('lists the rules whose peers have no identity, but for the ports of sidecars themselves', () => {
    assert.deepEqual(rulesOutOfMesh(policies, inMesh('shop', 'front'), past), ['office']);
    assert.deepEqual(rulesOutOfMesh(policies, inMesh('shop'), past), ['front', 'office']);
  });

  it('lists in ambient mode no rule for the probes that are not redirected', () => {
    const probed = compiled({
      isolation: ['Ingress'],
      ingress: [
        { name: 'probes', from: mesh.ambient.probeCIDRs.map((cidr) => ({ ipBlock: { cidr } })) },
        { name: 'office', from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] },
      ],
    });
    assert.deepEqual(rulesOutOfMesh(probed, inMesh('shop'), pastZtunnel(mesh)), ['office']);
    assert.deepEqual(rulesOutOfMesh(probed, inMesh('shop'), past), ['office', 'probes']);
  });

  it('lists in ambient mode no rule for the metrics of sidecars, which redirected pods do not have', () => {
    const monitoring = [{ namespaceSelector: { matchLabels: { team: 'ops' } } }];
    const { policies: scraped } = compile(
      profile({ isolation: ['Ingress'], baseline: { mesh: 'Allow' } }),
      { ...SHOP, labels: { ...SHOP.labels, 'istio.io/dataplane-mode': 'ambient' } },
      facts({ mesh, configuration: { monitoring } }),
    );
    assert.match(JSON.stringify(scraped), /baseline\.mesh\.metrics/);
    assert.deepEqual(rulesOutOfMesh(ingressOf(scraped), inMesh('shop'), pastZtunnel(mesh)), []);
  });

  it('is written, and removed', () => {
    const { state, steps } = planMutualTLS([], asked, { ownerOf });
    assert.deepEqual([state, steps.map(({ verb }) => verb)], ['strict', ['create']]);
    const [step] = steps;
    assert.ok(step?.verb === 'create');
    assert.deepEqual((step.object as { spec?: unknown }).spec, { mtls: { mode: 'STRICT' } });
    const gone = planMutualTLS([step.object], { ...asked, denies: [] }, { ownerOf });
    assert.deepEqual(
      gone.steps.map(({ verb }) => verb),
      ['delete'],
    );
  });

  it('stays as it is while another profile asks for it too', () => {
    const [step] = planMutualTLS([], asked, { ownerOf }).steps;
    assert.ok(step?.verb === 'create');
    const others = denies.map((each) => ({
      ...each,
      metadata: { ...each.metadata, name: 'another.default-deny' },
    }));
    const both = { ...asked, denies: [...others, ...denies] };
    assert.deepEqual(planMutualTLS([step.object], both, { ownerOf }).steps, []);
  });

  it('waits for the preflight, stays once it is there, and yields to a foreign PeerAuthentication', () => {
    const blocked = { ...asked, isPossible: false };
    assert.deepEqual(planMutualTLS([], blocked, { ownerOf }), { state: 'blocked', steps: [] });
    const [step] = planMutualTLS([], asked, { ownerOf }).steps;
    assert.ok(step?.verb === 'create');
    assert.deepEqual(planMutualTLS([step.object], blocked, { ownerOf }), { state: 'strict', steps: [] });
    const foreign = { metadata: { name: 'default', namespace: 'shop' } };
    assert.equal(planMutualTLS([foreign], asked, { ownerOf }).state, 'taken');
  });
});
