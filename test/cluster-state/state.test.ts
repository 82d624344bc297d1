import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ProfileSpec } from '../../src/api/profile.ts';
import type { NamespaceItem, PolicyItem, ProfileItem } from '../../src/cluster-state/items.ts';
import type { Relation } from '../../src/cluster-state/relation.ts';
import { ClusterState } from '../../src/cluster-state/state.ts';
import { profile } from '../policy/fixture.ts';

const namespace = (name: string, extra: Partial<NamespaceItem> = {}): NamespaceItem => ({
  key: name,
  name,
  uid: `ns-${name}`,
  resourceVersion: '1',
  labels: { team: 'red' },
  terminating: false,
  ...extra,
});
const profileItem = (name: string, uid: string, resourceVersion = '1'): ProfileItem => ({
  key: name,
  uid,
  resourceVersion,
  profile: { ...profile(), metadata: { name, uid } },
});
const policyItem = (extra: Partial<PolicyItem> = {}): PolicyItem => ({
  key: 'shop/x',
  namespace: 'shop',
  name: 'x',
  uid: 'x',
  resourceVersion: '1',
  profile: undefined,
  ownerUids: [],
  hasExceptionOwner: false,
  fingerprint: undefined,
  peerScopes: 0,
  reliesOn: [],
  content: undefined,
  ...extra,
});

describe('relation of a profile to a namespace', () => {
  const clusterState = new ClusterState(['kube-system']);
  const deleted = '2026-01-01T00:00:00Z';
  const cases: [
    name: string,
    spec: Partial<ProfileSpec>,
    deletionTimestamp: string | undefined,
    item: NamespaceItem,
    relation: Relation,
  ][] = [
    ['is enforce if the profile selects it', {}, undefined, namespace('shop'), 'enforce'],
    [
      'is none if the selector does not match',
      { namespaceSelector: { matchLabels: { team: 'blue' } } },
      undefined,
      namespace('shop'),
      'none',
    ],
    ['is none if the namespace is protected', {}, undefined, namespace('kube-system'), 'none'],
    [
      'is none if the namespace is excluded',
      { excludeNamespaces: ['shop'] },
      undefined,
      namespace('shop'),
      'none',
    ],
    [
      'is none if the namespace is terminating',
      {},
      undefined,
      namespace('shop', { terminating: true }),
      'none',
    ],
    ['is audit under Audit', { mode: 'Audit' }, undefined, namespace('shop'), 'audit'],
    ['is none if the profile is being deleted', {}, deleted, namespace('shop'), 'none'],
    [
      'is enforce if the profile is being deleted under Retain',
      { deletionPolicy: 'Retain' },
      deleted,
      namespace('shop'),
      'enforce',
    ],
    [
      'is none if a protected namespace is selected by a profile that is deleted under Retain',
      { deletionPolicy: 'Retain' },
      deleted,
      namespace('kube-system'),
      'none',
    ],
  ];
  for (const [name, spec, deletionTimestamp, item, relation] of cases) {
    it(name, () => {
      const made = profile(spec);
      const given = {
        ...made,
        metadata: { ...made.metadata, ...(deletionTimestamp && { deletionTimestamp }) },
      };
      assert.equal(clusterState.relation(given, item), relation);
    });
  }
});

describe('owner of a policy', () => {
  let clusterState: ClusterState;
  beforeEach(() => {
    clusterState = new ClusterState([]);
    clusterState.profiles.upsert(profileItem('p', 'uid-p'));
    clusterState.profiles.upsert(profileItem('q', 'uid-q'));
  });
  const owner = (extra: Partial<PolicyItem>) => clusterState.ownerOf(policyItem(extra));

  it('is the profile that its labels name', () => assert.equal(owner({ profile: 'p' }), 'p'));
  it('is the profile that its ownerReference names', () =>
    assert.equal(owner({ ownerUids: ['gone', 'uid-q'] }), 'q'));
  it('is the profile of its ownerReference if the label names no existing profile', () =>
    assert.equal(owner({ profile: 'typo', ownerUids: ['uid-p'] }), 'p'));
  it('is the profile that has granted the exception of its ownerReference', () => {
    const granted = (profile: string) => ({
      grantedBy: (uid: string) => (uid === 'uid-e' ? profile : undefined),
    });
    assert.equal(owner({ ownerUids: ['uid-e'] }), undefined);
    clusterState.exceptions = granted('q');
    assert.equal(owner({ ownerUids: ['uid-e'] }), 'q');
    assert.equal(owner({ ownerUids: ['uid-f'] }), undefined);
    clusterState.exceptions = granted('gone');
    assert.equal(owner({ ownerUids: ['uid-e'] }), undefined);
  });
  it('is undefined for a policy without labels and ownerReference', () => assert.equal(owner({}), undefined));
  it('is undefined for a retained policy whose profile is gone', () =>
    assert.equal(owner({ profile: 'gone', ownerUids: ['uid-gone'] }), undefined));

  for (const [name, marks] of [
    ['stripped of labels and ownerReference', {}],
    ['labelled with a name of no profile', { profile: 'typo' }],
  ] as const) {
    it(`is remembered for a policy that is ${name}, until it is deleted`, () => {
      clusterState.policies.upsert(policyItem({ profile: 'p' }));
      const stripped = policyItem({ resourceVersion: '2', ...marks });
      clusterState.policies.upsert(stripped);
      assert.equal(clusterState.ownerOf(stripped), 'p');
      assert.deepEqual([...clusterState.namespacesWithPoliciesOf('p')], ['shop']);
      clusterState.policies.upsert(policyItem({ resourceVersion: '3', ...marks }));
      assert.equal(clusterState.ownerOf(policyItem({ ...marks })), 'p');
      clusterState.policies.remove(policyItem({ resourceVersion: '4', ...marks }));
      assert.equal(clusterState.ownerOf(policyItem({ ...marks })), undefined);
      assert.deepEqual([...clusterState.namespacesWithPoliciesOf('p')], []);
    });
  }

  it('is known for a policy that a live read shows without its marks before the watch does', () => {
    clusterState.policies.upsert(policyItem({ profile: 'p' }));
    const read = (uid: string) =>
      clusterState.ownerOfPolicy({ metadata: { name: 'x', namespace: 'shop', uid, resourceVersion: '2' } });
    assert.equal(read('x'), 'p');
    assert.equal(read('y'), undefined);
  });

  it('is not remembered for another policy of the same name', () => {
    clusterState.policies.upsert(policyItem({ profile: 'p' }));
    clusterState.policies.upsert(policyItem({ uid: 'y', resourceVersion: '2' }));
    assert.equal(owner({ uid: 'y' }), undefined);
  });

  it('is not remembered for a retained policy whose labels are removed later', () => {
    clusterState.policies.upsert(policyItem({ profile: 'later' }));
    clusterState.policies.upsert(policyItem({ resourceVersion: '2' }));
    clusterState.profiles.upsert(profileItem('later', 'uid-later'));
    assert.equal(owner({}), undefined);
  });

  it('is the same for a policy as the API server returns it', () => {
    const ownerReferences = [
      { apiVersion: 'segmentation.dev/v1beta9', kind: 'SegmentationProfile', name: 'p', uid: 'uid-p' },
    ];
    assert.equal(clusterState.ownerOfPolicy({ metadata: { name: 'x', ownerReferences } }), 'p');
    assert.equal(
      clusterState.ownerOfPolicy({
        metadata: { name: 'x', labels: { 'segmentation.dev/profile': 'p' } },
      }),
      undefined,
    );
    assert.equal(
      clusterState.ownerOfPolicy({
        metadata: {
          name: 'x',
          labels: {
            'segmentation.dev/profile': 'p',
            'app.kubernetes.io/managed-by': 'segmentation-operator',
          },
        },
      }),
      'p',
    );
  });
});

describe('concerned profiles of a namespace', () => {
  it('are those that select it or own policies there, by name', () => {
    const clusterState = new ClusterState([]);
    clusterState.profiles.upsert(profileItem('z', 'uid-z'));
    const other: ProfileItem = {
      ...profileItem('a', 'uid-a'),
      profile: {
        ...profile({ namespaceSelector: { matchLabels: { team: 'blue' } } }),
        metadata: { name: 'a', uid: 'uid-a' },
      },
    };
    clusterState.profiles.upsert(other);
    const concerned = () => clusterState.concerned(namespace('shop')).map(({ metadata }) => metadata.name);
    assert.deepEqual(concerned(), ['z']);
    clusterState.policies.upsert(policyItem({ ownerUids: ['uid-a'] }));
    assert.deepEqual(concerned(), ['a', 'z']);
  });
});

describe('namespaces with policies of a profile', () => {
  const NAMES = ['p', 'q'];
  const event = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant('policy' as const),
        namespace: fc.constantFrom('a', 'b'),
        name: fc.constantFrom('x', 'y'),
        anew: fc.boolean(),
        profile: fc.constantFrom(undefined, ...NAMES, 'typo'),
        owners: fc.subarray(['p-1', 'p-2', 'q-1', 'exception-of-p']),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('remove' as const),
        namespace: fc.constantFrom('a', 'b'),
        name: fc.constantFrom('x', 'y'),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant('profile' as const),
        name: fc.constantFrom(...NAMES),
        uid: fc.constantFrom('1', '2'),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ type: fc.constant('profileGone' as const), name: fc.constantFrom(...NAMES) }),
    },
    { weight: 1, arbitrary: fc.constant({ type: 'list' as const }) },
  );

  it('are those that a recount finds, after any sequence of events', () => {
    let found = 0;
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const clusterState = new ClusterState([]);
        clusterState.exceptions = {
          grantedBy: (uid) => (uid === 'exception-of-p' ? 'p' : undefined),
        };
        let revision = 1;
        for (const each of events) {
          const resourceVersion = String((revision += 1));
          if (each.type === 'policy') {
            const key = `${each.namespace}/${each.name}`;
            const old = clusterState.policies.get(key);
            const uid = each.anew || old === undefined ? `uid-${revision}` : old.uid;
            clusterState.policies.upsert(
              policyItem({
                key,
                namespace: each.namespace,
                name: each.name,
                uid,
                resourceVersion,
                profile: each.profile,
                ownerUids: each.owners,
                hasExceptionOwner: each.owners.includes('exception-of-p'),
              }),
            );
          } else if (each.type === 'remove') {
            const old = clusterState.policies.get(`${each.namespace}/${each.name}`);
            if (old) clusterState.policies.remove({ ...old, resourceVersion });
          } else if (each.type === 'profile') {
            const uid = `${each.name}-${each.uid}`;
            clusterState.profiles.upsert(profileItem(each.name, uid, resourceVersion));
          } else if (each.type === 'profileGone') {
            const old = clusterState.profiles.get(each.name);
            if (old) clusterState.profiles.remove({ ...old, resourceVersion });
          } else {
            // A list that has lost half of them.
            clusterState.policies.replace(
              [...clusterState.policies.values()].filter(({ name }) => name === 'x'),
              resourceVersion,
            );
          }
          for (const name of NAMES.filter((known) => clusterState.profile(known) !== undefined)) {
            const recount = new Set(
              [...clusterState.policies.values()]
                .filter((item) => clusterState.ownerOf(item) === name)
                .map((item) => item.namespace),
            );
            assert.deepEqual([...clusterState.namespacesWithPoliciesOf(name)].sort(), [...recount].sort());
            const all = new Set([...clusterState.policies.values()].map((item) => item.namespace));
            assert.deepEqual(new Set([...all].filter(clusterState.policiesOf(name))), recount);
            found += recount.size;
          }
        }
      }),
      { numRuns: 1500 },
    );
    assert.ok(found > 500, `only ${found} namespaces were found`);
  });
});
