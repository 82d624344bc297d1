/** The tunnel of a namespace that several profiles share, while they come, change, leave, or are held. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { IngressRule, SegmentationProfile } from '../../../../src/api/profile.ts';
import { isTunnel } from '../../../../src/policy/tunnels.ts';
import { NOTHING_ALLOWED, ownerByLabels, runs } from '../../../policy/fixture.ts';
import { connectionsOn, profiles as generated, tcp } from './arbitrary.ts';
import { AmbientNamespace, isMeant, meshProfile, textsOf, TUNNEL_PORT } from './world.ts';

const CONNECTIONS = connectionsOn([80, 90, TUNNEL_PORT]);
const passing = (namespace: AmbientNamespace) => textsOf(CONNECTIONS, (each) => namespace.passes(each));
const possiblyPassing = (namespace: AmbientNamespace) =>
  textsOf(CONNECTIONS, (each) => namespace.mayPass(each));

const WITHOUT_MESH = {
  baseline: NOTHING_ALLOWED,
  mesh: { authorization: 'Disabled', mtls: 'Disabled' },
} as const;

/**
 * The connections that pass by the policies and objects of held profiles alone (`least`), and with those that their rules let
 * pass once nothing restricts (`most`).
 */
function heldIn({
  policies,
  objects,
  held,
}: AmbientNamespace): Record<'least' | 'most', ReadonlySet<string>> {
  const isHeld = (each: KubeObject) => held.has(ownerByLabels(each) ?? '');
  const passingBy = (own: readonly NetworkPolicy[], restricting: readonly KubeObject[]) => {
    const alone = new AmbientNamespace();
    [alone.policies, alone.objects] = [own, restricting];
    return own.length === 0 ? new Set<string>() : passing(alone);
  };
  const own = policies.filter(isHeld);
  const least = passingBy(own, objects.filter(isHeld));
  return {
    least,
    most: passingBy(
      own.filter((each) => !isTunnel(each)),
      [],
    ).union(least),
  };
}

interface Edit {
  readonly profiles: readonly SegmentationProfile[];
  /** The profiles that are held, as far as they have policies. */
  readonly held: readonly string[];
  /** The number of writes after which the operator is killed. */
  readonly kill: number;
  /** True if istiod accepts before it is started again. */
  readonly isAccepted: boolean;
}

/** Carries the edit out. Each state is compared with the one before it. @returns the number of connections that pass */
function judge(namespace: AmbientNamespace, { profiles: all, held, kill, isAccepted }: Edit): number {
  const owners = namespace.policies.flatMap((each) => ownerByLabels(each) ?? []);
  namespace.held = new Set(owners).intersection(new Set(held));
  const profiles = all.filter(({ metadata }) => !namespace.held.has(metadata.name));
  const before = possiblyPassing(namespace);
  const wasPassing = passing(namespace);
  const asking = profiles.filter(({ spec }) => spec.mesh?.authorization === 'Enforce');
  // A profile that asks for no tunnel means its connections by the rules alone that open the tunnel's own port.
  const meant = textsOf(
    CONNECTIONS,
    (each) =>
      (asking.length > 0 && isMeant(asking, each)) ||
      (profiles.length > 0 && isMeant(profiles, { ...each, port: TUNNEL_PORT })),
  );
  const { least, most } = heldIn(namespace);
  let passed = 0;
  const check = (step: string) => {
    const now = passing(namespace);
    const possible = possiblyPassing(namespace);
    if (!namespace.isIsolated || namespace.isCovered) for (const each of possible) before.add(each);
    for (const each of possible)
      assert.ok(before.has(each) || meant.has(each) || most.has(each), `wider after ${step}: ${each}`);
    for (const each of wasPassing)
      if (meant.has(each) || least.has(each)) assert.ok(now.has(each), `cut after ${step}: ${each}`);
    passed += now.size;
  };
  const writing = namespace.reconcile(profiles);
  for (let n = 0; n < kill; n++) {
    const next = writing.next();
    if (next.done === true) break;
    check(next.value);
  }
  if (isAccepted) namespace.accept();
  namespace.settle(profiles, check);
  return passed;
}

describe('the tunnel of several profiles', () => {
  const web = { matchLabels: { app: 'web' } };
  const rule = (more: Partial<IngressRule> = {}): IngressRule => ({
    name: 'r',
    from: [{ podSelector: web }],
    ports: [tcp(80)],
    ...more,
  });
  const unsayable = { podSelector: { matchExpressions: [{ key: 'app', operator: 'Exists' as const }] } };
  const edit = (profiles: readonly SegmentationProfile[], held: readonly string[] = []): Edit => ({
    profiles,
    held,
    kill: 0,
    isAccepted: false,
  });

  for (const [title, leaving, coming] of [
    [
      'passes on what a leaving profile lets in by a rule for every port',
      meshProfile([rule({ ports: [tcp(TUNNEL_PORT)] })], 'leaving', WITHOUT_MESH),
      meshProfile([rule()], 'coming'),
    ],
    [
      'passes on what a leaving profile lets in by its tunnel to a rule that no permit can say',
      meshProfile([rule()], 'leaving'),
      meshProfile([rule(unsayable)], 'coming'),
    ],
  ] as const)
    it(title, () => {
      const namespace = new AmbientNamespace();
      namespace.settle([leaving]);
      const before = passing(namespace);
      assert.ok(before.has('shop/web-well to web:80'));
      judge(namespace, edit([coming]));
      assert.ok(passing(namespace).has('shop/web-well to web:80'));
    });

  it('belongs to its profile as its objects are emptied, also where somebody has removed their labels', () => {
    const made = meshProfile([rule()], 'asking');
    const namespace = new AmbientNamespace();
    namespace.settle([made]);
    const { emptied } = namespace.plan([made]);
    for (const object of namespace.objects) {
      const { labels: _, ...metadata } = object.metadata;
      const { metadata: { labels } = {} } = emptied({ ...object, metadata }) ?? {};
      assert.equal(labels && ownerByLabels({ metadata: { name: '', labels } }), 'asking');
    }
  });

  it('closes for a rule that leaves before the restriction goes that nobody asks for any more', () => {
    const asking = meshProfile([], 'asking');
    const namespace = new AmbientNamespace();
    namespace.settle([asking]);
    const open = meshProfile([rule({ ...unsayable, ports: [tcp(TUNNEL_PORT)] })], 'open', WITHOUT_MESH);
    judge(namespace, edit([asking, open]));
    judge(namespace, edit([meshProfile([], 'asking', WITHOUT_MESH)]));
    assert.deepEqual(passing(namespace), new Set());
  });

  it('stays open for a rule for every port of a profile that is held, as another one begins to ask for it', () => {
    const namespace = new AmbientNamespace();
    const held = meshProfile([rule({ ports: [tcp(TUNNEL_PORT)] })], 'held', WITHOUT_MESH);
    namespace.settle([held]);
    judge(namespace, edit([meshProfile([], 'asking')], ['held']));
    assert.ok(passing(namespace).has('shop/web-well to web:80'));
  });

  const named = (name: string) =>
    fc.tuple(generated, fc.boolean()).map(
      ([{ metadata, spec }, isAsking]): SegmentationProfile => ({
        metadata: { ...metadata, name, uid: `uid-${name}` },
        spec: isAsking ? spec : { ...spec, ...WITHOUT_MESH },
      }),
    );
  const both = fc
    .tuple(fc.option(named('one')), fc.option(named('two')))
    .map((each) => each.filter((profile) => profile !== null));

  it('is never wider, and never cut, while profiles come, change, leave and are held', () => {
    let passed = 0;
    const edits = fc.array(
      fc.record({
        profiles: both,
        held: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.subarray(['one', 'two'])),
        kill: fc.integer({ min: 0, max: 10 }),
        isAccepted: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(both, edits, (first, all) => {
        const namespace = new AmbientNamespace();
        namespace.settle(first);
        for (const each of all) passed += judge(namespace, each);
      }),
      { numRuns: runs(60) },
    );
    assert.ok(passed > 0);
  });
});
