/** A converged cluster gets no writes (I6), by the API server's own metrics. */
import assert from 'node:assert/strict';
import { auditedRequests } from '../../support/audit.ts';
import { consistently, eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

/** Longer than the operator waits before it writes a status again. */
const QUIET_MS = 700;

describe('operator', () => {
  const at = new OperatorSuite('quiet');

  /** Enforces a profile in a namespace, until it is Ready. */
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

  /** The API server's counts of writes. Leaves out the namespace controller, which deletes collections. */
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

  it('writes nothing to a converged cluster', async () => {
    await segmented();
    const before = await writes();
    assert.notDeepEqual(before, []);
    await consistently(() => assert.ok(at.operator.running), QUIET_MS);
    assert.deepEqual(await writes(), before);
  });

  it('sends one write to each namespace, and no read, when a rule is edited', async () => {
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
    const requests = auditedRequests(at.plane, since)
      .filter(
        ({ verb, objectRef }) =>
          verb !== 'watch' && objectRef?.resource !== 'events' && !objectRef?.subresource,
      )
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`);
    assert.deepEqual(
      requests,
      namespaces.map(() => 'update networkpolicies'),
    );
  });

  it('writes nothing after a restart', async () => {
    const { profile } = await segmented();
    await consistently(() => assert.ok(at.operator.running), QUIET_MS);
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
    await consistently(() => assert.ok(at.operator.running), QUIET_MS);
    assert.deepEqual(await writes(), before);
  });

  it('writes nothing when an unrelated field of a namespace, a pod or a foreign policy changes', async () => {
    const { namespace } = await segmented();
    await at.box.createPolicy(namespace, 'foreign', { podSelector: {}, policyTypes: ['Ingress'] });
    await consistently(() => assert.ok(at.operator.running), QUIET_MS);
    const before = await writes();
    await at.box.patch(`/api/v1/namespaces/${namespace}`, {
      metadata: { annotations: { note: 'x' }, labels: { other: 'y' } },
    });
    await at.box.pod(namespace, 'checkout', { app: 'checkout' });
    await consistently(() => assert.ok(at.operator.running), QUIET_MS);
    assert.deepEqual(await writes(), before);
  });
});
