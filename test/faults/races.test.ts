// Orders of events that chance seldom brings about, forced by holding back what the proxy passes.
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import { sharedControlPlane } from '../env/shared.ts';
import { eventually, Sandbox } from '../support/cluster.ts';
import { installOperator, Operators } from '../support/operator.ts';
import { ApiProxy } from './api-proxy.ts';

describe('the operator', function () {
  this.timeout(60_000);
  const operators = new Operators();
  let plane: ControlPlane;
  let proxy: ApiProxy;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    proxy = await ApiProxy.start(await installOperator(plane));
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'races');
  });
  afterEach(async () => {
    proxy.heal();
    await operators.end();
    await box.remove();
  });
  after(() => proxy.stop());

  it('takes up an edit whose event comes after a status was to be written', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('p');
    await operators.start(proxy.kubeconfig);
    await box.ready(profile, 10_000);
    const held: (() => void)[] = [];
    proxy.lineFault = (line, watch) => {
      if (watch.resource !== 'segmentationprofiles') watch.send(line);
      else held.push(() => watch.send(line));
    };
    await box.edit(profile, { isolation: ['Ingress'] });
    const edited = performance.now();
    await box.namespace('another'); // one more that is selected: the status changes
    await eventually(() => {
      const tried = proxy.writes.filter(({ resource }) => resource === 'segmentationprofiles/status');
      assert.ok(tried.some(({ at }) => at > edited));
    });
    proxy.lineFault = undefined;
    for (const send of held) send();
    await eventually(async () => {
      const { spec } = await box.policy(namespace, `${profile}.default-deny`);
      assert.deepEqual(spec.policyTypes, ['Ingress']);
    });
    await box.ready(profile, 10_000);
  });
});
