/** Rare orders of events, which the proxy forces by holding back lines and requests. */
import assert from 'node:assert/strict';
import type { ControlPlane } from '../env/index.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import { sharedControlPlane } from '../env/plane/shared.ts';
import { auditedRequests, isRefused } from '../support/audit.ts';
import { consistently, eventually, Sandbox } from '../support/cluster.ts';
import { installOperator, Operators } from '../support/operator.ts';
import { ApiProxy } from './api-proxy.ts';

describe('operator', () => {
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

  it('reconciles an edit of a profile whose event arrives after it tried to write the status', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('p');
    await operators.start(proxy.kubeconfig);
    await box.ready(profile);
    const held: (() => void)[] = [];
    proxy.interceptLine = (line, watch) => {
      if (watch.resource !== 'segmentationprofiles') watch.send(line);
      else held.push(() => watch.send(line));
    };
    await box.edit(profile, { isolation: ['Ingress'] });
    const edited = performance.now();
    await box.namespace('another'); // another selected namespace changes the status
    await eventually(() => {
      const attempts = proxy.writes.filter(({ resource }) => resource === 'segmentationprofiles/status');
      assert.ok(attempts.some(({ at }) => at > edited));
    });
    // After a second conflict the profile is read live: its status may be written then, for the generation that it has.
    await consistently(async () => {
      const { status, metadata } = await box.readProfile(profile);
      const isOld = status?.observedGeneration !== metadata.generation;
      assert.ok(!isOld || status?.namespaces?.matched === 1, 'the status of an older generation was written');
    }, 300);
    proxy.interceptLine = undefined;
    for (const send of held) send();
    await eventually(async () => {
      const { spec } = await box.policy(namespace, `${profile}.default-deny`);
      assert.deepEqual(spec.policyTypes, ['Ingress']);
    });
    await box.ready(profile);
  });

  for (const method of ['PUT', 'DELETE'] as const) {
    it(`leaves a foreign policy alone that replaced its own just before the ${method}`, async () => {
      const since = new Date().toISOString();
      const namespace = await box.namespace('shop');
      const rule = { name: 'r1', podSelector: { matchLabels: { app: 'a' } } };
      const from = (cidr: string) => ({ ingress: [{ ...rule, from: [{ ipBlock: { cidr } }] }] });
      const profile = await box.profile('p', from('203.0.113.0/25'));
      await operators.start(proxy.kubeconfig);
      await box.ready(profile);
      const name = `${profile}.ingress.r1`;
      let foreign: NetworkPolicy | undefined;
      proxy.intercept = async (exchange) => {
        if (foreign === undefined && exchange.method === method && exchange.path.endsWith(`/${name}`)) {
          await box.deletePolicy(namespace, name);
          foreign = await box.createPolicy(namespace, name, { podSelector: {}, policyTypes: ['Ingress'] });
        }
        await exchange.pass();
      };
      await box.edit(profile, method === 'PUT' ? from('203.0.113.0/24') : { ingress: [] });
      await eventually(() => assert.ok(foreign !== undefined));
      await box.ready(profile);
      assert.deepEqual(await box.policy(namespace, name), foreign);
      // The operator did not even try the write, which the fence would have refused.
      assert.deepEqual(auditedRequests(plane, since).filter(isRefused), []);
    });
  }
});
