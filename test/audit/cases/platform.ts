/** Cases of the checks of the family Platform. */
import schema from '../../../src/api/generated/segmentation-profile.schema.json' with { type: 'json' };
import type { AuditPod } from '../../../src/audit/snapshot.ts';
import { version } from '../../../src/util/version.ts';
import { type CheckCases, object, pod, world } from '../world.ts';

const node = (name: string, kubeletVersion: string) =>
  object('Node', name, { status: { nodeInfo: { kubeletVersion } } });

/** A static pod of a control plane node. */
const staticPod = (component: string, release: string, flags: string[] = [], name = 'cp-1'): AuditPod =>
  pod(
    `kube-system/${component}-${name}`,
    { containers: [{ name: component, image: `registry.k8s.io/${component}:v1.${release}`, flags }] },
    { workload: { kind: 'Pod', namespace: 'kube-system', name: `${component}-${name}` } },
  );

const apiServer = (...flags: string[]) => staticPod('kube-apiserver', '36.1', flags);

const CRD = 'segmentationprofiles.segmentation.dev';
const crd = (openAPIV3Schema: object, rest: object = {}, version = 'v1alpha1') =>
  object('CustomResourceDefinition', CRD, {
    spec: { versions: [{ name: version, served: true, schema: { openAPIV3Schema } }] },
    ...rest,
  });
const { ingress: _, ...olderFields } = schema.properties.spec.properties;
const older = {
  ...schema,
  properties: { ...schema.properties, spec: { ...schema.properties.spec, properties: olderFields } },
};

const operator = (tag: string) =>
  pod(
    'segmentation-system/operator',
    { containers: [{ name: 'manager', image: `ghcr.io/example/segmentation-operator:${tag}` }] },
    {
      labels: {
        'app.kubernetes.io/name': 'segmentation-operator',
        'app.kubernetes.io/component': 'controller',
      },
    },
  );

const use = (apiVersion: string, kind: string) =>
  ({ object: { kind, namespace: 'shop', name: 'web' }, apiVersion, way: 'manifest' }) as const;

export const PLATFORM_CASES: Readonly<Record<string, CheckCases>> = {
  'version-skew': {
    good: {
      'kubelets of three versions before the API server': world({
        objects: [node('new', 'v1.36.1'), node('old', 'v1.33.9-eks-1234567')],
        serverVersion: 'v1.36.3',
      }),
      'API servers of two versions during an upgrade': world({
        pods: [staticPod('kube-apiserver', '35.4'), staticPod('kube-apiserver', '36.0', [], 'cp-2')],
        objects: [node('old', 'v1.35.4')],
      }),
      'a cluster of which nobody knows the version': world({ objects: [node('old', 'v1.20.0')] }),
      'a version that names no release': world({ objects: [node('odd', 'main')], serverVersion: 'v1.36.3' }),
    },
    bad: {
      'a kubelet that is four versions older': [
        world({ objects: [node('old', 'v1.32.0')], serverVersion: 'v1.36.3' }),
        'Node old',
      ],
      'a kubelet that is newer than the oldest API server': [
        world({
          pods: [staticPod('kube-apiserver', '35.4'), staticPod('kube-apiserver', '36.0', [], 'cp-2')],
          objects: [node('new', 'v1.36.0')],
        }),
        'Node new',
      ],
      'API servers that differ by two versions': [
        world({
          pods: [staticPod('kube-apiserver', '34.0'), staticPod('kube-apiserver', '36.0', [], 'cp-2')],
        }),
        'Service default/kubernetes',
      ],
      'a scheduler that is two versions older, and a kube-proxy that is newer': [
        world({
          pods: [staticPod('kube-scheduler', '34.0'), staticPod('kube-proxy', '37.0')],
          serverVersion: 'v1.36.3',
        }),
        'Pod kube-system/kube-proxy-cp-1',
        'Pod kube-system/kube-scheduler-cp-1',
      ],
    },
  },
  'removed-api': {
    good: {
      'versions that stay': world({ apiUses: [use('apps/v1', 'Deployment')], isComplete: false }),
      'a version that a release far ahead removes': world({
        apiUses: [use('resource.k8s.io/v1beta2', 'ResourceClaim')],
        serverVersion: 'v1.34.0',
      }),
      'a field manager that wrote years ago by a version that is gone': world({
        apiUses: [{ ...use('networking.k8s.io/v1beta1', 'Ingress'), way: 'manager', manager: 'kubectl' }],
        serverVersion: 'v1.36.3',
      }),
    },
    bad: {
      'a manifest of a version that is gone': [
        world({ apiUses: [use('policy/v1beta1', 'PodDisruptionBudget')], isComplete: false }),
        'PodDisruptionBudget shop/web apiVersion',
      ],
      'a field manager that writes by a version that the next release drops': [
        world({
          apiUses: [{ ...use('networking.k8s.io/v1beta1', 'ServiceCIDR'), way: 'manager', manager: 'tool' }],
          serverVersion: 'v1.36.3',
        }),
        'ServiceCIDR shop/web metadata.managedFields[tool]',
      ],
      'a manifest that kubectl apply cannot write again': [
        world({
          apiUses: [{ ...use('rbac.authorization.k8s.io/v1beta1', 'Role'), way: 'lastApplied' }],
          serverVersion: 'v1.36.3',
        }),
        'Role shop/web apiVersion',
      ],
    },
  },
  'admission-plugin-missing': {
    good: {
      'NodeRestriction beside the plugins that are on by default': world({
        pods: [apiServer('--enable-admission-plugins=NodeRestriction,AlwaysPullImages')],
      }),
      'an API server that is no pod, which nobody can judge': world({ pods: [pod('kube-system/dns')] }),
    },
    bad: {
      'an API server without flags': [
        world({ pods: [apiServer()] }),
        'Pod kube-system/kube-apiserver-cp-1 admission plugin NodeRestriction',
      ],
      'a plugin that is switched off': [
        world({
          pods: [
            apiServer(
              '--enable-admission-plugins=NodeRestriction',
              '--disable-admission-plugins=PodSecurity,ServiceAccount',
            ),
          ],
        }),
        'Pod kube-system/kube-apiserver-cp-1 admission plugin PodSecurity',
        'Pod kube-system/kube-apiserver-cp-1 admission plugin ServiceAccount',
      ],
    },
  },
  'network-plugin-missing': {
    good: {
      'a node that is ready': world({
        objects: [object('Node', 'n1', { status: { conditions: [{ type: 'Ready', status: 'True' }] } })],
      }),
      'a node that is not ready for another reason': world({
        objects: [
          object('Node', 'n1', {
            status: {
              conditions: [{ type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting' }],
            },
          }),
        ],
      }),
    },
    bad: {
      'a node whose runtime has no plugin': [
        world({
          objects: [
            object('Node', 'n1', {
              status: {
                conditions: [
                  {
                    type: 'Ready',
                    status: 'False',
                    message:
                      'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
                  },
                ],
              },
            }),
          ],
        }),
        'Node n1 status.conditions[Ready]',
      ],
    },
  },
  'crd-outdated': {
    good: {
      'the definition of this version': world({ objects: [crd(schema)] }),
      'a definition with further fields': world({
        objects: [crd({ ...schema, properties: { ...schema.properties, more: { type: 'object' } } })],
      }),
      'a cluster without the operator': world({}),
    },
    bad: {
      'a definition without a field': [
        world({ objects: [crd(older)] }),
        `CustomResourceDefinition ${CRD} spec.versions[v1alpha1].schema`,
      ],
      'a definition of another version': [
        world({ objects: [crd(schema, {}, 'v1')] }),
        `CustomResourceDefinition ${CRD} spec.versions`,
      ],
      'a stored version that is not served': [
        world({ objects: [crd(schema, { status: { storedVersions: ['v1alpha0', 'v1alpha1'] } })] }),
        `CustomResourceDefinition ${CRD} status.storedVersions`,
      ],
    },
  },
  'operator-version': {
    good: {
      'an operator of the same version': world({ pods: [operator(`v${version}`)] }),
      'an image that names no release': world({ pods: [operator('main')] }),
      'a cluster without the operator': world({ pods: [pod('shop/web')] }),
    },
    bad: {
      'an older operator': [
        world({ pods: [operator('v0.0.1')] }),
        'Deployment segmentation-system/operator image',
      ],
    },
  },
};
