import assert from 'node:assert/strict';
import type { ConditionStatus } from '../../src/api/meta.ts';
import type { ProfileStatus } from '../../src/api/profile.ts';
import { namespaceKey } from '../../src/controller/queue/key.ts';
import type { Occurrence } from '../../src/kube/events/recorder.ts';
import { createEventObserver } from '../../src/observability/profile-events.ts';
import type { Step } from '../../src/policy/planning/plan.ts';
import { profile } from '../policy/fixture.ts';

const GATHERED = { subjects: [], subjectCount: 0, amounts: {}, details: [] };

/** Records what is told; `tell` is what time does: whatever was recorded and not withdrawn is told. */
function observed() {
  const pending: Occurrence[] = [];
  const told: string[] = [];
  const events = createEventObserver({
    record: (occurrence) => pending.push(occurrence),
    withdraw: ({ reason }) => {
      const index = pending.findIndex((each) => each.reason === reason);
      if (index >= 0) pending.splice(index, 1);
      return index >= 0;
    },
    profile: () => undefined,
    result: () => undefined,
  });
  let status: ProfileStatus | undefined;
  return {
    told,
    tell: () => told.push(...pending.splice(0).map((each) => `${each.reason}: ${each.note(GATHERED)}`)),
    turn: (type: 'PeersResolved' | 'Stalled', value: ConditionStatus, message: string) => {
      const condition = { type, status: value, reason: 'R', message, lastTransitionTime: '' };
      const next: ProfileStatus = { observedGeneration: 1, conditions: [condition] };
      events.onStatus({ ...profile(), ...(status && { status }) }, next, new Map(), undefined);
      status = next;
    },
  };
}

describe('of a condition', () => {
  it('nothing is told while it says the same, or was good from the start', () => {
    const { turn, tell, told } = observed();
    turn('PeersResolved', 'True', 'all');
    turn('PeersResolved', 'True', 'all');
    turn('PeersResolved', 'False', 'a');
    tell();
    turn('PeersResolved', 'False', 'a');
    tell();
    assert.deepEqual(told, ['PeersUnresolved: a']);
  });

  it('nothing is told that is over before it was told', () => {
    const { turn, tell, told } = observed();
    turn('PeersResolved', 'False', 'a');
    turn('PeersResolved', 'True', 'all');
    tell();
    assert.deepEqual(told, []);
    turn('Stalled', 'True', 'stuck');
    turn('Stalled', 'False', 'fine');
    tell();
    assert.deepEqual(told, []);
  });

  it('the end is told of what was told, also where more had come that was not', () => {
    const { turn, tell, told } = observed();
    turn('PeersResolved', 'False', 'a');
    tell();
    turn('PeersResolved', 'False', 'a and b');
    turn('PeersResolved', 'True', 'all');
    tell();
    assert.deepEqual(told, ['PeersUnresolved: a', 'PeersResolved: all']);
    turn('PeersResolved', 'False', 'c');
    turn('PeersResolved', 'True', 'all');
    tell();
    assert.equal(told.length, 2);
  });
});

type Write = readonly [verb: Step['verb'], manager?: string];

describe('of a repair', () => {
  /** What is told of one reconcile of the namespace shop in which these policies were put right. */
  function repaired(...writes: readonly Write[]): string {
    const told: Occurrence[] = [];
    const events = createEventObserver({
      record: (occurrence) => told.push(occurrence),
      withdraw: () => false,
      profile: () => profile(),
      result: () => undefined,
    });
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
    const [{ note, amounts = {}, details = [] } = assert.fail('nothing was told')] = told;
    return note({ subjects: ['shop'], subjectCount: 1, amounts, details });
  }
  const CASES: readonly (readonly [says: string, ...Write[]])[] = [
    ['1 changed by kubectl-edit', ['update', 'kubectl-edit']],
    ['2 changed by argocd, kubectl-edit', ['update', 'argocd'], ['update', 'kubectl-edit']],
    ['1 changed', ['update']],
    ['1 deleted', ['create']],
  ];
  for (const [says, ...writes] of CASES) {
    it(`it says "${says}"`, () => {
      assert.equal(repaired(...writes), `put right what was done to policies in namespace shop: ${says}`);
    });
  }

  it('nobody is blamed for a deletion: the object that would tell who is gone', () => {
    const told = repaired(['create'], ['update', 'kubectl-edit'], ['delete', 'argocd']);
    assert.match(told, /: 1 changed, 1 added by kubectl-edit, argocd; 1 deleted$/);
  });
});
