import assert from 'node:assert/strict';
import type { ProfileStatus, SegmentationProfile } from '../../../src/api/profile.ts';
import type { NamespaceItem } from '../../../src/cluster-state/items.ts';
import type { NamespaceResult, Unresolved } from '../../../src/controller/results.ts';
import {
  MAX_FAILURES,
  profileStatus,
  sameStatus,
  type StatusInput,
} from '../../../src/controller/profile/status.ts';
import { profile } from '../../policy/fixture.ts';

const NOW = new Date('2026-01-02T03:04:05.678Z');
const LATER = new Date('2026-01-02T04:00:00Z');
const enforced: NamespaceResult = {
  generation: 3,
  state: 'enforced',
  desired: 2,
  applied: 2,
  unresolved: [],
  connections: [],
  conflicts: [],
};
const failure = (kind: 'waiting' | 'retry' | 'stalled', message = 'it broke') => ({
  reason: 'Broken',
  message,
  kind,
});
const pending: NamespaceResult = { ...enforced, state: 'pending', applied: 0, failure: failure('retry') };
const failed: NamespaceResult = { ...enforced, state: 'failed', applied: 1, failure: failure('waiting') };
const gone: Unresolved = {
  direction: 'Egress',
  rule: 'to-db',
  peer: 'service data/db',
  reason: 'ServiceNotFound',
  message: 'Service data/db does not exist; create it',
};
const unresolved: NamespaceResult = { ...enforced, unresolved: [gone] };

interface Given {
  results?: Record<string, NamespaceResult>;
  /** Besides those that have results. */
  unknown?: string[];
  removing?: number;
  terminating?: NamespaceItem[];
  profile?: SegmentationProfile;
  capabilities?: StatusInput['capabilities'];
  now?: Date;
}

function statusOf(given: Given): ProfileStatus {
  const { results = {}, unknown = [] } = given;
  const input: StatusInput = {
    profile: given.profile ?? profile(),
    selected: [...Object.keys(results), ...unknown],
    results: new Map(Object.entries(results)),
    removing: given.removing ?? 0,
    terminating: given.terminating ?? [],
    capabilities: given.capabilities ?? [],
    now: given.now ?? NOW,
  };
  return profileStatus(input);
}

/** `Ready=True/Enforced` and so on. */
const brief = ({ conditions = [] }: ProfileStatus) =>
  conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`).join(' ');
const messageOf = ({ conditions = [] }: ProfileStatus, type: string) =>
  conditions.find((each) => each.type === type)?.message ?? '';

const audit = profile({ mode: 'Audit' });
const deleting: SegmentationProfile = {
  ...profile(),
  metadata: { ...profile().metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
};
const audited: NamespaceResult = { ...enforced, state: 'audited', applied: 0 };
const settled = 'Reconciling=False/Settled Stalled=False/Settled PeersResolved=True/Resolved';
/** The condition of every profile while no canary runs. */
const unverified = 'EnforcementVerified=Unknown/NoCanary';

/** A namespace with policies of the profile that was deleted so many minutes ago. */
const terminating = (name: string, minutes: number, obstacles = ['has finalizers']): NamespaceItem => ({
  key: name,
  name,
  uid: name,
  resourceVersion: '1',
  labels: {},
  terminating: true,
  termination: { since: NOW.getTime() - minutes * 60_000, obstacles },
});

const cases: [name: string, given: Given, conditions: string, counts: string, ready: RegExp][] = [
  [
    'everything in place',
    { results: { a: enforced, b: enforced } },
    `Ready=True/Enforced ${settled}`,
    '2/2 matched 2 enforced 2 pending 0 failed 0 policies 4/4',
    /^4 policies in 2 namespaces written, enforcement not verified$/,
  ],
  [
    'one namespace',
    { results: { a: { ...enforced, desired: 1, applied: 1 } } },
    `Ready=True/Enforced ${settled}`,
    '1/1 matched 1 enforced 1 pending 0 failed 0 policies 1/1',
    /^1 policy in 1 namespace written, enforcement not verified$/,
  ],
  [
    'no namespace selected',
    {},
    `Ready=True/NoNamespaceSelected ${settled}`,
    '0/0 matched 0 enforced 0 pending 0 failed 0 policies 0/0',
    /matches no namespace/,
  ],
  [
    'a namespace without a result',
    { results: { a: enforced }, unknown: ['b'] },
    'Ready=False/Progressing Reconciling=True/Progressing Stalled=False/Settled PeersResolved=True/Resolved',
    '1/2 matched 2 enforced 1 pending 1 failed 0 policies 2/2',
    /1 namespace pending: b/,
  ],
  [
    'a result of another generation',
    { results: { a: enforced, b: { ...failed, generation: 2 } } },
    'Ready=False/Progressing Reconciling=True/Progressing Stalled=False/Settled PeersResolved=True/Resolved',
    '1/2 matched 2 enforced 1 pending 1 failed 0 policies 3/4',
    /1 namespace pending: b$/,
  ],
  [
    'a namespace whose reconcile is retried',
    { results: { a: pending } },
    'Ready=False/Progressing Reconciling=True/Progressing Stalled=False/Settled PeersResolved=True/Resolved',
    '0/1 matched 1 enforced 0 pending 1 failed 0 policies 0/2',
    /1 namespace pending: a \(it broke\)/,
  ],
  [
    'a namespace that failed',
    { results: { a: enforced, b: failed } },
    `Ready=False/NamespacesFailed ${settled}`,
    '1/2 matched 2 enforced 1 pending 0 failed 1 policies 3/4',
    /1 namespace failed: b; see .status.failures/,
  ],
  [
    'a namespace that is stalled',
    { results: { a: { ...failed, failure: failure('stalled') } } },
    'Ready=False/NamespacesFailed Reconciling=False/Settled Stalled=True/Broken PeersResolved=True/Resolved',
    '0/1 matched 1 enforced 0 pending 0 failed 1 policies 1/2',
    /1 namespace failed: a/,
  ],
  [
    'a peer that is unresolved',
    { results: { a: unresolved, b: enforced } },
    'Ready=False/PeersUnresolved Reconciling=False/Settled Stalled=False/Settled PeersResolved=False/ServiceNotFound',
    '2/2 matched 2 enforced 2 pending 0 failed 0 policies 4/4',
    /^egress rule to-db, peer service data\/db, in namespace a: Service data\/db does not exist; create it$/,
  ],
  [
    'policies that are still being removed',
    { results: { a: enforced }, removing: 2 },
    'Ready=False/Progressing Reconciling=True/Progressing Stalled=False/Settled PeersResolved=True/Resolved',
    '1/1 matched 1 enforced 1 pending 0 failed 0 policies 2/2',
    /removed from 2 namespaces/,
  ],
  [
    'a namespace that is being deleted',
    { results: { a: enforced }, terminating: [terminating('old', 4)] },
    `Ready=True/Enforced ${settled}`,
    '1/1 matched 1 enforced 1 pending 0 failed 0 policies 2/2',
    /^2 policies in 1 namespace written, enforcement not verified; namespace old is being deleted, and keeps its policies until it is gone$/,
  ],
  [
    'two namespaces whose deletion takes too long',
    { results: { a: enforced }, terminating: [terminating('old', 5), terminating('older', 600)] },
    'Ready=True/Enforced Reconciling=False/Settled Stalled=True/NamespaceTerminating PeersResolved=True/Resolved',
    '1/1 matched 1 enforced 1 pending 0 failed 0 policies 2/2',
    /; 2 namespaces \(old, older\) are being deleted, and keep their policies until they are gone$/,
  ],
  [
    'Audit',
    { profile: audit, results: { a: audited, b: audited } },
    `Ready=True/Audited ${settled}`,
    '2/2 matched 2 enforced 0 pending 0 failed 0 policies 0/4',
    /2 namespaces computed, nothing is enforced/,
  ],
  [
    'Audit with an unresolved peer',
    { profile: audit, results: { a: { ...audited, unresolved: [gone] } } },
    'Ready=False/PeersUnresolved Reconciling=False/Settled Stalled=False/Settled PeersResolved=False/ServiceNotFound',
    '1/1 matched 1 enforced 0 pending 0 failed 0 policies 0/2',
    /to-db/,
  ],
  [
    'a profile that is being deleted',
    { profile: deleting, results: { a: enforced }, removing: 1 },
    'Ready=False/Deleting Reconciling=True/Deleting Stalled=False/Settled PeersResolved=True/Resolved',
    '1/1 matched 1 enforced 1 pending 0 failed 0 policies 2/2',
    /1 namespace to go/,
  ],
  [
    'a conflict of names',
    { results: { a: { ...enforced, conflicts: ['segmented.ingress'] } } },
    `Ready=True/Enforced ${settled}`,
    '1/1 matched 1 enforced 1 pending 0 failed 0 policies 2/2',
    /written/,
  ],
];

describe('status of a profile', () => {
  for (const [name, given, conditions, counts, ready] of cases) {
    it(`has the conditions and counts for ${name}`, () => {
      const status = statusOf(given);
      const { matched, enforced: done, pending: waiting, failed: broken, summary } = status.namespaces!;
      assert.equal(brief(status), `${conditions} ${unverified}`);
      assert.equal(
        `${summary} matched ${matched} enforced ${done} pending ${waiting} failed ${broken} policies ${status.policies!.applied}/${status.policies!.desired}`,
        counts,
      );
      assert.match(messageOf(status, 'Ready'), ready);
      assert.equal(status.observedGeneration, 3);
      for (const { observedGeneration, lastTransitionTime, reason } of status.conditions ?? []) {
        assert.equal(observedGeneration, 3);
        assert.equal(lastTransitionTime, '2026-01-02T03:04:05Z');
        assert.match(reason, /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/);
      }
    });
  }

  it('changes a lastTransitionTime only with the status of its condition', () => {
    const before = statusOf({ results: { a: enforced } });
    const next = statusOf({
      results: { a: unresolved },
      profile: { ...profile(), status: before },
      now: LATER,
    });
    const times = Object.fromEntries(
      (next.conditions ?? []).map(({ type, lastTransitionTime }) => [type, lastTransitionTime]),
    );
    const [then, now] = ['2026-01-02T03:04:05Z', '2026-01-02T04:00:00Z'];
    assert.deepEqual(times, {
      Ready: now,
      Reconciling: then,
      Stalled: then,
      PeersResolved: now,
      EnforcementVerified: then,
    });
    assert.ok(
      sameStatus(
        before,
        statusOf({ results: { a: enforced }, profile: { ...profile(), status: before }, now: LATER }),
      ),
    );
  });

  it('has the condition of a capability, on which Ready depends unless it is for information', () => {
    const condition = { type: 'ThingReady', status: 'False', reason: 'Broken', message: 'broken' } as const;
    const of = (isInformation: boolean) =>
      brief(
        statusOf({ results: { a: enforced }, capabilities: [{ condition, isInformation, isStalled: true }] }),
      );
    assert.match(
      of(false),
      /^Ready=False\/ThingNotReady .* Stalled=True\/Broken .* ThingReady=False\/Broken$/,
    );
    assert.match(of(true), /^Ready=True\/Enforced .* Stalled=False\/Settled .* ThingReady=False\/Broken$/);
  });

  it('does not depend on the order in which namespaces became known', () => {
    const results = {
      a: unresolved,
      b: pending,
      c: { ...failed, failure: failure('stalled') },
      d: { ...unresolved, unresolved: [{ ...gone, rule: 'x', reason: 'NoPorts' }] },
    };
    const turned = Object.fromEntries(Object.entries(results).toReversed());
    for (const unknown of [[], ['0']])
      assert.ok(sameStatus(statusOf({ results, unknown }), statusOf({ results: turned, unknown })));
  });

  it('names the connection and the end of an unresolved peer once for both sides', () => {
    const to: Unresolved = { ...gone, rule: 'orders', end: 'to' };
    const sides = { ...enforced, unresolved: [to, { ...to, direction: 'Ingress' as const }] };
    const status = statusOf({ results: { a: sides, b: { ...enforced, unresolved: [to] } } });
    const text = 'connection orders, end to, service data/db';
    const because = 'Service data/db does not exist; create it';
    assert.equal(messageOf(status, 'PeersResolved'), `${text}, in namespace a: ${because} (and in 1 more)`);
    assert.deepEqual(
      status.failures?.map(({ namespace, message }) => [namespace, message]),
      ['a', 'b'].map((namespace) => [namespace, `${text}: ${because}`]),
    );
  });

  it('names each unresolved rule and peer of a direction once, at most three, and counts the rest', () => {
    const peers = (...rules: string[]) => ({
      ...enforced,
      unresolved: rules.map((rule) => ({ ...gone, rule })),
    });
    const both = { ...enforced, unresolved: [gone, { ...gone, direction: 'Ingress' as const }] };
    assert.match(
      messageOf(statusOf({ results: { a: both } }), 'PeersResolved'),
      /^egress rule to-db, [^;]*; create it; ingress rule to-db/,
    );
    const message = messageOf(
      statusOf({ results: { a: peers('r1', 'r2', 'r3', 'r4', 'r5'), b: peers('r1') } }),
      'PeersResolved',
    );
    assert.match(
      message,
      /rule r1, .* in namespace a: .* \(and in 1 more\); egress rule r2.*; egress rule r3.*; and 2 more$/,
    );
  });
});

describe('condition EnforcementVerified', () => {
  const verified = { status: 'True', reason: 'Verified', message: 'packets show it' } as const;
  const of = (given: Partial<StatusInput>) =>
    profileStatus({
      profile: profile(),
      selected: ['a'],
      results: new Map([['a', enforced]]),
      removing: 0,
      terminating: [],
      now: NOW,
      ...given,
    });

  it('is the verdict of the canary, and Ready says so', () => {
    const status = of({ enforcement: verified });
    assert.match(brief(status), /EnforcementVerified=True\/Verified/);
    assert.equal(messageOf(status, 'Ready'), '2 policies in 1 namespace written, enforcement verified');
  });

  for (const status of ['False', 'Unknown'] as const) {
    it(`leaves Ready True, whose message claims no enforcement, where it is ${status}`, () => {
      const found = of({ enforcement: { status, reason: 'FlowLeaked', message: 'x' } });
      assert.match(
        brief(found),
        new RegExp(`Ready=True/Enforced .*EnforcementVerified=${status}/FlowLeaked`),
      );
      assert.match(messageOf(found, 'Ready'), /written, enforcement not verified$/);
    });
  }

  it('stays as it is stored while the operator does not know yet', () => {
    const before = of({ enforcement: verified });
    const after = of({ enforcement: 'pending', profile: { ...profile(), status: before }, now: LATER });
    assert.ok(sameStatus(before, after));
    assert.match(brief(of({ enforcement: 'pending' })), /EnforcementVerified=Unknown\/NoReport/);
  });
});

describe('condition ConnectionsUnused', () => {
  const connected = profile({
    connections: [
      {
        name: 'orders',
        from: [{ namespaces: ['shop'] }],
        to: [{ service: { namespace: 'pay', name: 'api' } }],
      },
      {
        name: 'alerts',
        from: [{ namespaces: ['shpo'], podSelector: { matchLabels: { app: 'web' } } }],
        to: [{ ipBlock: { cidr: '203.0.113.0/24' } }],
      },
    ],
  });
  const uses = (...connections: string[]): NamespaceResult => ({ ...enforced, connections });
  const conditionOf = (given: Given) => {
    const status = statusOf({ profile: connected, ...given });
    const condition = status.conditions?.find(({ type }) => type === 'ConnectionsUnused');
    return `${condition?.status}/${condition?.reason}: ${condition?.message}`;
  };

  it('is absent for a profile without connections', () =>
    assert.doesNotMatch(brief(statusOf({ results: { a: enforced } })), /ConnectionsUnused/));

  it('is False if an end of each connection lies in a selected namespace', () =>
    assert.match(
      conditionOf({ results: { a: uses('orders'), b: uses('alerts', 'orders') } }),
      /^False\/Used:/,
    ));

  it('is True with name and ends of a connection of which no end lies in a selected namespace', () => {
    assert.equal(
      conditionOf({ results: { a: uses('orders'), b: uses() } }),
      'True/NoEndSelected: no end lies in a selected namespace: alerts (from pods app=web in namespaces shpo, to ' +
        'ipBlock 203.0.113.0/24); correct the ends, select their namespaces, or remove the connection',
    );
    assert.match(conditionOf({ results: { a: uses() } }), /: orders \(.*\), alerts \(/);
  });

  it('counts connections of namespaces that failed', () =>
    assert.match(
      conditionOf({ results: { a: { ...failed, connections: ['orders', 'alerts'] } } }),
      /^False\/Used:/,
    ));

  it('is Unknown while a namespace that could have the end waits for its result, or none is selected', () => {
    assert.match(conditionOf({ results: { a: uses('orders') }, unknown: ['b'] }), /^Unknown\/Progressing:/);
    assert.match(
      conditionOf({ results: { a: { ...uses('orders', 'alerts'), generation: 2 } } }),
      /^Unknown\/Progressing:/,
    );
    assert.match(conditionOf({ results: { a: uses('orders', 'alerts') }, unknown: ['b'] }), /^False\/Used:/);
    assert.match(conditionOf({}), /^Unknown\/NoNamespaceSelected:/);
  });
});

describe('failures in the status of a profile', () => {
  it('are absent if there are none', () =>
    assert.equal('failures' in statusOf({ results: { a: enforced } }), false));

  it('list failed namespaces, conflicts and unresolved peers, sorted', () => {
    const { failures } = statusOf({ results: { b: failed, a: { ...unresolved, conflicts: ['x', 'y'] } } });
    assert.deepEqual(
      failures?.map(({ namespace, reason }) => `${namespace} ${reason}`),
      ['a Conflict', 'a ServiceNotFound', 'b Broken'],
    );
    assert.match(failures?.[0]?.message ?? '', /^x, y: a foreign NetworkPolicy has the name/);
    assert.equal(
      failures?.[1]?.message,
      'egress rule to-db, peer service data/db: Service data/db does not exist; create it',
    );
  });

  it('leave what unresolved peers need of a person to PeersResolved', () => {
    const of = (result: NamespaceResult) => messageOf(statusOf({ results: { a: result } }), 'Stalled');
    assert.equal(of(unresolved), 'nothing needs a person, but for what PeersResolved names');
    assert.equal(of(enforced), 'nothing needs a person');
  });

  it('name a namespace whose deletion takes too long, its obstacles, and what to do', () => {
    const given = { results: { b: failed }, terminating: [terminating('a', 6), terminating('c', 6, [])] };
    const status = statusOf(given);
    const message = (obstacles: string, name: string) =>
      'the namespace has been terminating for more than 5 minutes, and keeps its policies until it is gone: ' +
      `${obstacles}; remove what holds it up (kubectl describe namespace ${name})`;
    assert.deepEqual(
      status.failures?.map(({ namespace, reason }) => `${namespace} ${reason}`),
      ['a NamespaceTerminating', 'b Broken', 'c NamespaceTerminating'],
    );
    assert.equal(status.failures[0]?.message, message('has finalizers', 'a'));
    assert.equal(status.failures[2]?.message, message('the namespace controller has not said why', 'c'));
    assert.match(
      messageOf(status, 'Stalled'),
      /^2 namespaces can't go on without a change: a: the namespace has/,
    );
  });

  it('are the first 50, with bounded messages', () => {
    const long = { ...failed, failure: failure('stalled', 'x'.repeat(100_000)) };
    const status = statusOf({
      results: Object.fromEntries(
        Array.from({ length: 80 }, (_, i) => [`ns-${String(i).padStart(2, '0')}`, long]),
      ),
    });
    assert.equal(status.failures?.length, MAX_FAILURES);
    assert.equal(status.failures[0]?.namespace, 'ns-00');
    assert.equal(status.failures.at(-1)?.namespace, 'ns-49');
    assert.ok(JSON.stringify(status).length < 100_000);
    for (const { message } of status.conditions ?? [])
      assert.ok(message.length < 2000, 'a condition repeats too much');
  });

  it('are the first 50 of 10,000 namespaces, and conditions stay short', () => {
    const results = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, i) => [
        `ns-${(i * 7919) % 10_000}`,
        i % 3 === 0 ? failed : unresolved,
      ]),
    );
    const input: StatusInput = {
      profile: profile(),
      selected: Object.keys(results),
      results: new Map(Object.entries(results)),
      removing: 0,
      terminating: [],
      now: NOW,
    };
    const { conditions = [], failures = [] } = profileStatus(input);
    for (const { message } of conditions) assert.ok(message.length < 500, message);
    assert.equal(failures.length, MAX_FAILURES);
  });
});

describe('sameStatus', () => {
  const status = statusOf({ results: { a: unresolved } });
  it('is true for statuses that differ in the order of keys only', () => {
    const turned = JSON.parse(JSON.stringify(status), (_, value: unknown) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toReversed())
        : value,
    ) as ProfileStatus;
    assert.notEqual(JSON.stringify(turned), JSON.stringify(status));
    assert.ok(sameStatus(turned, status));
  });
  it('is false for any other difference, and without a stored status', () => {
    assert.equal(sameStatus(undefined, status), false);
    assert.equal(sameStatus({ ...status, observedGeneration: 4 }, status), false);
    assert.equal(sameStatus({ ...status, failures: [] }, status), false);
  });
});
