import assert from 'node:assert/strict';
import type { ConditionStatus } from '../../src/api/meta.ts';
import type { ProfileStatus } from '../../src/api/profile.ts';
import { namespaceKey } from '../../src/controller/queue/key.ts';
import type { Occurrence } from '../../src/kube/events/recorder.ts';
import { ProfileEvents } from '../../src/observability/profile-events.ts';
import type { Step } from '../../src/policy/planning/plan.ts';
import { profile } from '../policy/fixture.ts';

const GATHERED = { subjects: [], subjectCount: 0, amounts: {}, details: [] };

/** ProfileEvents with a sink that writes pending Events when `flush` is called, as an EventRecorder does after a while. */
function observed() {
  const pending: Occurrence[] = [];
  const written: string[] = [];
  const events = new ProfileEvents(
    {
      record: (occurrence) => void pending.push(occurrence),
      withdraw: ({ reason }) => {
        const index = pending.findIndex((each) => each.reason === reason);
        if (index >= 0) pending.splice(index, 1);
        return index >= 0;
      },
    },
    { profile: () => undefined, result: () => undefined },
  );
  let status: ProfileStatus | undefined;
  return {
    written,
    flush: () => written.push(...pending.splice(0).map((each) => `${each.reason}: ${each.note(GATHERED)}`)),
    setRollout: (rollout: NonNullable<ProfileStatus['rollout']>) => {
      events.onStatus({ ...profile(), ...(status && { status }) }, { rollout });
      status = { rollout };
    },
    setCondition: (
      type: 'PeersResolved' | 'Stalled' | 'ConnectionsUnused' | 'EnforcementVerified',
      value: ConditionStatus,
      message: string,
    ) => {
      const condition = { type, status: value, reason: 'R', message, lastTransitionTime: '' };
      const next: ProfileStatus = { observedGeneration: 1, conditions: [condition] };
      events.onStatus({ ...profile(), ...(status && { status }) }, next);
      status = next;
    },
  };
}

describe('ProfileEvents of a condition', () => {
  it('writes no Event while the condition stays the same, or is good from the start', () => {
    const { setCondition, flush, written } = observed();
    setCondition('PeersResolved', 'True', 'all');
    setCondition('PeersResolved', 'True', 'all');
    setCondition('PeersResolved', 'False', 'a');
    flush();
    setCondition('PeersResolved', 'False', 'a');
    flush();
    assert.deepEqual(written, ['PeersUnresolved: a']);
  });

  it('writes no Event of a condition that turned good again before the Event was due', () => {
    const { setCondition, flush, written } = observed();
    setCondition('PeersResolved', 'False', 'a');
    setCondition('PeersResolved', 'True', 'all');
    flush();
    assert.deepEqual(written, []);
    setCondition('Stalled', 'True', 'stuck');
    setCondition('Stalled', 'False', 'fine');
    flush();
    assert.deepEqual(written, []);
  });

  it('writes ConnectionsUnused once when the condition becomes True, and not while it is Unknown', () => {
    const { setCondition, flush, written } = observed();
    setCondition('ConnectionsUnused', 'Unknown', 'wait');
    flush();
    setCondition('ConnectionsUnused', 'True', 'orders');
    setCondition('ConnectionsUnused', 'True', 'orders');
    flush();
    assert.deepEqual(written, ['ConnectionsUnused: orders']);
  });

  it('writes EnforcementVerified and EnforcementBroken at each turn, and nothing while it is Unknown', () => {
    const { setCondition, flush, written } = observed();
    for (const [status, message] of [
      ['Unknown', 'no canary'],
      ['True', 'on 2 nodes'],
      ['True', 'on 3 nodes'],
      ['Unknown', 'silent'],
      ['False', 'node-1'],
      ['False', 'node-2'],
      ['True', 'on 2 nodes'],
    ] as const) {
      setCondition('EnforcementVerified', status, message);
      flush();
    }
    assert.deepEqual(written, [
      'EnforcementVerified: on 2 nodes',
      'EnforcementBroken: node-1',
      'EnforcementVerified: on 2 nodes',
    ]);
  });

  it('writes PeersResolved after a written PeersUnresolved, even if a later one was withdrawn', () => {
    const { setCondition, flush, written } = observed();
    setCondition('PeersResolved', 'False', 'a');
    flush();
    setCondition('PeersResolved', 'False', 'a and b');
    setCondition('PeersResolved', 'True', 'all');
    flush();
    assert.deepEqual(written, ['PeersUnresolved: a', 'PeersResolved: all']);
    setCondition('PeersResolved', 'False', 'c');
    setCondition('PeersResolved', 'True', 'all');
    flush();
    assert.equal(written.length, 2);
  });
});

type Write = readonly [verb: Step['verb'], manager?: string];

describe('ProfileEvents of a repair', () => {
  /** The note of the Event about one reconcile of namespace shop in which the operator made these writes. */
  function repairNote(...writes: readonly Write[]): string {
    const recorded: Occurrence[] = [];
    const events = new ProfileEvents(
      {
        record: (occurrence) => void recorded.push(occurrence),
        withdraw: () => false,
      },
      { profile: () => profile(), result: () => undefined },
    );
    const labels = { 'segmentation.dev/profile': 'segmented' };
    const policy = { metadata: { name: 'segmented.egress', namespace: 'shop', labels }, spec: {} };
    for (const [verb, manager] of writes) {
      const managedFields = manager === undefined ? [] : [{ manager }];
      const before = { ...policy, metadata: { ...policy.metadata, managedFields } };
      const step: Step =
        verb === 'delete'
          ? { verb, reason: 'unwanted', name: policy.metadata.name }
          : { verb, reason: 'missing', policy };
      events.onWrite({
        step,
        before: verb === 'create' ? undefined : before,
        after: policy,
        isDriftOnly: true,
      });
    }
    events.onReconciled(namespaceKey('shop'), {
      durationMs: 1,
      outcome: { kind: 'done' },
      panicked: false,
    });
    const [{ note, amounts = {}, details = [] } = assert.fail('no Event was recorded')] = recorded;
    return note({ subjects: ['shop'], subjectCount: 1, amounts, details });
  }

  const CASES: readonly (readonly [note: string, ...Write[]])[] = [
    ['reverted 1 changed policy in namespace shop; changed by kubectl-edit', ['update', 'kubectl-edit']],
    [
      'reverted 2 changed policies in namespace shop; changed by argocd, kubectl-edit',
      ['update', 'argocd'],
      ['update', 'kubectl-edit'],
    ],
    ['reverted 1 changed policy in namespace shop', ['update']],
    ['restored 1 deleted policy in namespace shop', ['create']],
    ['restored 2 deleted policies in namespace shop', ['create'], ['create']],
    [
      'restored 1 deleted, reverted 1 changed, removed 1 added policies in namespace shop; ' +
        'changed by kubectl-edit, argocd',
      ['create'],
      ['update', 'kubectl-edit'],
      ['delete', 'argocd'],
    ],
  ];
  for (const [note, ...writes] of CASES) {
    const verbs = writes.map(
      ([verb, manager]) => `${verb}${manager === undefined ? '' : ` after ${manager}`}`,
    );
    it(`notes ${verbs.join(', ')} as "${note}"`, () => assert.equal(repairNote(...writes), note));
  }
});

describe('Events about a rollout', () => {
  it('tell when a wave has a revision, when the rollout is complete, and when it fails', () => {
    const { written, flush, setRollout } = observed();
    const state = { revision: 2, wave: 'canary', since: '', inForce: [] };
    setRollout({ ...state, phase: 'Applying', summary: 'Applying 0/2' });
    setRollout({ ...state, phase: 'Soaking', summary: 'Soaking 0/2' });
    setRollout({ ...state, phase: 'Soaking', summary: 'Soaking 0/2', since: 'later' });
    setRollout({ ...state, phase: 'Complete', summary: 'Complete' });
    const failure = { wave: 'canary', reason: 'R', message: 'it broke' };
    setRollout({ ...state, phase: 'RolledBack', summary: 'RolledBack', failure });
    flush();
    assert.deepEqual(written, [
      'RolloutProgressed: revision 2: all namespaces of wave canary have it',
      'RolloutProgressed: every namespace has revision 2',
      'RolloutFailed: revision 2 failed in wave canary: it broke',
    ]);
  });
});
