import assert from 'node:assert/strict';
import { RetainedEndpoints } from '../../../src/cluster-state/peer-sources/retained-endpoints.ts';
import type { EndpointFacts } from '../../../src/policy/facts.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const MINUTE = 60_000; // ms
const slice = (...addresses: string[]): EndpointFacts => ({
  addresses,
  ports: [{ port: 6443, protocol: 'TCP' }],
});

function setUp() {
  const clock = new VirtualClock();
  let expired = 0;
  const retained = new RetainedEndpoints(clock, () => (expired += 1));
  const addresses = (...slices: EndpointFacts[]) => retained.with(slices).flatMap((each) => each.addresses);
  return { clock, retained, addresses, expired: () => expired };
}

describe('retained endpoint addresses', () => {
  it('stay for five minutes after they vanished, and their end is notified', async () => {
    const { clock, retained, addresses, expired } = setUp();
    retained.note(slice('192.0.2.1', '192.0.2.2'), slice('192.0.2.2'));
    assert.deepEqual(addresses(slice('192.0.2.2')), ['192.0.2.2', '192.0.2.1']);
    await clock.advance(5 * MINUTE - 1);
    assert.deepEqual([addresses(slice('192.0.2.2')), expired()], [['192.0.2.2', '192.0.2.1'], 0]);
    await clock.advance(1);
    assert.deepEqual([addresses(slice('192.0.2.2')), expired()], [['192.0.2.2'], 1]);
  });

  it('stay when the whole slice is deleted', () => {
    const { retained, addresses } = setUp();
    retained.note(slice('192.0.2.1'), undefined);
    assert.deepEqual(addresses(), ['192.0.2.1']);
  });

  it('are listed once when they come back, and stay again when they vanish again', async () => {
    const { clock, retained, addresses } = setUp();
    retained.note(slice('192.0.2.1'), slice());
    await clock.advance(3 * MINUTE);
    assert.deepEqual(addresses(slice('192.0.2.1')), ['192.0.2.1']);
    retained.note(slice('192.0.2.1'), slice());
    await clock.advance(3 * MINUTE);
    assert.deepEqual(addresses(), ['192.0.2.1']);
  });

  it('are the same objects at each call, so that peers are not resolved again for nothing', () => {
    const { retained } = setUp();
    retained.note(slice('192.0.2.1'), undefined);
    assert.equal(retained.with([])[0], retained.with([])[0]);
  });
});
