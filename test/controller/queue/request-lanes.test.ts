import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RequestLanes } from '../../../src/controller/queue/request-lanes.ts';

/** A request that goes on until it is let go. */
function request(): {
  readonly send: () => Promise<void>;
  readonly end: () => void;
  readonly begun: boolean;
} {
  const { promise, resolve } = Promise.withResolvers<void>();
  let begun = false;
  return {
    send: () => ((begun = true), promise),
    end: resolve,
    get begun() {
      return begun;
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('request lanes', () => {
  it('send every background request at once while no urgent reconcile runs', async () => {
    const turns = new RequestLanes();
    const requests = Array.from({ length: 100 }, request);
    for (const { send } of requests) void turns.sendBackground(send);
    await settled();
    assert.ok(requests.every(({ begun }) => begun));
  });

  it('send few background requests beside an urgent reconcile, in the order in which they came', async () => {
    const turns = new RequestLanes();
    const urgent = request();
    void turns.runForeground(urgent.send);
    const requests = Array.from({ length: 20 }, request);
    for (const { send } of requests) void turns.sendBackground(send);
    await settled();
    assert.deepEqual(begunOf(requests), [0, 1, 2, 3, 4, 5, 6, 7]);
    requests[3]?.end();
    await settled();
    assert.deepEqual(begunOf(requests), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    urgent.end();
    await settled();
    assert.equal(begunOf(requests).length, 20);
  });

  it('let an urgent reconcile pass, however many background requests are under way', async () => {
    const turns = new RequestLanes();
    for (let index = 0; index < 50; index++) void turns.sendBackground(request().send);
    const urgent = request();
    void turns.runForeground(urgent.send);
    await settled();
    assert.ok(urgent.begun);
  });

  it('go on after failures, and pass on results and errors of requests', async () => {
    const turns = new RequestLanes();
    const end = Promise.withResolvers<void>();
    void turns.runForeground(() => end.promise);
    const failing = Array.from({ length: 20 }, () =>
      turns.sendBackground(() => Promise.reject(new Error('no'))),
    );
    const last = turns.sendBackground(async () => 'answer');
    for (const each of failing) await assert.rejects(each, /no/);
    assert.equal(await last, 'answer');
    end.resolve();
    await assert.rejects(
      turns.runForeground(() => Promise.reject(new Error('urgent'))),
      /urgent/,
    );
    const requests = Array.from({ length: 20 }, request);
    for (const { send } of requests) void turns.sendBackground(send);
    await settled();
    assert.equal(begunOf(requests).length, 20);
  });

  it('send every request, whatever begins and ends in whatever order', async () => {
    const action = fc.oneof(
      fc.constant({ kind: 'urgent' as const }),
      fc.constant({ kind: 'request' as const }),
      fc.record({ kind: fc.constant('end' as const), pick: fc.nat() }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
        const turns = new RequestLanes();
        const all: ReturnType<typeof request>[] = [];
        const ended: Promise<void>[] = [];
        const open: ReturnType<typeof request>[] = [];
        for (const each of actions) {
          if (each.kind === 'end') {
            const [ending] = open.length > 0 ? open.splice(each.pick % open.length, 1) : [];
            ending?.end();
          } else {
            const next = request();
            all.push(next);
            open.push(next);
            ended.push(
              each.kind === 'urgent' ? turns.runForeground(next.send) : turns.sendBackground(next.send),
            );
          }
          await settled();
        }
        for (const { end } of open) end();
        await Promise.all(ended);
        assert.ok(all.every(({ begun }) => begun));
      }),
    );
  });
});

function begunOf(requests: readonly { readonly begun: boolean }[]): number[] {
  return requests.flatMap(({ begun }, index) => (begun ? [index] : []));
}
