/** The plugin on profiles that depend on a service mesh, on manifests. It does not read the mesh's configuration. */
import assert from 'node:assert/strict';
import { cli, directoryOf } from '../../cli.ts';

const directory = directoryOf({
  'shop.yaml': `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {segmentation.dev/profile-class: in-the-mesh, istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: istio-ingress}
---
apiVersion: v1
kind: Pod
metadata: {name: gateway, namespace: istio-ingress}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app.kubernetes.io/component: frontend}}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 8080}]}]}
`,
  'operator.cfg': 'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nmesh: Istio\n',
});
const SAMPLE = `-f config/samples/istio -f ${directory}/shop.yaml`;
const WITH_MESH = `--config ${directory}/operator.cfg`;

describe('the sample of config/samples/istio', () => {
  it('is rendered without the objects of the mesh, and says that only the operator writes these', async () => {
    const { stdout, stderr, code } = await cli(`render ${SAMPLE} ${WITH_MESH} -o name`);
    assert.match(stdout, /^networkpolicy\.networking\.k8s\.io\/in-the-mesh\.ingress\.from-gateway$/m);
    assert.doesNotMatch(stdout, /authorizationpolicy/);
    assert.match(stderr, /profile in-the-mesh asks for identities of the mesh: only the operator knows/);
    assert.match(stderr, /only the operator reads the mesh's own configuration/);
    assert.equal(code, 1);
  });

  it('names the missing setting without a mesh in the file of --config', async () => {
    const { stderr } = await cli(`render ${SAMPLE} -o name`);
    assert.match(stderr, /names no service mesh: set mesh there/);
  });

  it('is explained by NetworkPolicies, with the remark that the mesh also decides', async () => {
    const { stderr } = await cli(
      `explain ${SAMPLE} ${WITH_MESH} istio-ingress/pod/gateway shop/pod/web --port 8080`,
    );
    assert.match(
      stderr,
      /in shop, the mesh denies connections to pods with sidecars by identity, as profile in-the-mesh asks/,
    );
  });
});
