// Orders of events that chance seldom brings about, forced by holding back what the proxy passes.
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { auditedRequests, isRefused } from '../support/audit.ts';
import { consistently, eventually, Sandbox } from '../support/cluster.ts';
import { installOperator, Operators } from '../support/operator.ts';
import { ApiProxy } from './api-proxy.ts';

describe('the operator', () => {
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
    await box.ready(profile);
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
    await consistently(async () => {
      const { status } = await box.readProfile(profile);
      assert.equal(status?.namespaces?.matched, 1, 'the status of an older generation was written');
    }, 300);
    proxy.lineFault = undefined;
    for (const send of held) send();
    await eventually(async () => {
      const { spec } = await box.policy(namespace, `${profile}.default-deny`);
      assert.deepEqual(spec.policyTypes, ['Ingress']);
    });
    await box.ready(profile);
  });

  for (const method of ['PUT', 'DELETE'] as const) {
    it(`leaves alone what somebody put in the place of a policy just before its ${method}`, async () => {
      const since = new Date().toISOString();
      const namespace = await box.namespace('shop');
      const rule = { name: 'r1', podSelector: { matchLabels: { app: 'a' } } };
      const from = (cidr: string) => ({ ingress: [{ ...rule, from: [{ ipBlock: { cidr } }] }] });
      const profile = await box.profile('p', from('203.0.113.0/25'));
      await operators.start(proxy.kubeconfig);
      await box.ready(profile);
      const name = `${profile}.ingress.r1`;
      let theirs: NetworkPolicy | undefined;
      proxy.fault = async (exchange) => {
        if (theirs === undefined && exchange.method === method && exchange.path.endsWith(`/${name}`)) {
          await box.deletePolicy(namespace, name);
          theirs = await box.createPolicy(namespace, name, { podSelector: {}, policyTypes: ['Ingress'] });
        }
        await exchange.pass();
      };
      await box.edit(profile, method === 'PUT' ? from('203.0.113.0/24') : { ingress: [] });
      await eventually(() => assert.ok(theirs !== undefined));
      await box.ready(profile);
      assert.deepEqual(await box.policy(namespace, name), theirs);
      // The fence around the operator would have refused it too: it was not even tried.
      assert.deepEqual(auditedRequests(plane, since).filter(isRefused), []);
    });
  }
});
