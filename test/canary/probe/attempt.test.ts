/** Attempts against real sockets of this machine. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import type { Protocol } from '../../../src/api/network-policy.ts';
import { attempt, attemptWithin } from '../../../src/canary/probe/attempt.ts';
import { type RunningTarget, startTarget } from '../../../src/canary/probe/target.ts';
import { IN_2 } from '../fixture.ts';

const HOST = '127.0.0.1';
/** Time limit of attempts that get no answer, in milliseconds. */
const LIMIT_MS = 400;
const flow = (port: number, protocol: Protocol, uid = IN_2.uid) =>
  ({
    address: HOST,
    port,
    protocol,
    family: 4,
    target: { kind: 'pod', pod: { ...IN_2, uid } },
  }) as const;

/** A port that was free a moment ago, by TCP and UDP. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('attempt of a flow', () => {
  let port: number;
  let target: RunningTarget;

  before(async () => {
    port = await freePort();
    target = await startTarget({ identity: IN_2.uid, ports: [port], onError: (error) => assert.fail(error) });
  });
  after(() => target.close());

  for (const protocol of ['TCP', 'UDP'] as const) {
    it(`passes by ${protocol} where the target answers with its identity`, async () => {
      assert.deepEqual(await attempt(flow(port, protocol)), { kind: 'passed', seenAs: HOST });
    });

    it(`meets a stranger by ${protocol} where another pod answers`, async () => {
      assert.deepEqual(await attempt(flow(port, protocol, 'another')), { kind: 'stranger' });
    });

    it(`is refused by ${protocol} where nothing listens`, async () => {
      assert.deepEqual(await attemptWithin(flow(await freePort(), protocol), LIMIT_MS), {
        kind: 'blocked',
        how: 'refused',
      });
    });
  }

  it('is passed by IPv6 where the target answers', async () => {
    for (const protocol of ['TCP', 'UDP'] as const) {
      const found = await attempt({ ...flow(port, protocol), address: '::1', family: 6 });
      assert.deepEqual(found, { kind: 'passed', seenAs: '::1' });
    }
  });

  it('ends where the machine has no route to the target', async () => {
    for (const protocol of ['TCP', 'UDP'] as const) {
      // An address of a range that is never routed (RFC 6666), to which Linux has no route by default.
      const to = { ...flow(port, protocol), address: '100::1', family: 6 } as const;
      const found = await attemptWithin(to, LIMIT_MS);
      assert.ok(found.kind === 'blocked' || found.kind === 'failed', JSON.stringify(found));
    }
  });

  it('times out by UDP where a listener stays silent', async () => {
    const socket = createSocket('udp4').bind(0, HOST);
    await once(socket, 'listening');
    const found = await attemptWithin(flow(socket.address().port, 'UDP'), LIMIT_MS);
    socket.close();
    assert.deepEqual(found, { kind: 'blocked', how: 'timeout' });
  });

  it('is unanswered by TCP where something accepts connections and says nothing, or hangs up', async () => {
    const open: Server[] = [];
    for (const accept of [() => {}, (socket: { destroy(): void }) => socket.destroy()]) {
      const server = createServer(accept).listen(0, HOST);
      open.push(server);
      await once(server, 'listening');
      const found = await attemptWithin(flow((server.address() as AddressInfo).port, 'TCP'), LIMIT_MS);
      assert.deepEqual(found, { kind: 'unanswered' });
    }
    for (const server of open) server.close();
  });

  it('fails to start a target whose port is taken, and leaves no port open', async () => {
    const [free, ports] = [await freePort(), port];
    await assert.rejects(
      startTarget({ identity: 'x', ports: [free, ports], onError: () => {} }),
      /EADDRINUSE/,
    );
    assert.deepEqual(await attempt(flow(free, 'TCP')), { kind: 'blocked', how: 'refused' });
  });
});
