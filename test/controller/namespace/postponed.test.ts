import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { StringMap } from '../../../src/api/meta.ts';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../../src/api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { desiredOf } from '../../../src/controller/namespace/desired.ts';
import type { ProfileIntent } from '../../../src/controller/namespace/gather.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { postponed, type PostponeContext } from '../../../src/controller/namespace/postponed.ts';
import { compile } from '../../../src/policy/compile.ts';
import { isolates } from '../../../src/policy/semantics/normalize.ts';
import { isolatesAll } from '../../../src/policy/planning/effect.ts';
import { facts, profile, runs } from '../../policy/fixture.ts';
import { Judge } from '../../support/judge/judge.ts';

const KNOWN: Peer = { ipBlock: { cidr: '203.0.113.0/25' } };
const UNKNOWN: Peer = { service: { namespace: 'shop', name: 'gone' } };
const FOUND = facts({
  services: { 'shop/gone': { selector: { app: 'b' }, ports: [{ port: 80, targetPort: 8080 }] } },
});
const SHOP = { name: 'shop', labels: {} };

/** A profile with a rule for each peer; a peer that only some pods are for has a policy of its own. */
function named(
  name: string,
  isolation: PolicyType[],
  ingress: readonly Peer[] = [],
  egress: readonly Peer[] = [],
): SegmentationProfile {
  const rule = (index: number) => ({
    name: `r${index}`,
    ...(index % 2 === 1 && { podSelector: { matchLabels: { app: 'a' } } }),
  });
  const { metadata, spec } = profile({
    isolation,
    ingress: ingress.map((peer, index) => ({ ...rule(index), from: [peer] })),
    egress: egress.map((peer, index) => ({ ...rule(index), to: [peer] })),
  });
  return { metadata: { ...metadata, name, uid: name }, spec };
}

const intentOf = (each: SegmentationProfile, observed: readonly NetworkPolicy[] = []): ProfileIntent => ({
  profile: each,
  relation: 'enforce',
  compiled: compile(each, SHOP, facts(), lastKnownFrom(observed)),
});

const ground = (observed: readonly NetworkPolicy[] = []): PostponeContext => ({
  observed,
  hasPods: true,
  ownerOf: ({ metadata }) => metadata.labels?.[LABEL_PROFILE],
  wasEnforced: () => false,
});

/** The postponed directions, as lines. */
const told = (profiles: readonly SegmentationProfile[], on: PostponeContext = ground()) =>
  [
    ...postponed(
      profiles.map((each) => intentOf(each, on.observed)),
      on,
    ),
  ].map(
    ([name, { directions, failure }]) => `${name} ${directions.join()} ${failure.reason} ${failure.kind}`,
  );

const MANY = Array.from({ length: 40_000 }, (_, index) => ({
  ipBlock: { cidr: `10.${index >> 8}.${index & 255}.0/24` },
}));
const TOO_LARGE: SegmentationProfile = {
  metadata: { name: 'large', uid: 'large' },
  spec: profile({ isolation: ['Egress'], egress: [{ name: 'many', to: MANY }] }).spec,
};

describe('postponed directions of a namespace', () => {
  const waiting = named('waiting', ['Ingress', 'Egress'], [UNKNOWN], [KNOWN]);

  it('are those in which a peer has never been resolved, and no others', () => {
    assert.deepEqual(told([waiting]), ['waiting Ingress PeersUnresolved waiting']);
  });

  it('are none without pods', () => {
    assert.deepEqual(told([waiting], { ...ground(), hasPods: false }), []);
  });

  it('exclude a direction that another profile isolates in any case', () => {
    assert.deepEqual(told([waiting, named('other', ['Ingress'])]), []);
    assert.deepEqual(told([waiting, named('other', ['Egress'])]), [
      'waiting Ingress PeersUnresolved waiting',
    ]);
  });

  it('exclude a direction in which the profile was enforced, even if its policies were deleted', () => {
    const was = (name: string) => ({ ...ground(), wasEnforced: (each: string) => each === name });
    assert.deepEqual(told([waiting], was('waiting')), []);
    assert.deepEqual(told([waiting], was('gone')), ['waiting Ingress PeersUnresolved waiting']);
  });

  it('exclude a direction that a foreign policy isolates for all pods', () => {
    const deny = (policyTypes: PolicyType[], podSelector = {}): NetworkPolicy => ({
      metadata: { name: 'theirs', namespace: 'shop' },
      spec: { podSelector, policyTypes },
    });
    assert.deepEqual(told([waiting], ground([deny(['Ingress'])])), []);
    const still = ['waiting Ingress PeersUnresolved waiting'];
    assert.deepEqual(told([waiting], ground([deny(['Egress'])])), still);
    assert.deepEqual(told([waiting], ground([deny(['Ingress'], { matchLabels: { app: 'a' } })])), still);
  });

  it('exclude a direction in which a leaving profile isolates some pods, which would be open', () => {
    const left = (policyTypes: PolicyType[]): NetworkPolicy => ({
      metadata: {
        name: 'left.ingress.r1',
        namespace: 'shop',
        labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'left', [LABEL_ROLE]: 'ingress' },
      },
      spec: { podSelector: { matchLabels: { app: 'a' } }, policyTypes, ingress: [{}] },
    });
    assert.deepEqual(told([waiting], ground([left(['Ingress'])])), []);
    assert.deepEqual(told([waiting], ground([left(['Egress'])])), [
      'waiting Ingress PeersUnresolved waiting',
    ]);
  });

  it('include a direction that only a cover isolates, which allows everything', () => {
    const role = (role: string): NetworkPolicy => ({
      metadata: {
        name: `waiting.${role}`,
        namespace: 'shop',
        labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: 'waiting', [LABEL_ROLE]: role },
      },
      spec: { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] },
    });
    assert.deepEqual(told([waiting], ground([role('transition')])), [
      'waiting Ingress PeersUnresolved waiting',
    ]);
    assert.deepEqual(told([waiting], ground([role('ingress')])), []);
  });

  it('include, for all profiles, a direction in which one of them is too large', () => {
    assert.deepEqual(told([TOO_LARGE, named('other', ['Ingress', 'Egress'])]), [
      'large Egress PoliciesTooLarge stalled',
      'other Egress PoliciesTooLarge waiting',
    ]);
    assert.deepEqual(told([TOO_LARGE, named('other', ['Ingress'])]), [
      'large Egress PoliciesTooLarge stalled',
    ]);
  });

  it('are only those of the profile that is too large, if the direction is isolated', () => {
    const other = named('other', ['Egress']);
    const on = ground(intentOf(other).compiled.policies);
    assert.deepEqual(told([TOO_LARGE, other], on), ['large Egress PoliciesTooLarge stalled']);
  });

  const peers = fc.array(fc.constantFrom(KNOWN, UNKNOWN), { maxLength: 3 });
  const isolation = fc.constantFrom<PolicyType[]>(['Ingress', 'Egress'], ['Ingress'], ['Egress']);
  const anyProfile = (name: string) =>
    fc
      .record({ isolation, ingress: peers, egress: peers })
      .map((each) => named(name, each.isolation, each.ingress, each.egress));
  const profiles = fc.tuple(anyProfile('p'), anyProfile('q'), fc.integer({ min: 0, max: 2 }));
  /** Policies of other versions of the profiles from when the peer was there, some of them deleted since. */
  const standing = fc.tuple(profiles, fc.array(fc.nat(20), { maxLength: 3 })).map(([[p, q, which], gone]) =>
    [p, q]
      .slice(0, which)
      .flatMap((each) => compile(each, SHOP, FOUND).policies)
      .filter((_, index) => !gone.includes(index)),
  );

  it('let no flow be cut that is open and that a profile allows, and none be opened', () => {
    const labels = new Map([['shop', {}]]);
    const pods = ([{ app: 'a' }, { app: 'b' }, {}] as StringMap[]).map((of, index) => ({
      namespace: 'shop',
      name: `pod-${index}`,
      labels: of,
      ips: [`10.0.0.${index + 1}`],
      ports: [{ name: 'http', containerPort: 8080 }],
    }));
    const judge = new Judge(pods);
    let [whole, half] = [0, 0];
    fc.assert(
      fc.property(profiles, standing, ([p, q, which], observed) => {
        const intents = [p, q].slice(0, which).map((each) => intentOf(each, observed));
        const on = ground(observed);
        const waits = postponed(intents, on);
        for (const { profile } of intents) {
          const directions = waits.get(profile.metadata.name)?.directions ?? [];
          if (directions.length === profile.spec.isolation.length) whole += 1;
          else if (directions.length > 0) half += 1;
        }
        const { policies: desired } = desiredOf(intents, waits, { ...on, isGated: () => false });
        const names = desired.map(({ metadata }) => metadata.name);
        assert.equal(new Set(names).size, names.length, 'a name twice');
        const meant = intents.flatMap(({ compiled }) => compiled.policies);
        assert.equal(
          judge.fault({ namespace: 'shop', policies: desired, references: [observed, meant], labels }),
          undefined,
        );
        for (const direction of DIRECTIONS) {
          const begins = (all: readonly NetworkPolicy[]) =>
            all.some(({ spec }) => isolatesAll(spec, direction));
          if (begins(observed) || !begins(desired)) continue;
          const able = intents.some(({ profile, compiled }) => {
            const has = observed.some(
              (each) => on.ownerOf(each) !== undefined && isolates(each.spec).includes(direction),
            );
            const unknown = compiled.unresolved.some(
              (each) => each.direction === direction && !each.hasLastKnown,
            );
            return profile.spec.isolation.includes(direction) && (has || !unknown);
          });
          assert.ok(able, `${direction} is isolated, and nobody knows all of its peers`);
          for (const { profile, compiled } of intents)
            if (profile.spec.isolation.includes(direction))
              for (const each of compiled.policies)
                if (isolates(each.spec).join() === direction)
                  assert.ok(desired.includes(each), each.metadata.name);
        }
      }),
      { numRuns: runs(1500) },
    );
    assert.ok(whole > runs(100) && half > runs(50), `${whole} waited wholly, ${half} in one direction`);
  });
});
