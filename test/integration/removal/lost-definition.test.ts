// Bindings of a profile: the expressions of their policies, a restart of the API server, and the time after the CRD of their
// parameter is gone. They run on a control plane of their own, without an operator.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { AdmissionBinding } from '../../../src/policy/admission/binding.ts';
import { protectionOf, tenantLimitOf } from '../../../src/policy/admission/protect.ts';
import { workloadBindings } from '../../../src/policy/workloads/groups.ts';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';

const CONFIG = join(import.meta.dirname, '../../../config/workloads');
const POLICIES = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
/** The command of docs/workloads.md and docs/admission.md that ends the refusals. */
const END = 'delete validatingadmissionpolicybinding -l app.kubernetes.io/managed-by=segmentation-operator';
const SOON = 60_000; // ms: the API server takes up bindings every second, and the machine is busy
/** Milliseconds: the controller needs four seconds of processor time, and the machine is busy. */
const EXPRESSIONS_CHECKED = 120_000;
const UNKNOWN = /failed to find resource referenced by paramKind/;

describe('bindings of a profile', function () {
  this.timeout('5m');
  let plane: ControlPlane;
  let box: Sandbox;
  let shop: string;
  let other: string;
  let profile: string;
  let bindings: readonly AdmissionBinding[];

  const create = (namespace: string, image: string) =>
    plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
      metadata: { name: 'x' },
      spec: { containers: [{ name: 'main', image }] },
    });
  const policies = (namespace: string, name = '') =>
    `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies${name && `/${name}`}`;
  const createPolicy = (namespace: string, name: string, spec: object, labels: object = {}) =>
    plane.admin.send('POST', `${policies(namespace)}?dryRun=All`, {
      metadata: { name, labels },
      spec: { podSelector: {}, policyTypes: ['Ingress'], ...spec },
    });
  const deletePolicy = (namespace: string, name: string) =>
    plane.admin.send('DELETE', `${policies(namespace, name)}?dryRun=All`);
  const restart = async () => {
    await plane.stopComponent('kube-apiserver');
    await plane.startComponent('kube-apiserver');
  };

  before(async () => {
    plane = await startControlPlane({ checksExpressions: true });
    await installOperator(plane);
    await plane.kubectlRun(['apply', '-k', CONFIG]);
    box = new Sandbox(plane, 'lost');
    shop = await box.namespace('shop');
    other = await box.namespace('other', null);
    profile = await box.profile('p', {
      admission: { protect: 'Enforce', tenantPolicies: 'WithinNamespace' },
      workloads: { images: { registries: ['registry.example.com'] } },
    });
    const stored = await box.readProfile(profile);
    const labels = {
      'app.kubernetes.io/managed-by': 'segmentation-operator',
      'segmentation.dev/profile': profile,
    };
    await box.createPolicy(shop, 'generated', { podSelector: {}, policyTypes: ['Ingress'] }, { labels });
    for (const namespace of [shop, other, 'kube-system'])
      await box.createPolicy(namespace, 'foreign', { podSelector: {}, policyTypes: ['Ingress'] });
    bindings = [...workloadBindings(stored, []), protectionOf(stored), tenantLimitOf(stored, [])];
    for (const binding of bindings) await plane.admin.send('POST', BINDINGS, binding);
    await eventually(() => assert.rejects(create(shop, 'evil/app'), /is from none of its/), SOON);
  });
  after(() => plane.stop());

  it('are of policies with expressions that the API server finds no fault with', async () => {
    await eventually(async () => {
      const { items } = (await plane.admin.send('GET', POLICIES)) as {
        items: (KubeObject & { status?: { typeChecking?: { expressionWarnings?: object[] } } })[];
      };
      const bound = new Set(bindings.map(({ spec }) => spec.policyName));
      const found = items.filter(({ metadata: { name } }) => bound.has(name) || name.startsWith('workload-'));
      assert.ok(found.length > bound.size);
      for (const { metadata, status } of found) {
        assert.ok(status?.typeChecking, metadata.name);
        assert.deepEqual(status.typeChecking.expressionWarnings ?? [], [], metadata.name);
      }
    }, EXPRESSIONS_CHECKED);
  });

  it('admit nothing by mistake after a restart of the API server, and refuse nothing else once it knows their kind', async () => {
    const wrong: readonly (readonly [attempt: () => Promise<unknown>, refusal: RegExp])[] = [
      [() => create(shop, 'evil/app'), /is from none of its/],
      [() => createPolicy(shop, 'wide', { ingress: [{}] }), /SegmentationProfile/],
      [() => deletePolicy(shop, 'generated'), /is made and kept by SegmentationProfile/],
    ];
    const refused = async () => {
      for (const [attempt, refusal] of wrong) await assert.rejects(attempt(), refusal);
    };
    await eventually(refused, SOON);
    await restart();
    // Until the API server has found the CRD again, it refuses requests for the kind of the parameter.
    let admitted = 0;
    await eventually(async () => {
      for (const [attempt, refusal] of wrong)
        await assert.rejects(
          attempt().then(() => admitted++),
          refusal,
        );
    }, SOON);
    assert.equal(admitted, 0);
    for (const [namespace, image] of [
      [shop, 'registry.example.com/app'],
      [other, 'evil/app'],
      ['kube-system', 'evil/app'],
    ] as const)
      await create(namespace, image);
    await createPolicy(other, 'wide', { ingress: [{}] });
    for (const namespace of [shop, other, 'kube-system']) await deletePolicy(namespace, 'foreign');
  });

  describe('that are left without the CRD', () => {
    before(async () => {
      // The garbage collector would delete them, if it saw the end of the profile before that of the kind.
      const patch = (path: string, metadata: object) => plane.admin.send('PATCH', path, { metadata });
      for (const { metadata } of bindings)
        await patch(`${BINDINGS}/${metadata.name}`, { ownerReferences: null });
      await patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, { finalizers: null });
      await plane.kubectlRun(['delete', 'crd', 'segmentationprofiles.segmentation.dev']);
      await restart();
      await eventually(() => assert.rejects(create(other, 'x'), UNKNOWN), SOON);
    });

    it('refuse pods, but none of the system', async () => {
      await create('kube-system', 'x');
    });

    it('refuse new policies in all namespaces and the deletion of generated ones, but of no other', async () => {
      for (const namespace of [shop, other, 'kube-system']) {
        await assert.rejects(createPolicy(namespace, 'new', {}), UNKNOWN);
        await deletePolicy(namespace, 'foreign');
      }
      await assert.rejects(deletePolicy(shop, 'generated'), UNKNOWN);
    });

    it('refuse nothing once they are deleted', async () => {
      await plane.kubectlRun(END.split(' '));
      await eventually(() => create(other, 'x'), SOON);
      await eventually(() => createPolicy(other, 'new', {}), SOON);
      await deletePolicy(shop, 'generated');
    });
  });
});
