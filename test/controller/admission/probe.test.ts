/** The answers that the admission probe gets, and its writes. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { ADMISSION_BINDINGS, NETWORK_POLICIES } from '../../../src/cluster-state/items.ts';
import { AdmissionProbe } from '../../../src/controller/admission/probe.ts';
import { errorOfStatus } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { AdmissionBinding } from '../../../src/policy/admission/binding.ts';
import { probeBinding } from '../../../src/policy/admission/probe.ts';

const DENIED = "ValidatingAdmissionPolicy 'probe.segmentation.dev' denied request: ";

describe('the admission probe', () => {
  /** The message with which the dry run is refused; undefined: it is admitted. */
  let refusal: string | undefined;
  let writes: string[];
  let probe: AdmissionProbe;
  const observed = probeBinding('s1', 'ops');
  const { signal } = new AbortController();

  beforeEach(() => {
    refusal = undefined;
    writes = [];
    const handle = (request: Request): unknown => {
      const { method, path, query } = request;
      if (method === 'GET') return { metadata: { resourceVersion: '1' }, items: [] };
      if (query?.['dryRun'] === undefined) {
        writes.push(`${method} ${path.split('/').at(-1)}`);
        return request.body;
      }
      if (refusal === undefined) return request.body;
      throw errorOfStatus(request, { kind: 'Status', code: 422, reason: 'Invalid', message: refusal });
    };
    const transport: Transport = {
      request: async <T>(request: Request) => handle(request) as T,
      watch: () => assert.fail('the probe watches nothing'),
      close: () => Promise.resolve(),
    };
    probe = new AdmissionProbe({
      transport,
      bindings: new Resource<AdmissionBinding>(transport, ADMISSION_BINDINGS),
      policies: new Resource<NetworkPolicy>(transport, NETWORK_POLICIES),
      namespace: 'ops',
    });
  });

  it('creates its parameter and then its binding, if they do not exist', async () => {
    await probe.ask('s1', undefined, signal);
    assert.deepEqual(writes, ['POST networkpolicies', 'POST validatingadmissionpolicybindings']);
  });

  it('writes nothing if its binding is for the state that it asks about', async () => {
    refusal = `${DENIED}the probe found its parameter`;
    assert.equal(await probe.ask('s1', observed, signal), 'inForce');
    assert.deepEqual(writes, []);
  });

  it('answers that bindings are not taken up yet, as long as its request is admitted', async () => {
    assert.equal(await probe.ask('s1', observed, signal), 'notYet');
    assert.deepEqual(writes, []);
  });

  it('creates its parameter again if the API server does not find it', async () => {
    refusal = `${DENIED}no params found for policy binding`;
    assert.equal(await probe.ask('s1', observed, signal), 'parametersBehind');
    assert.deepEqual(writes, ['POST networkpolicies']);
  });

  it('fails if something else than an admission policy refuses its request', async () => {
    refusal = 'admission webhook "x" denied the request';
    await assert.rejects(probe.ask('s1', observed, signal), /admission webhook "x"/);
  });
});
