/** The desired policies of a namespace where a profile is stalled, held or gated, and exceptions begin and end. */
import assert from 'node:assert/strict';
import { LABEL_MANAGED_BY, LABEL_PROFILE, LABEL_ROLE, MANAGER } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { desiredOf, desiredOverlay } from '../../../src/controller/namespace/desired.ts';
import type { ProfileIntent } from '../../../src/controller/namespace/gather.ts';
import type { Postponed } from '../../../src/controller/namespace/postponed.ts';
import { compile } from '../../../src/policy/compile.ts';
import { bridgeFor } from '../../../src/policy/planning/transition.ts';
import { compileException } from '../../../src/policy/exceptions/compile.ts';
import { notesOf } from '../../../src/policy/notes.ts';
import { byObjectName } from '../../../src/util/order.ts';
import { CREATED, exception, granting, HOUR } from '../../policy/exceptions/fixture.ts';
import { facts, profile, SHOP } from '../../policy/fixture.ts';

const PROFILE = granting('p');
const OWN = compile(PROFILE, SHOP, facts());
const context = { namespace: SHOP, cluster: facts() };
const policiesOf = (name: string) =>
  compileException(exception(name), { profile: PROFILE, end: CREATED + HOUR }, context).policies;
const [OVER, GOING_ON] = [policiesOf('over'), policiesOf('going-on')];
const OBSERVED = [...OWN.policies, ...OVER, ...GOING_ON].sort(byObjectName);
const STALLED: Postponed = {
  directions: ['Ingress', 'Egress'],
  failure: { reason: 'PoliciesTooLarge', message: 'too large', kind: 'stalled' },
};

/** The names of the desired policies, of which one exception is over and the other goes on. */
function namesOf(
  intent: Pick<ProfileIntent, 'relation' | 'compiled'>,
  { isStalled = false, isGated = false, added = GOING_ON, observed = OBSERVED } = {},
): string[] {
  const whole: ProfileIntent = {
    profile: PROFILE,
    ...intent,
    added: { policies: added, extensions: [], unresolved: [] },
  };
  const { policies: desired } = desiredOf([whole], new Map(isStalled ? [['p', STALLED]] : []), {
    observed,
    ownerOf: () => 'p',
    isGated: () => isGated,
  });
  return desired.map(({ metadata }) => metadata.name).sort();
}

const DENY = 'p.default-deny';
const EXCEPTION = 'p.exception.going-on.egress';
const withExceptions = { ...OWN, policies: [...OWN.policies, ...GOING_ON] };

describe('desired policies of exceptions', () => {
  it('stand beside those of the profile', () => {
    assert.deepEqual(namesOf({ relation: 'enforce', compiled: withExceptions }), [DENY, EXCEPTION]);
  });

  it('end with their exception while the profile is stalled, and stay otherwise', () => {
    const names = namesOf({ relation: 'enforce', compiled: withExceptions }, { isStalled: true });
    assert.deepEqual(names, [DENY, EXCEPTION]);
  });

  it('end with their exception while the policies of the profile are held, and stay otherwise', () => {
    assert.deepEqual(namesOf({ relation: 'held', compiled: OWN }), [DENY, EXCEPTION]);
  });

  it('end with their exception also where somebody has removed their labels', () => {
    const observed = OBSERVED.map((each) => ({ ...each, metadata: { ...each.metadata, labels: {} } }));
    assert.deepEqual(namesOf({ relation: 'held', compiled: OWN }, { observed }), [DENY, EXCEPTION]);
    const stalled = { relation: 'enforce', compiled: withExceptions } as const;
    assert.deepEqual(namesOf(stalled, { observed, isStalled: true }), [DENY, EXCEPTION]);
  });

  it('have the labels of their profile once it is deleted, and no owner, while they stay as they are', () => {
    const removed = new Date(CREATED).toISOString();
    const deleted = { ...PROFILE, metadata: { ...PROFILE.metadata, deletionTimestamp: removed } };
    const observed = OWN.policies.map((each) => ({ ...each, metadata: { ...each.metadata, labels: {} } }));
    const context = { observed, ownerOf: () => 'p', isGated: () => false };
    for (const [relation, postponed] of [
      ['held', new Map()],
      ['enforce', new Map([['p', STALLED]])],
    ] as const) {
      const { policies } = desiredOf([{ profile: deleted, relation, compiled: OWN }], postponed, context);
      assert.deepEqual(
        policies.map(({ metadata: { labels, ownerReferences } }) => [
          labels?.[LABEL_PROFILE],
          ownerReferences?.length,
        ]),
        OWN.policies.map(() => ['p', 0]),
      );
    }
  });

  it('have their labels again while they stay as they are, and are the observed ones where they have them', () => {
    const stripped = OWN.policies.map((each) => ({ ...each, metadata: { ...each.metadata, labels: {} } }));
    const gated = { ...OWN, policies: [] };
    for (const [relation, compiled, postponed, isGated] of [
      ['held', OWN, new Map(), false],
      ['enforce', OWN, new Map([['p', STALLED]]), false],
      ['enforce', gated, new Map(), true],
      ['none', gated, new Map(), true],
    ] as const) {
      const desired = (observed: readonly NetworkPolicy[]) =>
        desiredOf([{ profile: PROFILE, relation, compiled }], postponed, {
          observed,
          ownerOf: () => 'p',
          isGated: () => isGated,
        }).policies;
      const labelsOf = (policies: readonly NetworkPolicy[]) =>
        policies.map(({ metadata }) => metadata.labels);
      assert.deepEqual(labelsOf(desired(stripped)), labelsOf(OWN.policies));
      assert.deepEqual(
        desired(stripped).map(({ spec }) => spec),
        OWN.policies.map(({ spec }) => spec),
      );
      for (const [index, each] of desired(OWN.policies).entries()) assert.equal(each, OWN.policies[index]);
    }
  });

  it('keep the bridges of an exception that goes on while the profile is stalled', () => {
    const [goingOn, over] = [...GOING_ON, ...OVER].map((each, index) => {
      const { metadata, spec } = bridgeFor(each);
      return { metadata: { ...metadata, name: `p.transition.${index}` }, spec };
    });
    assert.ok(goingOn && over);
    const observed = [...OBSERVED, goingOn, over];
    assert.deepEqual(
      namesOf({ relation: 'enforce', compiled: withExceptions }, { observed, isStalled: true }),
      [DENY, EXCEPTION, 'p.transition.0'],
    );
  });

  const added = [...GOING_ON, ...policiesOf('new')];

  it('begin beside the policies of a held profile', () => {
    const began = [DENY, EXCEPTION, 'p.exception.new.egress'];
    assert.deepEqual(namesOf({ relation: 'held', compiled: OWN }, { added }), began);
  });

  it('do not begin while the profile is stalled', () => {
    const compiled = { ...OWN, policies: [...OWN.policies, ...added] };
    assert.deepEqual(namesOf({ relation: 'enforce', compiled }, { isStalled: true, added }), [
      DENY,
      EXCEPTION,
    ]);
  });

  it('end where the profile leaves, and not before a gate has ceased to look for its default-deny', () => {
    const nothing = { ...OWN, policies: [] };
    const left = { relation: 'none', compiled: nothing } as const;
    const observed = [DENY, EXCEPTION, 'p.exception.over.egress'];
    assert.deepEqual(namesOf(left, { isGated: true, added: [] }), observed);
    assert.deepEqual(namesOf(left, { added: [] }), []);
  });
});

describe('desired policies beside those that an admission gate keeps of a profile that leaves', () => {
  const intentOf = (name: string, relation: 'enforce' | 'none', spec: Parameters<typeof profile>[0] = {}) => {
    const made = profile(spec);
    const named = { ...made, metadata: { ...made.metadata, name, uid: name } };
    return { profile: named, relation, compiled: compile(named, SHOP, facts()) } satisfies ProfileIntent;
  };
  const toAny = { name: 'all', to: [{ entity: 'Any' as const }] };
  const toWeb = { ...toAny, name: 'web', podSelector: { matchLabels: { app: 'web' } } };
  const stays = intentOf('p', 'enforce', { egress: [toAny, toWeb] });
  const leaves = intentOf('q', 'enforce', { egress: [toAny, toWeb] });
  const cover: NetworkPolicy = {
    metadata: {
      name: 'p.transition.1',
      namespace: 'shop',
      labels: { [LABEL_PROFILE]: 'p', [LABEL_ROLE]: 'transition' },
    },
    spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{}] },
  };
  const observed = [...stays.compiled.policies, ...leaves.compiled.policies, cover];
  const left: ProfileIntent = { ...leaves, relation: 'none', compiled: { ...OWN, policies: [] } };
  const context = {
    ownerOf: ({ metadata }: NetworkPolicy) => metadata.labels?.[LABEL_PROFILE],
    isGated: (name: string) => name === 'q',
  };
  const names = (intents: readonly ProfileIntent[], policies = observed) =>
    desiredOf(intents, new Map(), { ...context, observed: policies })
      .policies.map(({ metadata }) => metadata.name)
      .sort();
  const now = intentOf('p', 'enforce', { isolation: ['Ingress'] });

  it('include the cover and the rules of a direction that is to open, which would be cut until the gate has ended', () => {
    assert.deepEqual(names([now, left]), [
      'p.default-deny',
      'p.egress',
      'p.egress.web',
      'p.transition.1',
      'q.default-deny',
      'q.egress',
      'q.egress.web',
    ]);
    const { gated } = desiredOf([now, left], new Map(), { ...context, observed });
    assert.deepEqual([...gated].sort(), ['p', 'q']);
  });

  it('include the cover of a removal that was half carried out', () => {
    const half = observed.filter(
      ({ metadata: { name } }) => name === 'q.egress.web' || name === cover.metadata.name,
    );
    assert.deepEqual(names([now, left], half), ['p.default-deny', 'p.transition.1', 'q.egress.web']);
  });

  it('are no others where another default-deny goes on to isolate the direction', () => {
    const narrower = intentOf('p', 'enforce', { egress: [toAny] });
    assert.deepEqual(names([narrower, left]), [
      'p.default-deny',
      'p.egress',
      'q.default-deny',
      'q.egress',
      'q.egress.web',
    ]);
    const { gated } = desiredOf([narrower, left], new Map(), { ...context, observed });
    assert.deepEqual([...gated], ['q']);
  });

  it('are no others once the gate has ended', () => {
    const { policies: desired } = desiredOf([now, left], new Map(), {
      ...context,
      observed,
      isGated: () => false,
    });
    assert.deepEqual(desired, now.compiled.policies);
  });
});

describe('desired overlay', () => {
  const asking = profile({
    mesh: { authorization: 'Enforce', mtls: 'Disabled' },
    ingress: [{ name: 'probes', from: [{ entity: 'Nodes' }], ports: [{ protocol: 'TCP', port: 80 }] }],
  });
  const cluster = facts({
    nodes: [{ addresses: ['172.18.0.2'] }],
    engine: { kind: 'available', carries: new Set(['nodes']) },
  });
  const intent: ProfileIntent = {
    profile: asking,
    relation: 'enforce',
    compiled: compile(asking, SHOP, cluster),
  };
  const ownerOf = ({ metadata }: NetworkPolicy) => metadata.labels?.[LABEL_PROFILE];
  const nothing = { observed: [], ownerOf, isGated: () => false };
  const overlay = (one: ProfileIntent, postponed = new Map<string, Postponed>()) => {
    const { policies, profiles, kept, excepting } = desiredOverlay([one], postponed, nothing);
    const names = policies.map(({ metadata }) => metadata.name);
    return { names, profiles, kept: [...kept], excepting: [...excepting] };
  };

  it('has the policies for ingress, and allows what extensions of the network engine allow beside them', () => {
    assert.deepEqual(overlay(intent), {
      names: ['segmented.default-deny', 'segmented.ingress', 'segmented.ingress.extension.any'],
      profiles: [asking],
      kept: [],
      excepting: [],
    });
    const { policies } = desiredOverlay([intent], new Map(), nothing);
    assert.deepEqual(policies.at(-1)?.spec.ingress, [{ ports: [{ protocol: 'TCP', port: 80 }] }]);
    // The mesh reports names the rule of such a policy.
    assert.deepEqual(notesOf({ metadata: policies.at(-1)?.metadata ?? { name: '' } })[0]?.rule, 'probes');
  });

  it('has no two policies of one name, whatever the names of rules are', () => {
    const podSelector = { matchLabels: { app: 'web' } };
    const from = [{ entity: 'Nodes' as const }];
    const spec = {
      ...asking.spec,
      ingress: [...(asking.spec.ingress ?? []), { name: 'extension', podSelector, from }],
    };
    const named = { ...asking, spec };
    const { names } = overlay({ ...intent, profile: named, compiled: compile(named, SHOP, cluster) });
    assert.equal(names.length, 5);
    assert.equal(new Set(names).size, names.length, names.join());
  });

  it('leaves what a profile has while its policies stay as they are', () => {
    const kept = { names: [], profiles: [], kept: ['segmented'], excepting: ['segmented'] };
    assert.deepEqual(overlay({ ...intent, relation: 'held' }), kept);
    assert.deepEqual(overlay(intent, new Map([['segmented', STALLED]])), kept);
  });

  it('has the labels of their profile on policies that stay as they are, if somebody has removed them', () => {
    const observed = intent.compiled.policies.map((each) => ({
      ...each,
      metadata: { ...each.metadata, labels: {} },
    }));
    const context = { ...nothing, observed, ownerOf: () => 'segmented' };
    const { policies } = desiredOverlay([{ ...intent, relation: 'held' }], new Map(), context);
    assert.deepEqual(
      policies.map(({ metadata: { labels } }) => [labels?.[LABEL_MANAGED_BY], labels?.[LABEL_PROFILE]]),
      [
        [MANAGER, 'segmented'],
        [MANAGER, 'segmented'],
      ],
    );
  });

  it('allows what the policies allow that stay as they are, but for those of a deleted profile', () => {
    const observed = [...intent.compiled.policies, ...policiesOf('over')];
    const staying = ({ deletionTimestamp }: { readonly deletionTimestamp?: string } = {}) => {
      const metadata = { ...asking.metadata, ...(deletionTimestamp && { deletionTimestamp }) };
      const held: ProfileIntent = { ...intent, relation: 'held', profile: { ...asking, metadata } };
      const { policies } = desiredOverlay([held], new Map(), { ...nothing, observed });
      return policies.map(({ metadata: { name } }) => name);
    };
    assert.deepEqual(staying(), ['segmented.default-deny', 'segmented.ingress']);
    assert.deepEqual(staying({ deletionTimestamp: '2026-01-01T00:00:00Z' }), []);
  });

  it('has the ingress of exceptions while the other policies of their profile stay as they are', () => {
    const rules = { ingress: [{ name: 'in', from: [{ podSelector: {} }] }], egress: [] };
    const granted = { profile: asking, end: CREATED + HOUR };
    const { policies } = compileException(exception('now', rules), granted, { namespace: SHOP, cluster });
    const both = { policies: [...policies, ...GOING_ON], extensions: [], unresolved: [] };
    for (const [relation, postponed] of [
      ['held', new Map()],
      ['enforce', new Map([['segmented', STALLED]])],
    ] as const)
      assert.deepEqual(
        overlay({ ...intent, relation, added: both }, postponed).names,
        ['segmented.exception.now.ingress'],
        relation,
      );
  });

  it('leaves the exceptions of a profile that leaves, until its gate has ended', () => {
    const gated = { ...nothing, isGated: () => true };
    const { kept, excepting } = desiredOverlay([{ ...intent, relation: 'audit' }], new Map(), gated);
    assert.deepEqual([[...kept], [...excepting]], [['segmented'], []]);
  });

  it('does not begin before ingress is isolated', () => {
    const failure = { reason: 'PeersUnresolved', message: 'unresolved', kind: 'waiting' } as const;
    const postponed = new Map([['segmented', { directions: ['Ingress'], failure } as const]]);
    assert.deepEqual(overlay(intent, postponed).names, []);
  });
});
