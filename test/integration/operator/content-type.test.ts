/** The formats in which the operator talks to the API server: Protocol Buffers, and JSON where these are refused. */
import assert from 'node:assert/strict';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { ApiProxy, type Exchange } from '../../faults/api-proxy.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const BUILT_IN = ['namespaces', 'networkpolicies', 'pods'];

describe('operator', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let proxy: ApiProxy;
  let box: Sandbox;
  let exchanges: Exchange[];

  before(async () => {
    plane = await sharedControlPlane();
    proxy = await ApiProxy.start(await installOperator(plane));
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'formats');
    exchanges = [];
    proxy.intercept = (exchange) => {
      exchanges.push(exchange);
      return exchange.pass();
    };
  });
  afterEach(async () => {
    proxy.heal();
    await operators.end();
    await box.remove();
  });
  after(() => proxy.stop());

  /** Starts an operator that enforces a profile, changes it, and reports it Ready. */
  async function enforce(...args: string[]): Promise<void> {
    const namespace = await box.namespace('shop');
    await operators.start(proxy.kubeconfig, ...args);
    const profile = await box.profile('p', {
      ingress: [{ name: 'from-web', from: [{ namespaces: ['web'] }] }],
    });
    await box.ready(profile);
    await box.edit(profile, { isolation: ['Ingress'] });
    await eventually(async () => {
      const { spec } = await box.policy(namespace, `${profile}.default-deny`);
      assert.deepEqual(spec.policyTypes, ['Ingress']);
    });
    await box.ready(profile);
  }

  it('writes, reads, lists and watches built-in kinds in Protocol Buffers, and custom resources in JSON', async () => {
    await enforce();
    const kinds = (format: (exchange: Exchange) => boolean) =>
      new Set(exchanges.filter(format).map(({ resource }) => resource));
    const inProtobuf = kinds(({ accept }) => accept.startsWith(PROTOBUF));
    const inJson = kinds(({ accept }) => !accept.startsWith(PROTOBUF));
    for (const kind of BUILT_IN) assert.ok(inProtobuf.has(kind) && !inJson.has(kind), kind);
    assert.ok(inJson.has('segmentationprofiles') && !inProtobuf.has('segmentationprofiles'));
    const writes = exchanges.filter(
      ({ resource, method }) => resource === 'networkpolicies' && ['POST', 'PUT'].includes(method),
    );
    assert.deepEqual(
      new Set(writes.map(({ method, contentType }) => `${method} ${contentType}`)),
      new Set([`POST ${PROTOBUF}`, `PUT ${PROTOBUF}`]),
    );
  });

  for (const status of [415, 406]) {
    it(`uses JSON for everything once Protocol Buffers are refused with ${status}`, async () => {
      let refused = 0;
      proxy.intercept = (exchange) => {
        const { accept, contentType } = exchange;
        const isRefused = status === 406 ? accept.startsWith(PROTOBUF) : contentType === PROTOBUF;
        if (!isRefused) return exchange.pass();
        refused += 1;
        return exchange.answer(status, 'no such format', { 'content-type': 'text/plain' });
      };
      await enforce();
      // Requests that began before the first refusal are refused too.
      assert.ok(refused > 0 && refused < 10, `${refused} requests were refused`);
    });
  }

  it('uses JSON from the start if it is told so', async () => {
    await enforce('--kube-api-content-type=application/json');
    assert.ok(exchanges.length > 0);
    for (const { accept, contentType } of exchanges)
      assert.ok(!`${accept} ${contentType}`.includes(PROTOBUF));
  });
});
