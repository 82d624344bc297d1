// Protection and tenant limit on a real API server: each verb, user and action.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const IN_FORCE = 60_000; // ms: the API server takes up bindings twice, and the machine is busy
const EVERYONE = { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] } as const;

describe('admission of NetworkPolicies', () => {
  const at = new OperatorSuite('protect');

  const isInForce = (profile: string) =>
    eventually(async () => {
      const { status, reason, message } = await at.box.condition(profile, 'AdmissionReady');
      assert.equal(status, 'True', `${reason}: ${message}`);
      await at.box.ready(profile, 0);
    }, IN_FORCE);
  /** Runs kubectl as a user of these groups. @returns what kubectl prints */
  const kubectl = (args: readonly string[], stdin = '', groups: readonly string[] = ['system:masters']) =>
    at.plane.kubectlRun(['--as=tenant', ...groups.map((group) => `--as-group=${group}`), ...args], { stdin });
  const policy = (name: string, spec: object, labels: object = {}) =>
    JSON.stringify({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, labels },
      spec,
    });

  describe('with protect: Enforce', () => {
    let namespace: string;
    let profile: string;
    let deny: string;

    beforeEach(async () => {
      namespace = await at.box.namespace('shop');
      profile = await at.box.profile('strict', {
        admission: { protect: 'Enforce', breakGlassGroups: ['sre'] },
      });
      await isInForce(profile);
      deny = `${profile}.default-deny`;
    });

    it('refuses every change and deletion of a generated policy, and names the profile to edit', async () => {
      const before = await at.box.policies(namespace);
      const says = new RegExp(`is made and kept by SegmentationProfile ${profile}: edit the profile`);
      const n = ['-n', namespace];
      const patch = (body: object) => [
        ...n,
        'patch',
        'netpol',
        deny,
        '--type=merge',
        '-p',
        JSON.stringify(body),
      ];
      const ways: Readonly<Record<string, readonly [args: readonly string[], stdin?: string]>> = {
        delete: [[...n, 'delete', 'netpol', deny]],
        'delete all': [[...n, 'delete', 'netpol', '--all']],
        'patch its spec': [patch({ spec: { policyTypes: ['Ingress'] } })],
        'take its labels off': [patch({ metadata: { labels: { 'segmentation.dev/profile': null } } })],
        'take its owner off': [patch({ metadata: { ownerReferences: null } })],
        'add a finalizer': [patch({ metadata: { finalizers: ['example.com/mine'] } })],
        annotate: [[...n, 'annotate', 'netpol', deny, 'a=b']],
        replace: [[...n, 'replace', '-f', '-'], policy(deny, EVERYONE)],
        'apply server-side': [
          [...n, 'apply', '--server-side', '--force-conflicts', '-f', '-'],
          policy(deny, EVERYONE),
        ],
      };
      for (const [way, [args, stdin]] of Object.entries(ways)) {
        await assert.rejects(kubectl(args, stdin), says, way);
      }
      const collection = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
      await assert.rejects(at.plane.admin.send('DELETE', collection), says, 'deletecollection');
      const labels = {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': profile,
      };
      await assert.rejects(
        kubectl([...n, 'create', '-f', '-'], policy('forged', EVERYONE, labels)),
        /has the labels of those that SegmentationProfile .* makes: leave out/,
      );
      await at.box.createPolicy(namespace, 'foreign', { podSelector: {}, policyTypes: ['Ingress'] });
      await assert.rejects(at.box.patchPolicy(namespace, 'foreign', { metadata: { labels } }), says);
      await at.box.deletePolicy(namespace, 'foreign');
      assert.deepEqual(await at.box.policies(namespace), before);
    });

    it('lets the operator and members of a break-glass group write', async () => {
      await at.box.edit(profile, { egress: [{ name: 'out', to: [{ entity: 'Any' }] }] });
      await at.box.ready(profile, IN_FORCE);
      await kubectl(['-n', namespace, 'delete', 'netpol', deny], '', ['system:masters', 'sre']);
      await eventually(() => at.box.policy(namespace, deny));
    });

    it('lets a namespace be deleted with everything in it', async () => {
      await at.operator.stop();
      await at.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
      await eventually(() => assert.rejects(at.box.read(`/api/v1/namespaces/${namespace}`), /404/), 20_000);
    });

    it('lets the garbage collector delete the policies of a deleted profile while no operator runs', async () => {
      await at.operator.stop();
      await at.box.removeProfile(profile);
      await at.box.patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, {
        metadata: { finalizers: null },
      });
      // The garbage collector looks for new kinds of owners every 30 s, and the CRD may be new.
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []), 45_000);
      const binding = `${ADMISSION}/validatingadmissionpolicybindings/${profile}.protected-policies.segmentation.dev`;
      await eventually(() => assert.rejects(at.box.read(binding), /404/));
    });

    it('ends when the profile no longer asks for it, and does not keep the profile from being deleted', async () => {
      await at.box.edit(profile, { admission: { protect: 'Disabled' } });
      await eventually(
        () => at.box.patchPolicy(namespace, deny, { metadata: { annotations: { a: 'b' } } }),
        IN_FORCE,
      );
      await at.box.removeProfile(profile);
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []));
    });
  });

  it('warns of a change and admits it with protect: Warn', async () => {
    const namespace = await at.box.namespace('shop');
    const profile = await at.box.profile('strict', { admission: { protect: 'Warn' } });
    await isInForce(profile);
    const args = ['-n', namespace, 'delete', 'netpol', `${profile}.default-deny`, '--dry-run=server'];
    assert.match(await kubectl(args), /deleted/);
    const warning = new RegExp(`Warning: .*is made and kept by SegmentationProfile ${profile}`);
    await assert.rejects(kubectl([...args, '--warnings-as-errors']), warning);
  });

  it('is not bound while its policies except another account than the operator, which the status reports', async () => {
    const name = 'protected-policies.segmentation.dev';
    const text = readFileSync(new URL('../../../config/admission/protect.yaml', import.meta.url), 'utf8');
    const other = text.replace('segmentation-system:segmentation-operator', 'elsewhere:another');
    assert.notEqual(other, text);
    await at.plane.kubectlRun(['apply', '-f', '-'], { stdin: other });
    try {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('strict', { admission: { protect: 'Enforce' } });
      await eventually(async () => {
        const { reason, message } = await at.box.condition(profile, 'AdmissionReady');
        assert.equal(reason, 'OtherAccount');
        assert.ok(
          message.includes(name) && message.includes('segmentation-system:segmentation-operator'),
          message,
        );
        assert.equal((await at.box.policyNames(namespace)).length, 2);
      }, IN_FORCE);
      await at.plane.kubectlRun(['apply', '-f', '-'], { stdin: text });
      await isInForce(profile);
    } finally {
      await at.plane.kubectlRun(['apply', '-f', '-'], { stdin: text });
    }
  });

  describe('with tenantPolicies', () => {
    const local = { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: {} }] }] };
    const peers: Readonly<Record<string, object>> = {
      'another namespace': { namespaceSelector: { matchLabels: { a: 'b' } } },
      'all namespaces': { namespaceSelector: {}, podSelector: {} },
      addresses: { ipBlock: { cidr: '10.0.0.0/8' } },
    };
    const wide = (peer: object) => ({
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [{ podSelector: {} }, peer] }],
    });

    it('WithinNamespace refuses foreign policies with peers outside of the namespace', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('strict', { admission: { tenantPolicies: 'WithinNamespace' } });
      await isInForce(profile);
      const create = (spec: object) =>
        kubectl(['-n', namespace, 'create', '--dry-run=server', '-f', '-'], policy('foreign', spec));
      const self = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } };
      await create(local);
      await create({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
      await create({ ...wide(self) });
      const says = new RegExp(`${profile} admits in namespace ${namespace} only .* within the namespace`);
      for (const [name, peer] of Object.entries(peers)) await assert.rejects(create(wide(peer)), says, name);
      await assert.rejects(create(EVERYONE), /and the ingress rules of this one allow more/);
      await assert.rejects(
        create({ podSelector: {}, egress: [{ ports: [{ port: 53 }] }] }),
        says,
        'no peers',
      );
      const other = await at.box.namespace('other', null);
      await kubectl(['-n', other, 'create', '-f', '-'], policy('foreign', EVERYONE));
    });

    it('WithinNamespace admits every peer in a direction that the profile does not isolate', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('strict', {
        isolation: ['Ingress'],
        admission: { tenantPolicies: 'WithinNamespace' },
      });
      await isInForce(profile);
      await at.box.createPolicy(namespace, 'out', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] });
      await assert.rejects(at.box.createPolicy(namespace, 'in', EVERYONE), /within the namespace/);
    });

    it('None refuses every foreign policy, reports those from before, and lets them be deleted', async () => {
      const namespace = await at.box.namespace('shop');
      await at.box.createPolicy(namespace, 'foreign', EVERYONE);
      await at.box.createPolicy(namespace, 'within', local as never);
      const profile = await at.box.profile('strict', { admission: { tenantPolicies: 'None' } });
      await isInForce(profile);
      const found = async () => (await at.box.readProfile(profile)).status?.admission;
      assert.deepEqual(await found(), {
        wideningPolicies: 2,
        policies: [
          { namespace, name: 'foreign', allows: 'ingress from everyone' },
          { namespace, name: 'within', allows: 'ingress from its own namespace' },
        ],
      });
      await assert.rejects(
        at.box.createPolicy(namespace, 'more', local as never),
        /admits no other NetworkPolicies/,
      );
      await assert.rejects(
        at.box.patchPolicy(namespace, 'foreign', { spec: { ingress: null } }),
        /admits no other/,
      );
      await at.box.patchPolicy(namespace, 'foreign', { metadata: { labels: { a: 'b' } } });
      await at.box.deletePolicy(namespace, 'foreign');
      await eventually(async () => assert.equal((await found())?.wideningPolicies, 1));
      await at.box.edit(profile, { admission: { tenantPolicies: 'WithinNamespace' } });
      await eventually(async () => assert.deepEqual(await found(), { wideningPolicies: 0 }));
      await at.box.edit(profile, { admission: null });
      await eventually(async () => assert.equal(await found(), undefined));
    });

    it('None and the action Warn or Audit admits foreign policies with a warning or an entry of the audit log', async () => {
      const namespace = await at.box.namespace('shop');
      const admission = { tenantPolicies: 'None', tenantPoliciesAction: 'Warn' };
      const profile = await at.box.profile('strict', { admission });
      await isInForce(profile);
      const args = ['-n', namespace, 'create', '--dry-run=server', '-f', '-'];
      assert.match(await kubectl(args, policy('foreign', EVERYONE)), /created/);
      const warned = kubectl([...args, '--warnings-as-errors'], policy('foreign', EVERYONE));
      await assert.rejects(warned, /Warning: .*admits no other/);
      await at.box.edit(profile, { admission: { tenantPoliciesAction: 'Audit' } });
      await isInForce(profile);
      await at.box.createPolicy(namespace, 'audited', EVERYONE);
      await eventually(() => {
        const line = readFileSync(at.plane.auditLog ?? '', 'utf8')
          .split('\n')
          .find((each) => each.includes(`"${namespace}"`) && each.includes('"audited"'));
        assert.match(line ?? '', /validation.policy.admission.k8s.io\/validation_failure.*admits no other/);
      });
    });
  });
});
