// Limits of workloads over a restart of the API server, and after the CRD of their parameter is gone. They run on a control
// plane of their own, without an operator.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { workloadBindings } from '../../../src/policy/workloads/groups.ts';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';

const CONFIG = join(import.meta.dirname, '../../../config/workloads');
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
/** The command of docs/workloads.md that ends the refusals. */
const END = 'delete validatingadmissionpolicybinding -l app.kubernetes.io/managed-by=segmentation-operator';
const SOON = 60_000; // ms: the API server takes up bindings every second, and the machine is busy

describe('limits of workloads', function () {
  this.timeout('5m');
  let plane: ControlPlane;
  let box: Sandbox;
  let shop: string;
  let profile: string;
  let bindings: readonly KubeObject[];

  before(async () => {
    plane = await startControlPlane();
    await installOperator(plane);
    await plane.kubectlRun(['apply', '-k', CONFIG]);
    box = new Sandbox(plane, 'lost');
    shop = await box.namespace('shop');
    await box.namespace('other', null);
    profile = await box.profile('p', { workloads: { images: { registries: ['registry.example.com'] } } });
    bindings = workloadBindings(await box.readProfile(profile), []);
    for (const binding of bindings) await plane.admin.send('POST', BINDINGS, binding);
    await eventually(() => assert.rejects(create(shop, 'evil/app'), /is from none of its/), SOON);
  });
  after(() => plane.stop());

  const create = (namespace: string, image: string) =>
    plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
      metadata: { name: 'x' },
      spec: { containers: [{ name: 'main', image }] },
    });
  const restart = async () => {
    await plane.stopComponent('kube-apiserver');
    await plane.startComponent('kube-apiserver');
  };
  it('admit nothing by mistake after a restart of the API server, and refuse nothing else once it knows their kind', async () => {
    await restart();
    // Until the API server has found the CRD again, it refuses pods for the kind of the parameter.
    let admitted = 0;
    const refused = async () => {
      await assert.rejects(
        create(shop, 'evil/app').then(() => admitted++),
        /is from none of its/,
      );
    };
    await eventually(refused, SOON);
    assert.equal(admitted, 0);
    for (const [namespace, image] of [
      [shop, 'registry.example.com/app'],
      [`${box.id}-other`, 'evil/app'],
      ['kube-system', 'evil/app'],
    ] as const)
      await create(namespace, image);
  });

  it('that are left without the CRD refuse pods, but none of the system, until they are deleted', async () => {
    // The garbage collector would delete them, if it saw the end of the profile before that of the kind.
    const patch = (path: string, metadata: object) => plane.admin.send('PATCH', path, { metadata });
    for (const { metadata } of bindings)
      await patch(`${BINDINGS}/${metadata.name}`, { ownerReferences: null });
    await patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, { finalizers: null });
    await plane.kubectlRun(['delete', 'crd', 'segmentationprofiles.segmentation.dev']);
    await restart();
    await eventually(
      () => assert.rejects(create(`${box.id}-other`, 'x'), /failed to find resource referenced by paramKind/),
      SOON,
    );
    await create('kube-system', 'x');
    await plane.kubectlRun(END.split(' '));
    await eventually(() => create(`${box.id}-other`, 'x'), SOON);
  });
});
