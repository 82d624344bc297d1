/** What the probe makes of the API server's answers over time, and what it writes to ask. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { Probe } from '../../../src/controller/admission/probe.ts';
import { ADMISSION_BINDINGS, NETWORK_POLICIES } from '../../../src/cluster-state/items.ts';
import { errorOfStatus } from '../../../src/kube/errors.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import type { AdmissionBinding } from '../../../src/policy/admission/binding.ts';
import { probeBinding } from '../../../src/policy/admission/probe.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const DENIED = "ValidatingAdmissionPolicy 'probe.segmentation.dev' denied request: ";
const ANSWERS = {
  admitted: undefined,
  'no parameter': `${DENIED}no params found for policy binding`,
  found: `${DENIED}the probe found its parameter`,
} as const;

describe('the probe', () => {
  let clock: VirtualClock;
  let answer: keyof typeof ANSWERS;
  let writes: string[];
  let probe: Probe;
  const standing = probeBinding('s1', 'ops');
  const signal = new AbortController().signal;

  beforeEach(() => {
    clock = new VirtualClock();
    answer = 'admitted';
    writes = [];
    const handle = (request: Request): unknown => {
      const { method, path, query } = request;
      if (method === 'GET') return { metadata: { resourceVersion: '1' }, items: [] };
      if (query?.['dryRun'] === undefined) writes.push(`${method} ${path.split('/').at(-1)}`);
      const message = ANSWERS[answer];
      if (query?.['dryRun'] !== undefined && message !== undefined)
        throw errorOfStatus(request, { kind: 'Status', code: 422, reason: 'Invalid', message });
      return request.body;
    };
    const transport: Transport = {
      request: async <T>(request: Request) => handle(request) as T,
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    probe = new Probe({
      transport,
      clock,
      bindings: new Resource<AdmissionBinding>(transport, ADMISSION_BINDINGS),
      policies: new Resource<NetworkPolicy>(transport, NETWORK_POLICIES),
      namespace: 'ops',
    });
  });

  const ask = () => probe.ask('s1', standing, signal);

  it('writes its parameter and then its binding, where they are not there', async () => {
    await probe.ask('s1', undefined, signal);
    assert.deepEqual(writes, ['POST networkpolicies', 'POST validatingadmissionpolicybindings']);
  });

  it('writes nothing where its binding is of the state that it asks about', async () => {
    answer = 'found';
    assert.equal(await ask(), 'inForce');
    assert.deepEqual(writes, []);
  });

  it('gives up on bindings that are not taken up, and goes on to ask', async () => {
    assert.equal(await ask(), 'notYet');
    await clock.advance(14_000);
    assert.equal(await ask(), 'notYet');
    await clock.advance(2_000);
    assert.equal(await ask(), 'ignored');
    answer = 'found';
    assert.equal(await ask(), 'inForce');
  });

  it('takes a cache that stays behind for stopped, counting from when it was first behind', async () => {
    await ask();
    await clock.advance(4_000);
    answer = 'no parameter';
    assert.equal(await ask(), 'parametersBehind');
    await clock.advance(4_000);
    assert.equal(await ask(), 'parametersBehind');
    await clock.advance(2_000);
    assert.equal(await ask(), 'stopped');
    assert.ok(writes.includes('POST networkpolicies'), 'it makes sure that the parameter is there');
  });
});
