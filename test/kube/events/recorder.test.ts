import assert from 'node:assert/strict';
import { ApiError } from '../../../src/kube/errors.ts';
import type { KubeEvent } from '../../../src/kube/events/event.ts';
import {
  type EventRecorderOptions,
  EventRecorder,
  type EventResult,
  type Occurrence,
} from '../../../src/kube/events/recorder.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const MINUTE = 60_000;

function failure(status: number, reason: string): ApiError {
  return new ApiError({ status, reason, message: 'no', method: 'POST', path: '/events' });
}

/** Records the requests of a recorder on a virtual clock. `answer` may throw an error as the API server's answer. */
class Sink {
  readonly clock = new VirtualClock();
  readonly created: KubeEvent[] = [];
  readonly patched: { name: string; patch: object; at: number }[] = [];
  readonly results: EventResult[] = [];
  readonly errors: unknown[] = [];
  answer: (verb: 'create' | 'patch') => void = () => {};
  readonly recorder: EventRecorder;

  constructor(options: Partial<EventRecorderOptions> = {}) {
    this.recorder = new EventRecorder({
      events: {
        create: async (event) => {
          this.answer('create');
          this.created.push(event);
          return event;
        },
        patch: async (name, namespace, patch) => {
          assert.equal(namespace, 'default');
          this.answer('patch');
          this.patched.push({ name, patch, at: this.clock.monotonic() });
          return {} as KubeEvent;
        },
      },
      controller: 'segmentation-operator',
      instance: 'pod_1',
      clock: this.clock,
      random: () => 0.5,
      onResult: (result) => this.results.push(result),
      onError: (error) => this.errors.push(error),
      ...options,
    });
  }

  get notes(): string[] {
    return this.created.map(({ note }) => note);
  }
}

function occurrence(part: Partial<Occurrence> & { uid?: string } = {}): Occurrence {
  const { uid = 'u1', ...rest } = part;
  return {
    regarding: { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile', name: 'strict', uid },
    type: 'Warning',
    reason: 'DriftRepaired',
    action: 'RepairDrift',
    note: ({ subjects, subjectCount, amounts, details }) =>
      [subjects.slice(0, 3).join(), subjectCount, amounts['changed'], ...details].join(' '),
    ...rest,
  };
}

describe('EventRecorder', () => {
  it('reports ten thousand namespaces at once in one Event, with their number and the first names', async () => {
    const sink = new Sink();
    for (let index = 0; index < 10_000; index += 1) {
      sink.recorder.record(
        occurrence({ subject: `ns-${index}`, amounts: { changed: 2 }, details: ['kubectl-edit'] }),
      );
    }
    assert.equal(sink.created.length, 0);
    await sink.clock.advance(10 * MINUTE);
    assert.deepEqual(sink.created, [
      {
        apiVersion: 'events.k8s.io/v1',
        kind: 'Event',
        metadata: { namespace: 'default', name: sink.created[0]?.metadata.name },
        eventTime: '2026-01-01T00:00:01.000000Z',
        reportingController: 'segmentation-operator',
        reportingInstance: 'pod_1',
        type: 'Warning',
        reason: 'DriftRepaired',
        action: 'RepairDrift',
        regarding: occurrence().regarding,
        note: 'ns-0,ns-1,ns-10 10000 20000 kubectl-edit',
      },
    ]);
    assert.match(sink.created[0]?.metadata.name ?? '', /^strict\.[0-9a-f]{19}$/);
    assert.deepEqual(sink.patched, []);
  });

  it('reports all occurrences of a minute in a few Events', async () => {
    const sink = new Sink();
    for (let index = 0; index < 600; index += 1) {
      sink.recorder.record(occurrence({ subject: `ns-${index}`, amounts: { changed: 1 } }));
      await sink.clock.advance(100);
    }
    await sink.clock.advance(10 * MINUTE);
    const counts = sink.notes.map((note) => Number(note.split(' ')[1]));
    assert.ok(counts.length <= 7, sink.notes.join('; '));
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      600,
    );
  });

  it('doubles the time between Events of a group, up to five minutes', async () => {
    const sink = new Sink();
    for (let seconds = 0; seconds < 3600; seconds += 1) {
      sink.recorder.record(occurrence({ subject: `ns-${seconds}` }));
      await sink.clock.advance(1000);
    }
    const times = sink.created.map(({ eventTime }) => Date.parse(eventTime) / 1000);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    assert.deepEqual(gaps.slice(0, 10), [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  });

  it('reports an occurrence within a second again after six minutes without any', async () => {
    const sink = new Sink();
    for (let times = 0; times < 3; times += 1) {
      sink.recorder.record(occurrence({ subject: `ns-${times}` }));
      await sink.clock.advance(5000);
    }
    assert.equal(sink.recorder.size, 1);
    await sink.clock.advance(6 * MINUTE + 1000);
    assert.equal(sink.recorder.size, 0);
    sink.created.length = 0;
    sink.recorder.record(occurrence({ subject: 'late' }));
    await sink.clock.advance(1000);
    assert.equal(sink.created.length, 1);
  });

  it('continues the series of an Event with the same note, and creates another for a different note', async () => {
    const sink = new Sink();
    const again = async (subject: string) => {
      sink.recorder.record(occurrence({ subject }));
      await sink.clock.advance(20_000);
    };
    for (const subject of ['a', 'a', 'a', 'b', 'b']) await again(subject);
    const [first, second, ...more] = sink.created;
    assert.deepEqual(more, []);
    assert.deepEqual(
      sink.patched.map(({ name, patch }) => [name, (patch as KubeEvent).series?.count]),
      [
        [first?.metadata.name, 2],
        [first?.metadata.name, 3],
        [second?.metadata.name, 2],
      ],
    );
    assert.equal(
      (sink.patched[0]?.patch as KubeEvent | undefined)?.series?.lastObservedTime,
      '2026-01-01T00:00:21.000000Z',
    );
    assert.deepEqual(sink.results, ['created', 'continued', 'continued', 'created', 'continued']);
  });

  it('creates another Event if the last one has expired, or is half an hour old', async () => {
    const sink = new Sink();
    sink.recorder.record(occurrence());
    await sink.clock.advance(MINUTE);
    sink.answer = (verb) => {
      if (verb === 'patch') throw failure(404, 'NotFound');
    };
    sink.recorder.record(occurrence());
    await sink.clock.advance(MINUTE);
    assert.equal(sink.created.length, 2);
    sink.answer = () => {};
    for (let minutes = 0; minutes < 32; minutes += 4) {
      sink.recorder.record(occurrence());
      await sink.clock.advance(4 * MINUTE);
    }
    assert.equal(sink.created.length, 3);
    assert.deepEqual(sink.errors, []);
  });

  it('limits the rate of Events about one object, and reports delayed occurrences later', async () => {
    const sink = new Sink();
    for (let index = 0; index < 40; index += 1) {
      sink.recorder.record(occurrence({ reason: `Reason${index}` }));
      sink.recorder.record(occurrence({ uid: 'u2', reason: 'Other' }));
    }
    await sink.clock.advance(MINUTE / 2);
    const about = (uid: string) => sink.created.filter(({ regarding }) => regarding.uid === uid).length;
    assert.deepEqual([about('u1'), about('u2')], [25, 1]);
    await sink.clock.advance(4 * MINUTE);
    assert.equal(about('u1'), 29);
    await sink.clock.advance(15 * MINUTE);
    assert.equal(about('u1'), 40);
  });

  it('remembers a bounded number of groups, and forgets idle ones first', async () => {
    const sink = new Sink();
    const some = (from: number, to: number) => {
      for (let index = from; index < to; index += 1) sink.recorder.record(occurrence({ uid: `u${index}` }));
    };
    some(0, 1500);
    assert.equal(sink.recorder.size, 1000);
    assert.equal(sink.results.filter((result) => result === 'dropped').length, 500);
    await sink.clock.advance(MINUTE);
    assert.equal(sink.created.length, 1000);
    some(2000, 2100);
    assert.equal(sink.recorder.size, 1000);
    await sink.clock.advance(MINUTE);
    assert.equal(sink.created.length, 1100);
  });

  it('retries while the API server is away, and collects further occurrences', async () => {
    const sink = new Sink();
    sink.answer = () => {
      throw failure(0, 'Transport');
    };
    sink.recorder.record(occurrence({ subject: 'a' }));
    await sink.clock.advance(45_000);
    assert.equal(sink.errors.length, 5);
    sink.recorder.record(occurrence({ subject: 'b' }));
    sink.recorder.record(occurrence({ subject: 'c' }));
    sink.answer = () => {};
    await sink.clock.advance(MINUTE);
    assert.deepEqual(
      sink.notes.map((note) => note.split(' ')[0]),
      ['a', 'b,c'],
    );
  });

  it('withdraws occurrences that were not reported yet, and reports later ones', async () => {
    const sink = new Sink();
    const lasting = (subject: string) => sink.recorder.record(occurrence({ subject, delayMs: 5000 }));
    lasting('a');
    await sink.clock.advance(4999);
    assert.equal(sink.recorder.withdraw(occurrence()), true);
    assert.equal(sink.recorder.withdraw(occurrence()), false);
    await sink.clock.advance(MINUTE);
    assert.equal(sink.created.length, 0);
    lasting('b');
    await sink.clock.advance(5000);
    assert.deepEqual(
      sink.notes.map((note) => note.split(' ')[0]),
      ['b'],
    );
    assert.equal(sink.recorder.withdraw(occurrence()), false);
    await sink.clock.advance(7 * MINUTE);
    assert.equal(sink.recorder.size, 0);
  });

  it('drops occurrences that could not be reported for two minutes', async () => {
    const sink = new Sink();
    sink.answer = () => {
      throw failure(503, 'ServiceUnavailable');
    };
    sink.recorder.record(occurrence());
    await sink.clock.advance(2 * MINUTE);
    assert.equal(sink.errors.length, 12);
    assert.deepEqual(sink.results, ['dropped']);
  });

  it('does not repeat an Event that the API server refuses', async () => {
    const sink = new Sink();
    sink.answer = () => {
      throw failure(403, 'Forbidden');
    };
    sink.recorder.record(occurrence());
    await sink.clock.advance(MINUTE);
    assert.equal(sink.errors.length, 1);
    assert.deepEqual(sink.results, ['dropped']);
  });

  it('drops occurrences without an error if the replica does not lead', async () => {
    const sink = new Sink();
    sink.answer = () => {
      throw failure(0, 'Aborted');
    };
    sink.recorder.record(occurrence());
    await sink.clock.advance(MINUTE);
    assert.deepEqual([sink.errors, sink.results], [[], ['dropped']]);
  });

  it('reports collected occurrences when it is closed, and none afterwards', async () => {
    const sink = new Sink();
    sink.recorder.record(occurrence({ subject: 'a' }));
    sink.recorder.record(occurrence({ subject: 'b', reason: 'Enforced' }));
    await sink.recorder.close();
    assert.deepEqual(
      sink.notes.map((note) => note.split(' ')[0]),
      ['a', 'b'],
    );
    sink.recorder.record(occurrence({ subject: 'c' }));
    await sink.clock.advance(MINUTE);
    assert.equal(sink.created.length, 2);
  });

  it('closes within two seconds if the API server does not answer', async () => {
    const sink = new Sink({
      events: {
        create: () => new Promise<never>(() => {}),
        patch: () => new Promise<never>(() => {}),
      },
    });
    sink.recorder.record(occurrence());
    let ended = false;
    void sink.recorder.close().then(() => (ended = true));
    await sink.clock.advance(1900);
    assert.equal(ended, false);
    await sink.clock.advance(200);
    assert.equal(ended, true);
  });

  it('cuts a note at 1024 bytes, between two characters', async () => {
    for (const letter of ['x', 'é', '世', '👍']) {
      const sink = new Sink();
      sink.recorder.record(occurrence({ note: () => `-${letter.repeat(1100)}` }));
      await sink.clock.advance(1000);
      const [note = ''] = sink.notes;
      const size = Buffer.byteLength(note);
      assert.ok(size <= 1024 && size > 1020 - Buffer.byteLength(letter), `${letter}: ${size}`);
      assert.match(note, new RegExp(`^-(${letter})+…$`, 'u'));
    }
  });
});
