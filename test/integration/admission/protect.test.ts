// Protection of our policies and limits for others', on a real API server: each verb, by whom, and in which strength.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { eventually } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const IN_FORCE = 60_000; // ms: twice the API server's refresh of bindings, and a busy machine
const EVERYONE = { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] } as const;

describe('admission', () => {
  const at = new OperatorSuite('protect');

  const isInForce = (profile: string) =>
    eventually(async () => {
      const { status, reason, message } = await at.box.condition(profile, 'AdmissionReady');
      assert.equal(status, 'True', `${reason}: ${message}`);
      await at.box.ready(profile, 0);
    }, IN_FORCE);
  /** Runs kubectl as a user of these groups beside cluster-admin's; resolves what it prints to stderr and stdout. */
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

    it('refuses every way to change or delete a policy, and names the profile to edit', async () => {
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
      await at.box.createPolicy(namespace, 'theirs', { podSelector: {}, policyTypes: ['Ingress'] });
      await assert.rejects(at.box.patchPolicy(namespace, 'theirs', { metadata: { labels } }), says);
      await at.box.deletePolicy(namespace, 'theirs');
      assert.deepEqual(await at.box.policies(namespace), before);
    });

    it('lets the operator write, and those of a break-glass group', async () => {
      await at.box.edit(profile, { egress: [{ name: 'out', to: [{ entity: 'Any' }] }] });
      await at.box.ready(profile, IN_FORCE);
      await kubectl(['-n', namespace, 'delete', 'netpol', deny], '', ['system:masters', 'sre']);
      await eventually(() => at.box.policy(namespace, deny));
    });

    it('lets a namespace be deleted, and all that is in it', async () => {
      await at.operator.stop();
      await at.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}`);
      await eventually(() => assert.rejects(at.box.read(`/api/v1/namespaces/${namespace}`), /404/), 20_000);
    });

    it('lets the garbage collector take what a profile leaves behind, also where the operator is away', async () => {
      await at.operator.stop();
      await at.box.removeProfile(profile);
      await at.box.patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, {
        metadata: { finalizers: null },
      });
      // It looks for new kinds of owners every 30 s, and the CRD may be that new.
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []), 45_000);
      const binding = `${ADMISSION}/validatingadmissionpolicybindings/${profile}.protected-policies.segmentation.dev`;
      await eventually(() => assert.rejects(at.box.read(binding), /404/));
    });

    it('goes with the profile, and without it', async () => {
      await at.box.edit(profile, { admission: { protect: 'Disabled' } });
      await eventually(
        () => at.box.patchPolicy(namespace, deny, { metadata: { annotations: { a: 'b' } } }),
        IN_FORCE,
      );
      await at.box.removeProfile(profile);
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []));
    });
  });

  it('with protect: Warn warns and admits', async () => {
    const namespace = await at.box.namespace('shop');
    const profile = await at.box.profile('strict', { admission: { protect: 'Warn' } });
    await isInForce(profile);
    const args = ['-n', namespace, 'delete', 'netpol', `${profile}.default-deny`, '--dry-run=server'];
    assert.match(await kubectl(args), /deleted/);
    const warning = new RegExp(`Warning: .*is made and kept by SegmentationProfile ${profile}`);
    await assert.rejects(kubectl([...args, '--warnings-as-errors']), warning);
  });

  it('says so where the policies except another account, and locks nobody out', async () => {
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

    it('WithinNamespace admits peers of the namespace, and refuses all others', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('strict', { admission: { tenantPolicies: 'WithinNamespace' } });
      await isInForce(profile);
      const create = (spec: object) =>
        kubectl(['-n', namespace, 'create', '--dry-run=server', '-f', '-'], policy('theirs', spec));
      const self = { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } };
      await create(local);
      await create({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
      await create({ ...wide(self) });
      const says = new RegExp(`${profile} admits in namespace ${namespace} only .* within the namespace`);
      for (const [what, peer] of Object.entries(peers)) await assert.rejects(create(wide(peer)), says, what);
      await assert.rejects(create(EVERYONE), /and the ingress rules of this one allow more/);
      await assert.rejects(
        create({ podSelector: {}, egress: [{ ports: [{ port: 53 }] }] }),
        says,
        'no peers',
      );
      const other = await at.box.namespace('other', null);
      await kubectl(['-n', other, 'create', '-f', '-'], policy('theirs', EVERYONE));
    });

    it('counts only the directions that the profile isolates', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('strict', {
        isolation: ['Ingress'],
        admission: { tenantPolicies: 'WithinNamespace' },
      });
      await isInForce(profile);
      await at.box.createPolicy(namespace, 'out', { podSelector: {}, policyTypes: ['Egress'], egress: [{}] });
      await assert.rejects(at.box.createPolicy(namespace, 'in', EVERYONE), /within the namespace/);
    });

    it('None refuses all of others, reports those that were there, and lets them be deleted', async () => {
      const namespace = await at.box.namespace('shop');
      await at.box.createPolicy(namespace, 'theirs', EVERYONE);
      await at.box.createPolicy(namespace, 'within', local as never);
      const profile = await at.box.profile('strict', { admission: { tenantPolicies: 'None' } });
      await isInForce(profile);
      const found = async () => (await at.box.readProfile(profile)).status?.admission;
      assert.deepEqual(await found(), {
        wideningPolicies: 2,
        policies: [
          { namespace, name: 'theirs', allows: 'ingress from everyone' },
          { namespace, name: 'within', allows: 'ingress from its own namespace' },
        ],
      });
      await assert.rejects(
        at.box.createPolicy(namespace, 'more', local as never),
        /admits no other NetworkPolicies/,
      );
      await assert.rejects(
        at.box.patchPolicy(namespace, 'theirs', { spec: { ingress: null } }),
        /admits no other/,
      );
      await at.box.patchPolicy(namespace, 'theirs', { metadata: { labels: { a: 'b' } } });
      await at.box.deletePolicy(namespace, 'theirs');
      await eventually(async () => assert.equal((await found())?.wideningPolicies, 1));
      await at.box.edit(profile, { admission: { tenantPolicies: 'WithinNamespace' } });
      await eventually(async () => assert.deepEqual(await found(), { wideningPolicies: 0 }));
      await at.box.edit(profile, { admission: null });
      await eventually(async () => assert.equal(await found(), undefined));
    });

    it('in the strength Warn warns, and in the strength Audit tells the audit log', async () => {
      const namespace = await at.box.namespace('shop');
      const admission = { tenantPolicies: 'None', tenantPoliciesAction: 'Warn' };
      const profile = await at.box.profile('strict', { admission });
      await isInForce(profile);
      const args = ['-n', namespace, 'create', '--dry-run=server', '-f', '-'];
      assert.match(await kubectl(args, policy('theirs', EVERYONE)), /created/);
      const warned = kubectl([...args, '--warnings-as-errors'], policy('theirs', EVERYONE));
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
