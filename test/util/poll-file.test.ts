import assert from 'node:assert/strict';
import { FILE_POLL_MS, pollFile } from '../../src/util/poll-file.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';

describe('pollFile', () => {
  function harness() {
    const clock = new VirtualClock();
    const calls: string[] = [];
    let content: string | Error = 'a';
    const stop = pollFile({
      clock,
      read: async () => {
        if (content instanceof Error) throw content;
        return content;
      },
      textOf: (text) => text,
      current: 'a',
      onRead: (error) => calls.push(error === undefined ? 'read' : 'failed'),
      onChange: (text) => calls.push(`changed to ${text}`),
      onError: ({ message }) => calls.push(`error ${message}`),
    });
    const poll = async (next: string | Error): Promise<string[]> => {
      content = next;
      await clock.advance(FILE_POLL_MS);
      return calls.splice(0);
    };
    return { clock, stop, poll };
  }

  it('reports each change of the content once', async () => {
    const { poll } = harness();
    assert.deepEqual(await poll('a'), ['read']);
    assert.deepEqual(await poll('b'), ['read', 'changed to b']);
    assert.deepEqual(await poll('b'), ['read']);
    assert.deepEqual(await poll('a'), ['read', 'changed to a']);
  });

  it('reports errors in a row with the same message once, and the content that can be read again', async () => {
    const { poll } = harness();
    assert.deepEqual(await poll(new Error('gone')), ['failed', 'error gone']);
    assert.deepEqual(await poll(new Error('gone')), ['failed']);
    assert.deepEqual(await poll(new Error('denied')), ['failed', 'error denied']);
    assert.deepEqual(await poll('a'), ['read', 'changed to a']);
  });

  it('calls nothing after it was stopped, not even for a read that had begun', async () => {
    const { clock, stop, poll } = harness();
    const polled = poll('b');
    stop();
    assert.deepEqual(await polled, []);
    assert.equal(clock.pending, 0);
  });
});
