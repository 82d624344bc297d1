/** The Pod Security labels that the operator writes on a real API server, which judges pods by them. */
import assert from 'node:assert/strict';
import { consistently, eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';
import { grant, label, labelled, latest, levels, revoke, says, tryPod } from './scene.ts';

const RESTRICTED = latest('enforce', 'restricted');
const BASELINE = latest('enforce', 'baseline');
const asking = (podSecurity: object, more: object = {}) => ({ ...more, workloads: { podSecurity } });

describe('Pod Security levels', () => {
  const suite = new OperatorSuite('pod-security');
  before(() => grant(suite.plane));
  after(() => revoke(suite.plane));

  it('are labels on each selected namespace, by which the API server refuses pods', async () => {
    const { box, plane } = suite;
    const [a, b] = [await box.namespace('a'), await box.namespace('b')];
    const other = await box.namespace('other', null);
    const profile = await box.profile('p', asking({ enforce: 'restricted', warn: 'restricted' }));
    await box.ready(profile);
    const { message } = await says(box, profile, 'InForce');
    assert.equal(message, 'enforce restricted and warn restricted in 2 namespaces');
    const expected = { ...RESTRICTED, ...latest('warn', 'restricted') };
    for (const namespace of [a, b]) assert.deepEqual(await levels(box, namespace), expected);
    assert.deepEqual(await levels(box, other), {});
    await assert.rejects(tryPod(plane, a), /violates PodSecurity ."restricted:latest/);
    const { status } = await box.readProfile(profile);
    assert.deepEqual(status?.podSecurity, { inForce: 2, outstanding: 0 });
    assert.equal(
      await suite.operator.metric(
        `segmentation_pod_security_namespaces{profile="${profile}",state="in_force"}`,
      ),
      2,
    );
  });

  it('reach a namespace that is created or labelled later', async () => {
    const { box } = suite;
    const profile = await box.profile('p', asking({ enforce: 'baseline', version: 'v1.30' }));
    await box.ready(profile);
    const namespace = await box.namespace('late', null);
    await box.relabel(namespace, box.label);
    await labelled(box, namespace, { enforce: 'baseline', 'enforce-version': 'v1.30' });
  });

  it('are not raised for enforce while running pods violate them, unless that is acknowledged', async () => {
    const { box, plane } = suite;
    const namespace = await box.namespace('a');
    await box.pod(namespace, 'loose');
    const profile = await box.profile('p', asking({ enforce: 'restricted', warn: 'restricted' }));
    await says(
      box,
      profile,
      'ViolatingPods',
      /running pods violate restricted, so enforce is not raised: loose: allowPrivilegeEscalation.*acknowledge: \{enforce: restricted, namespaces: \[/,
    );
    // Until the policies are written as well, the profile progresses.
    await eventually(async () => {
      assert.equal((await box.condition(profile, 'Stalled')).reason, 'ViolatingPods');
      assert.equal((await box.condition(profile, 'Ready')).reason, 'PodSecurityNotReady');
    });
    assert.deepEqual(await levels(box, namespace), latest('warn', 'restricted'));
    await tryPod(plane, namespace);
    const acknowledge = { enforce: 'restricted', namespaces: [namespace] };
    await box.edit(profile, asking({ acknowledge }));
    await box.ready(profile);
    assert.deepEqual(await levels(box, namespace), { ...RESTRICTED, ...latest('warn', 'restricted') });
    assert.equal((await box.read(`/api/v1/namespaces/${namespace}/pods/loose`)).metadata.name, 'loose');
  });

  it('keep an own lower level while running pods violate the higher one', async () => {
    const { box } = suite;
    const namespace = await box.namespace('a');
    await box.pod(namespace, 'loose');
    const profile = await box.profile('p', asking({ enforce: 'baseline' }));
    await box.ready(profile);
    await box.edit(profile, asking({ enforce: 'restricted' }));
    await says(box, profile, 'ViolatingPods');
    assert.deepEqual(await levels(box, namespace), BASELINE);
  });

  it('are the highest that any profile asks for, and fall to what the others ask for', async () => {
    const { box } = suite;
    const namespace = await box.namespace('a');
    const low = await box.profile('low', asking({ enforce: 'baseline', audit: 'restricted' }));
    const high = await box.profile('high', asking({ enforce: 'restricted', audit: 'baseline' }));
    await box.ready(low);
    await box.ready(high);
    const audit = latest('audit', 'restricted');
    assert.deepEqual(await levels(box, namespace), { ...RESTRICTED, ...audit });
    await box.removeProfile(high);
    await labelled(box, namespace, { ...BASELINE, ...audit });
    await box.ready(low);
  });

  it('are left alone where somebody else has set a lower one, and the status names the manager', async () => {
    const { box, plane } = suite;
    const namespace = await box.namespace('a');
    const stdin = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': 'baseline' } },
    });
    await plane.kubectlRun(['apply', '--server-side', '--field-manager=gitops', '-f', '-'], { stdin });
    const profile = await box.profile('p', asking({ enforce: 'restricted', warn: 'baseline' }));
    await says(
      box,
      profile,
      'Conflict',
      /enforce is "baseline", set by field manager gitops, and restricted is asked for/,
    );
    assert.deepEqual(await levels(box, namespace), { enforce: 'baseline', ...latest('warn', 'baseline') });
    const { status } = await box.readProfile(profile);
    assert.deepEqual(
      status?.podSecurity?.namespaces?.map(({ namespace: name, reason }) => [name, reason]),
      [[namespace, 'Conflict']],
    );
    await label(box, namespace, { enforce: 'restricted' });
    await box.ready(profile);
    await box.removeProfile(profile);
    await labelled(box, namespace, { enforce: 'restricted' });
  });

  it('are raised again where somebody removes them, and reported where somebody lowers them', async () => {
    const { box } = suite;
    const namespace = await box.namespace('a');
    const profile = await box.profile('p', asking({ enforce: 'restricted' }));
    await box.ready(profile);
    await label(box, namespace, { enforce: null });
    await labelled(box, namespace, RESTRICTED);
    await label(box, namespace, { enforce: 'baseline' });
    await says(box, profile, 'Conflict', /enforce is "baseline/);
    assert.equal((await levels(box, namespace))['enforce'], 'baseline');
  });

  it('go with the profile, with its selection and with the field, if nobody else has set them', async () => {
    const { box } = suite;
    const [a, b, c] = [await box.namespace('a'), await box.namespace('b'), await box.namespace('c')];
    const profile = await box.profile('p', asking({ enforce: 'baseline', warn: 'restricted' }));
    await box.ready(profile);
    await label(box, c, { enforce: 'restricted' });
    await box.edit(profile, { excludeNamespaces: [a] });
    await labelled(box, a, {});
    await box.edit(profile, { workloads: { podSecurity: { warn: null } } });
    await labelled(box, b, BASELINE);
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile), /404/));
    assert.deepEqual(await levels(box, b), {});
    assert.deepEqual(await levels(box, c), { enforce: 'restricted' });
  });

  it('are removed by an operator that did not run when the field was taken away', async () => {
    const { box } = suite;
    const namespace = await box.namespace('a');
    const profile = await box.profile('p', asking({ enforce: 'baseline' }));
    await box.ready(profile);
    await suite.operator.stop();
    await box.edit(profile, { workloads: null });
    await suite.restart();
    await labelled(box, namespace, {});
  });

  it('are not written by a profile in mode Audit', async () => {
    const { box } = suite;
    const namespace = await box.namespace('a');
    const profile = await box.profile('p', asking({ enforce: 'baseline' }, { mode: 'Audit' }));
    await says(box, profile, 'Audited');
    assert.deepEqual(await levels(box, namespace), {});
  });

  it('make no write in a converged cluster, also after a restart', async () => {
    const { box } = suite;
    const namespace = await box.namespace('a');
    const profile = await box.profile('p', asking({ enforce: 'restricted' }));
    await box.ready(profile);
    const version = async () => (await box.read(`/api/v1/namespaces/${namespace}`)).metadata.resourceVersion;
    const status = async () => (await box.readProfile(profile)).metadata.resourceVersion;
    const before = [await version(), await status()];
    await suite.operator.stop();
    await suite.restart();
    await consistently(async () => assert.deepEqual([await version(), await status()], before), 1500);
  });

  it('are reported as missing their permission without config/pod-security, and nothing else suffers', async () => {
    const { box, plane } = suite;
    await revoke(plane);
    try {
      const namespace = await box.namespace('a');
      const profile = await box.profile('p', asking({ enforce: 'baseline' }));
      const { message } = await says(box, profile, 'Forbidden');
      assert.match(message, /cannot patch resource "namespaces".*; kubectl apply -k config\/pod-security$/);
      const policies = [`${profile}.default-deny`, `${profile}.egress`];
      await eventually(async () => assert.deepEqual(await box.policyNames(namespace), policies));
      await box.removeProfile(profile);
      await eventually(() => assert.rejects(box.readProfile(profile), /404/));
    } finally {
      await grant(plane);
      await suite.operator.stop(); // the next one tries at once
    }
  });
});
