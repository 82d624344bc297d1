/** The plugin on profiles that depend on a service mesh, on manifests: with and without those of the mesh itself. */
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
  'istiod.yaml': `
apiVersion: v1
kind: Service
metadata: {name: istiod, namespace: istio-system}
spec: {selector: {app: istiod}, ports: [{name: https-dns, port: 15012, protocol: TCP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "trustDomain: cluster.local"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: istio-sidecar-injector, labels: {app: sidecar-injector}}
webhooks:
- name: namespace.sidecar-injector.istio.io
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {namespace: istio-system, name: istiod, path: /inject}}
  namespaceSelector: {matchLabels: {istio-injection: enabled}}
- name: object.sidecar-injector.istio.io
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {namespace: istio-system, name: istiod, path: /inject}}
  namespaceSelector: {matchExpressions: [{key: istio-injection, operator: DoesNotExist}]}
  objectSelector: {matchLabels: {sidecar.istio.io/inject: "true"}}
`,
  'gateway.yaml': `
apiVersion: v1
kind: Namespace
metadata: {name: istio-ingress, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: istio-system}
`,
  'operator.cfg': 'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nmesh: Istio\n',
});
const SAMPLE = `-f config/samples/istio -f ${directory}/shop.yaml`;
const WITH_MESH = `--config ${directory}/operator.cfg`;

describe('the sample of config/samples/istio', () => {
  it('is rendered without the objects of the mesh, and says why, if the mesh is not known', async () => {
    const { stdout, stderr, code } = await cli(`render ${SAMPLE} ${WITH_MESH} -o name`);
    assert.match(stdout, /^networkpolicy\.networking\.k8s\.io\/in-the-mesh\.ingress\.from-gateway$/m);
    assert.doesNotMatch(stdout, /authorizationpolicy/);
    assert.match(
      stderr,
      /profile in-the-mesh asks for identities of the mesh, and its AuthorizationPolicies and PeerAuthentications are not known here: only the operator reads the mesh's own configuration/,
    );
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

describe('the sample of config/samples/istio, with the manifests of the mesh', () => {
  const all = `${SAMPLE} -f ${directory}/istiod.yaml -f ${directory}/gateway.yaml ${WITH_MESH}`;

  it('is rendered with its AuthorizationPolicies and PeerAuthentication', async () => {
    const { stdout, code } = await cli(`render ${all} -o name`);
    assert.equal(code, 0);
    assert.match(stdout, /^authorizationpolicy\.security\.istio\.io\/in-the-mesh\.default-deny$/m);
    assert.match(stdout, /^authorizationpolicy\.security\.istio\.io\/in-the-mesh\.ingress\.from-gateway$/m);
    assert.match(stdout, /^peerauthentication\.security\.istio\.io\/in-the-mesh\.default-deny$/m);
    const rendered = await cli(`render ${all}`);
    assert.match(rendered.stdout, /namespaces:\n +- istio-ingress/);
    assert.match(
      (await cli(`render ${all} -o wide`)).stdout,
      /authorizationpolicy\S+from-gateway +\S+ +Ingress +1 +from-gateway/,
    );
  });

  it('is judged by them', async () => {
    const flow = `${all} shop/pod/web --port 8080`;
    const fromGateway = await cli(`explain istio-ingress/pod/gateway ${flow}`);
    assert.equal(fromGateway.code, 0, fromGateway.output);
    assert.doesNotMatch(fromGateway.stderr, /the mesh denies connections/);
    const others = directoryOf({
      'open.yaml':
        'apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: tenant, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}\n' +
        '---\napiVersion: v1\nkind: Pod\nmetadata: {name: job, namespace: ops}\nspec: {containers: [{name: a, image: a}]}\n',
    });
    const fromOutside = await cli(`explain ops/pod/job ${flow} -f ${others}`);
    assert.equal(fromOutside.code, 1);
    assert.match(fromOutside.stdout, /Ingress +denied by PeerAuthentication shop\/in-the-mesh\.default-deny/);
  });

  it('changes objects of the mesh in a diff', async () => {
    const mesh = `-f ${directory}/shop.yaml -f ${directory}/istiod.yaml -f ${directory}/gateway.yaml ${WITH_MESH}`;
    const from = ['shop.yaml', 'istiod.yaml', 'gateway.yaml'].map((file) => `--from ${directory}/${file}`);
    const { stdout } = await cli(`diff ${from.join(' ')} -f config/samples/istio ${mesh}`);
    assert.match(
      stdout,
      /Policies of the mesh\n +\+ shop\/authorizationpolicy\.security\.istio\.io\/in-the-mesh\.default-deny/,
    );
  });

  it('says of a namespace outside of the mesh that it has none', async () => {
    const outside = directoryOf({
      'shop.yaml':
        'apiVersion: v1\nkind: Namespace\nmetadata: {name: plain, labels: {segmentation.dev/profile-class: in-the-mesh}}\n',
    });
    const { stderr } = await cli(`render ${all} -f ${outside} -o name`);
    assert.match(
      stderr,
      /there are no AuthorizationPolicies for plain here: the namespace is not in the mesh/,
    );
  });
});

describe('the sample of config/samples/ambient, with the manifests of the mesh', () => {
  const namespaces = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient, segmentation.dev/profile-class: ambient}}
---
apiVersion: v1
kind: Namespace
metadata: {name: storefront, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: storefront, labels: {app.kubernetes.io/component: web}}
spec: {containers: [{name: a, image: a}]}
`;
  const files = directoryOf({
    'namespaces.yaml': namespaces,
    'shop.yaml': `${namespaces}---
apiVersion: v1
kind: Pod
metadata: {name: checkout, namespace: shop, labels: {app.kubernetes.io/component: checkout}}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 8443}]}]}
`,
  });
  const all = `-f config/samples/ambient -f ${files}/shop.yaml -f ${directory}/istiod.yaml ${WITH_MESH}`;

  it('is rendered with the policies that open the tunnel, and those that hold it to the rules', async () => {
    const { stdout, stderr, code } = await cli(`render ${all} -o name`);
    assert.equal(code, 0);
    const names = stdout.split('\n').filter((name) => /tunnel|authorization/.test(name));
    assert.deepEqual(names.map((name) => name.replace(/\.[0-9a-f]{10}$/, '.DIGEST')).sort(), [
      'authorizationpolicy.security.istio.io/ambient.default-deny',
      'authorizationpolicy.security.istio.io/ambient.ingress.baseline.mesh.tunnel',
      'authorizationpolicy.security.istio.io/ambient.ingress.baseline.mesh.tunnel.DIGEST',
      'networkpolicy.networking.k8s.io/ambient.ingress.baseline.mesh.tunnel',
      'networkpolicy.networking.k8s.io/ambient.ingress.baseline.mesh.tunnel.DIGEST',
    ]);
    assert.doesNotMatch(stderr, /there are no AuthorizationPolicies/);
  });

  it('is judged by them', async () => {
    const flow = (from: string, port: number) =>
      cli(`explain ${from} shop/pod/checkout --port ${port} ${all}`);
    assert.equal((await flow('storefront/pod/web', 8443)).code, 0);
    assert.equal((await flow('storefront/pod/web', 9090)).code, 1);
  });

  it('is explained by its rules, and not by the policies of the tunnel alone', async () => {
    const flow = (port: number, more = '') =>
      cli(`explain storefront/pod/web shop/pod/checkout --port ${port} ${all} ${more}`);
    const open = await flow(8443);
    assert.match(open.stdout, /allowed by rule from-storefront of profile ambient .*: Orders come from/);
    assert.match(open.stdout, /through baseline\.mesh\.tunnel of profile ambient/);
    const closed = await flow(9999);
    assert.match(
      closed.stdout,
      /denied: AuthorizationPolicy shop\/ambient\.default-deny limits it, and no rule/,
    );
    assert.match(closed.stdout, /add this to the spec of SegmentationProfile ambient:[^]*port: 9999/);
    const more = directoryOf({
      'profile.yaml':
        'apiVersion: segmentation.dev/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: more}\n' +
        'spec: {namespaceSelector: {matchLabels: {segmentation.dev/profile-class: ambient}}, isolation: [Ingress], ' +
        'baseline: {mesh: Allow}, mesh: {authorization: Enforce}, ingress: [{name: named, from: [{namespaces: [storefront]}], ' +
        'ports: [{port: extra}]}]}\n---\napiVersion: v1\nkind: Pod\n' +
        'metadata: {name: checkout, namespace: shop, labels: {app.kubernetes.io/component: checkout}}\n' +
        'spec: {containers: [{name: a, image: a, ports: [{name: extra, containerPort: 7000}]}]}\n',
    });
    const pods = all.replace(`${files}/shop.yaml`, `${more} -f ${files}/namespaces.yaml`);
    const left = await cli(`explain storefront/pod/web shop/pod/checkout --port 7000 ${pods}`);
    assert.match(
      left.stdout,
      /rule named of profile more .* means it, and does not hold for the port by which/,
    );
    assert.match(left.stderr, /rule named of SegmentationProfile more means the flow, .* PeersResolved/);
    assert.doesNotMatch(left.stdout, /To allow it/);
  });

  it('is no change of a cluster that has them', async () => {
    const rendered = directoryOf({ 'objects.yaml': (await cli(`render ${all}`)).stdout });
    const { stdout, code } = await cli(
      `diff --from ${files}/shop.yaml --from ${directory}/istiod.yaml --from config/samples/ambient --from ${rendered} ${all} -f ${rendered}`,
    );
    assert.equal(code, 0, stdout);
  });

  it('says what the profile lacks if it does not ask for a tunnel', async () => {
    const profile = directoryOf({
      'profile.yaml':
        'apiVersion: segmentation.dev/v1alpha1\nkind: SegmentationProfile\nmetadata: {name: p}\n' +
        'spec: {namespaceSelector: {matchLabels: {segmentation.dev/profile-class: ambient}}, mesh: {authorization: Enforce}}\n',
    });
    const { stderr } = await cli(
      `render -f ${profile} -f ${files}/shop.yaml -f ${directory}/istiod.yaml ${WITH_MESH} -o name`,
    );
    assert.match(stderr, /no AuthorizationPolicies for shop here: ambient mode needs baseline\.mesh: Allow/);
  });
});

describe('an AuthorizationPolicy of the root namespace', () => {
  const files = directoryOf({
    'pods.yaml': `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Namespace
metadata: {name: mesh-root}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: mesh-root}
spec: {}
`,
    'root.yaml': `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: "rootNamespace: mesh-root"}
`,
  });
  const flow = `explain shop/pod/cart shop/pod/web -f ${files}/pods.yaml -f ${directory}/istiod.yaml`;

  it('is for the whole mesh if the mesh configuration names that namespace', async () => {
    const { stdout, code } = await cli(`${flow} -f ${files}/root.yaml`);
    assert.match(stdout, /Ingress {2}denied: AuthorizationPolicy mesh-root\/nobody limits it/);
    assert.equal(code, 1);
  });

  it('is for its own namespace if the mesh configuration names another one', async () => {
    assert.equal((await cli(flow)).code, 0);
  });
});

describe('a flow between pods in ambient mode', () => {
  const files = directoryOf({
    'pods.yaml': `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart, namespace: shop, labels: {app: cart}}
spec: {containers: [{name: a, image: a}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: cart}}}], ports: [{port: 8080}]}]}
`,
    'tunnel.yaml': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: tunnel, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 15008}]}]}
`,
    'flows.yaml':
      'checks: [{name: orders, from: shop/pod/cart, to: shop/pod/web, port: 8080, expect: allow}]\n',
  });
  const flow = `explain shop/pod/cart shop/pod/web -f ${files}/pods.yaml`;

  it('is explained by the policies of the port of the tunnel', async () => {
    const { stdout, stderr, code } = await cli(flow);
    assert.equal(code, 1);
    assert.match(stdout, /^DENIED {2}shop\/pod\/cart → shop\/pod\/web {2}TCP 8080 through port 15008$/m);
    assert.match(stdout, /Ingress {2}denied: NetworkPolicy shop\/web limits/);
    assert.match(stdout, /ports:\n +- protocol: TCP\n +port: 15008/);
    assert.doesNotMatch(stderr, /beside the mesh/);
    const { stdout: open, code: opened } = await cli(`${flow} -f ${files}/tunnel.yaml`);
    assert.equal(opened, 0);
    assert.match(open, /Ingress {2}allowed by rule 1 of NetworkPolicy shop\/tunnel/);
  });

  it('gets no suggestion of a connection whose egress rule the tunnel can not carry', async () => {
    const profile = (spec: string) => `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec:
  namespaceSelector: {matchLabels: {istio.io/dataplane-mode: ambient}}
  baseline: {dns: Deny, admissionWebhooks: Deny, mesh: Allow}
  ${spec}
`;
    const profiles = directoryOf({
      'both.yaml': profile('mesh: {authorization: Enforce}'),
      'without-mesh.yaml': profile('isolation: [Ingress]'),
      'ingress.yaml': profile('isolation: [Ingress]\n  mesh: {authorization: Enforce}'),
      'meant.yaml': profile(
        'isolation: [Ingress]\n  ingress: [{name: cart, from: [{podSelector: {}}], ports: [{port: 8080}]}]',
      ),
    });
    const explained = async (file: string) => {
      const { stdout, stderr } = await cli(`${flow} -f ${profiles}/${file}`);
      return stdout + stderr;
    };
    const both = await explained('both.yaml');
    assert.doesNotMatch(both, /connections:/);
    assert.match(both, /add an egress rule to shop\/pod\/web without ports to SegmentationProfile shop/);
    assert.match(
      both,
      /add an ingress rule from shop\/pod\/cart with these ports to SegmentationProfile shop/,
    );
    const unsaid = await explained('without-mesh.yaml');
    assert.doesNotMatch(unsaid, /connections:/);
    assert.match(
      unsaid,
      /set baseline\.mesh: Allow and mesh\.authorization: Enforce in SegmentationProfile shop/,
    );
    assert.match(await explained('ingress.yaml'), /connections:[^]*port: 8080/);
    const meant = await explained('meant.yaml');
    assert.match(meant, /rule cart of profile shop .* means it, and does not hold for the port by which/);
    assert.match(meant, /set baseline\.mesh: Allow and mesh\.authorization: Enforce in SegmentationProfile/);
    assert.doesNotMatch(meant, /PeersResolved/);
  });

  it('is checked by them, and is a link of a matrix', async () => {
    assert.equal((await cli(`check ${files}/flows.yaml -f ${files}/pods.yaml`)).code, 1);
    const all = `-f ${files}/pods.yaml -f ${files}/tunnel.yaml`;
    assert.equal((await cli(`check ${files}/flows.yaml ${all}`)).code, 0);
    const { stdout } = await cli(`matrix ${all}`);
    assert.match(stdout, /^shop\/cart +shop\/web +all TCP ports$/m);
  });

  it('is explained by its own port, with a note, by NetworkPolicies alone', async () => {
    const { code, stderr } = await cli(`${flow} --only-network-policies`);
    assert.equal(code, 0);
    assert.match(stderr, /those of members arrive on port 15008/);
  });
});
