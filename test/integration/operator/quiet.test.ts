// A cluster that is as it should be gets no writes (I6), counted by the API server.
import assert from 'node:assert/strict';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/shared.ts';
import { auditedRequests } from '../../support/audit.ts';
import { consistently, eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const QUIET = 700; // ms: longer than the operator waits before it writes a status once more

describe('the operator is quiet', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let operator: Operator;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    operator = await operators.start(kubeconfig);
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'quiet');
  });
  afterEach(() => box.remove());

  /** A namespace with the policies of a profile that is Ready. */
  async function segmented(): Promise<{ namespace: string; profile: string }> {
    const namespace = await box.namespace('shop');
    const rule = {
      name: 'to-ledger',
      podSelector: { matchLabels: { app: 'checkout' } },
      to: [{ entity: 'KubeAPIServer' }],
    };
    const profile = await box.profile('strict', { egress: [rule] });
    await box.ready(profile);
    return { namespace, profile };
  }

  /** Writes that the API server has counted, but for the namespace controller's, which deletes collections. */
  async function writes(): Promise<string[]> {
    const text = String(await plane.admin.send('GET', '/metrics'));
    return text
      .split('\n')
      .filter(
        (line) =>
          line.startsWith('apiserver_request_total{') &&
          /resource="(networkpolicies|segmentationprofiles)"/.test(line) &&
          /verb="(POST|PUT|PATCH|APPLY|DELETE)"/.test(line) &&
          line.includes('scope="resource"'),
      );
  }

  it('once it has converged', async () => {
    await segmented();
    const before = await writes();
    assert.notDeepEqual(before, []);
    await consistently(() => operator.running, QUIET);
    assert.deepEqual(await writes(), before);
  });

  it('but for one write in each namespace where a rule is edited, for which it reads nothing', async () => {
    const namespaces = [
      await box.namespace('shop'),
      await box.namespace('bank'),
      await box.namespace('post'),
    ];
    const rule = (port: number) => ({
      name: 'to-ledger',
      podSelector: { matchLabels: { app: 'checkout' } },
      to: [{ namespaces: ['ledger'] }],
      ports: [{ port }],
    });
    const profile = await box.profile('edited', { egress: [rule(8443)] });
    await box.ready(profile);
    const since = new Date().toISOString();
    await box.edit(profile, { egress: [rule(9443)] });
    await box.ready(profile);
    const asked = auditedRequests(plane, since)
      .filter(
        ({ verb, objectRef }) =>
          verb !== 'watch' && objectRef?.resource !== 'events' && !objectRef?.subresource,
      )
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    assert.deepEqual(
      asked,
      namespaces.map(() => 'update networkpolicies'),
    );
  });

  it('after a restart', async () => {
    const { profile } = await segmented();
    await consistently(() => operator.running, QUIET);
    const before = await writes();
    assert.deepEqual(await operator.stop(), { code: 0, signal: null });
    operator = await operators.start(kubeconfig);
    await operator.line('all namespaces reconciled');
    await eventually(async () => {
      assert.equal(
        await operator.metric(`segmentation_namespaces{profile="${profile}",state="enforced"}`),
        1,
      );
    });
    await consistently(() => operator.running, QUIET);
    assert.deepEqual(await writes(), before);
  });

  it('when a namespace, a pod or a policy of somebody else changes in what does not concern it', async () => {
    const { namespace } = await segmented();
    await box.createPolicy(namespace, 'theirs', { podSelector: {}, policyTypes: ['Ingress'] });
    await consistently(() => operator.running, QUIET);
    const before = await writes();
    await box.patch(`/api/v1/namespaces/${namespace}`, {
      metadata: { annotations: { note: 'x' }, labels: { other: 'y' } },
    });
    await box.pod(namespace, 'checkout', { app: 'checkout' });
    await consistently(() => operator.running, QUIET);
    assert.deepEqual(await writes(), before);
  });
});
