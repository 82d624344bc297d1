// A cluster that is as it should be gets no writes (I6), counted by the API server.
import assert from 'node:assert/strict';
import { auditedRequests } from '../../support/audit.ts';
import { consistently, eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const QUIET = 700; // ms: longer than the operator waits before it writes a status once more

describe('the operator is quiet', () => {
  const at = new OperatorSuite('quiet');

  /** A namespace with the policies of a profile that is Ready. */
  async function segmented(): Promise<{ namespace: string; profile: string }> {
    const namespace = await at.box.namespace('shop');
    const rule = {
      name: 'to-ledger',
      podSelector: { matchLabels: { app: 'checkout' } },
      to: [{ entity: 'KubeAPIServer' }],
    };
    const profile = await at.box.profile('strict', { egress: [rule] });
    await at.box.ready(profile);
    return { namespace, profile };
  }

  /** Writes that the API server has counted, but for the namespace controller's, which deletes collections. */
  async function writes(): Promise<string[]> {
    const text = String(await at.plane.admin.send('GET', '/metrics'));
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
    await consistently(() => assert.ok(at.operator.running), QUIET);
    assert.deepEqual(await writes(), before);
  });

  it('but for one write in each namespace where a rule is edited, for which it reads nothing', async () => {
    const namespaces = [
      await at.box.namespace('shop'),
      await at.box.namespace('bank'),
      await at.box.namespace('post'),
    ];
    const rule = (port: number) => ({
      name: 'to-ledger',
      podSelector: { matchLabels: { app: 'checkout' } },
      to: [{ namespaces: ['ledger'] }],
      ports: [{ port }],
    });
    const profile = await at.box.profile('edited', { egress: [rule(8443)] });
    await at.box.ready(profile);
    const since = new Date().toISOString();
    await at.box.edit(profile, { egress: [rule(9443)] });
    await at.box.ready(profile);
    const asked = auditedRequests(at.plane, since)
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
    await consistently(() => assert.ok(at.operator.running), QUIET);
    const before = await writes();
    assert.deepEqual(await at.operator.stop(), { code: 0, signal: null });
    await at.restart();
    await at.operator.line('all namespaces reconciled');
    await eventually(async () => {
      assert.equal(
        await at.operator.metric(`segmentation_namespaces{profile="${profile}",state="enforced"}`),
        1,
      );
    });
    await consistently(() => assert.ok(at.operator.running), QUIET);
    assert.deepEqual(await writes(), before);
  });

  it('when a namespace, a pod or a policy of somebody else changes in what does not concern it', async () => {
    const { namespace } = await segmented();
    await at.box.createPolicy(namespace, 'theirs', { podSelector: {}, policyTypes: ['Ingress'] });
    await consistently(() => assert.ok(at.operator.running), QUIET);
    const before = await writes();
    await at.box.patch(`/api/v1/namespaces/${namespace}`, {
      metadata: { annotations: { note: 'x' }, labels: { other: 'y' } },
    });
    await at.box.pod(namespace, 'checkout', { app: 'checkout' });
    await consistently(() => assert.ok(at.operator.running), QUIET);
    assert.deepEqual(await writes(), before);
  });
});
