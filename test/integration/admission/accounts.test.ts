// Peers by ServiceAccount on a real API server: who gets the label, who can't write it, and when a rule relies on it.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import { type ControlPlane, startControlPlane, startNodeAgent } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const GUARD = 'service-account-guard.segmentation.dev';
const IN_FORCE = 20_000; // ms: the API server's refresh of bindings, and the time until its peers follow; a busy machine

describe('peers by ServiceAccount', function () {
  this.timeout(60_000);
  const operators = new Operators();
  let plane: ControlPlane;
  let agent: { stop(): Promise<void> };
  let kubeconfig: string;
  let operator: Operator;
  let box: Sandbox;

  before(async () => {
    // Of its own: the bindings are one pair for the whole cluster.
    plane = await startControlPlane();
    agent = await startNodeAgent(plane);
    kubeconfig = await installOperator(plane);
    await plane.kubectlRun(['apply', '-k', join(import.meta.dirname, '../../../config/service-accounts')]);
    operator = await operators.start(kubeconfig);
  });
  after(async () => {
    await operators.end();
    await agent.stop();
    await plane.stop();
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'accounts');
  });
  afterEach(async () => {
    if (!operator.running) operator = await operators.start(kubeconfig);
    await box.remove();
  });

  it('resolves', async () => {
    const client = await box.namespace('client', null);
    const server = await box.namespace('server');
    await plane.kubectlRun(['-n', client, 'create', 'serviceaccount', 'web']);
    const profile = await box.profile('p', { ingress: [{ name: 'web', from: [{ serviceAccount: { namespace: client, name: 'web' } }] }] });
    const t = performance.now();
    await box.ready(profile, IN_FORCE);
    console.log('ready after', performance.now() - t);
    console.log(JSON.stringify((await box.policies(server)).map((p) => p.spec)));
  });
});
