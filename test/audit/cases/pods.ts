/** Cases of the checks of the family Pods. The controls of the Pod Security Standards are also judged in test/oracle. */
import type { Container, PodSpec } from '../../../src/audit/pod-spec.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { type CheckCases, namespace, object, pod, world } from '../world.ts';

const of = (spec: PodSpec) => world({ pods: [pod('shop/web', spec)] });
const container = (fields: Partial<Container> = {}) => of({ containers: [{ name: 'web', ...fields }] });
const secured = (securityContext: Container['securityContext']) =>
  container(securityContext === undefined ? {} : { securityContext });
const inTemplate = (path: string) => `Deployment shop/web spec.template.spec.${path}`;
const inContainer = (path: string) => inTemplate(`containers[web].${path}`);
const image = (name: string, imagePullPolicy?: string) =>
  container({ image: name, ...(imagePullPolicy !== undefined && { imagePullPolicy }) });
const DIGEST = `sha256:${'0'.repeat(64)}`;

/** The shop under a profile. */
const segmented = (...objects: ReturnType<typeof object>[]) =>
  world({
    namespaces: [namespace('shop', { team: 'shop' })],
    pods: [pod('shop/web')],
    enforced: ['shop'],
    objects,
  });
/** A namespace with labels, in which a profile asks for levels. */
const asking = (podSecurity: object, labels: Readonly<Record<string, string>>, more: object = {}) =>
  world({
    namespaces: [namespace('shop', labels)],
    pods: [pod('shop/web')],
    profiles: [
      {
        metadata: { name: 'shop' },
        spec: { workloads: { podSecurity: { version: 'latest', ...podSecurity } } },
      } as SegmentationProfile,
    ],
    enforced: ['shop'],
    ...more,
  });
const LEVEL = 'pod-security.kubernetes.io/enforce';
const ALL_KINDS = [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['CREATE'], resources: ['*'] }];
const webhook = (name: string, namespaceSelector: object = {}) =>
  object('ValidatingWebhookConfiguration', name, {
    webhooks: [{ name, namespaceSelector, rules: ALL_KINDS }],
  });
const kyverno = (resources: object) =>
  object('KyvernoClusterPolicy', 'signed', {
    spec: {
      validationFailureAction: 'Enforce',
      rules: [
        {
          match: { any: [{ resources: { kinds: ['Pod'], ...resources } }] },
          verifyImages: [{ imageReferences: ['*'], attestors: [{}] }],
        },
      ],
    },
  });

export const POD_CASES: Readonly<Record<string, CheckCases>> = {
  'namespace-pod-security': {
    good: {
      'an enforced level': world({
        namespaces: [namespace('shop', { 'pod-security.kubernetes.io/enforce': 'baseline' })],
        pods: [pod('shop/web')],
      }),
      'a namespace without pods': world({ namespaces: ['shop'] }),
      'a namespace of which no manifest tells the labels': world({
        namespaces: [{ ...namespace('shop'), isAssumed: true }],
        pods: [pod('shop/web')],
      }),
      'a namespace of a profile that asks for a level, which another check reports': asking(
        { enforce: 'baseline' },
        {},
      ),
    },
    bad: {
      'a namespace of a profile that asks for warnings alone': [
        asking({ warn: 'baseline' }, {}),
        `Namespace shop metadata.labels[${LEVEL}]`,
      ],
      'a namespace without the label, and one with a level that does not exist': [
        world({
          namespaces: [namespace('pay', { 'pod-security.kubernetes.io/enforce': 'strict' })],
          pods: [pod('shop/web'), pod('pay/api')],
        }),
        'Namespace shop metadata.labels[pod-security.kubernetes.io/enforce]',
        'Namespace pay metadata.labels[pod-security.kubernetes.io/enforce]',
      ],
    },
  },
  'namespace-pod-security-below-profile': {
    good: {
      'the level of the profile': asking({ enforce: 'baseline' }, { [LEVEL]: 'baseline' }),
      'a higher level': asking({ enforce: 'baseline' }, { [LEVEL]: 'restricted' }),
      'a profile that asks for no level': asking({}, {}),
      'a profile that is not enforced': asking({ enforce: 'baseline' }, {}, { enforced: [] }),
      'a label that the operator will set, among manifests': asking(
        { enforce: 'baseline' },
        {},
        { isComplete: false },
      ),
      'a newer version': asking(
        { enforce: 'baseline', version: 'v1.30' },
        { [LEVEL]: 'baseline', [`${LEVEL}-version`]: 'v1.31' },
      ),
    },
    bad: {
      'a lower level': [
        asking({ enforce: 'restricted' }, { [LEVEL]: 'baseline' }),
        `Namespace shop metadata.labels[${LEVEL}]`,
      ],
      'a lower level among manifests, which the operator leaves alone': [
        asking({ enforce: 'restricted' }, { [LEVEL]: 'baseline' }, { isComplete: false }),
        `Namespace shop metadata.labels[${LEVEL}]`,
      ],
      'an older version': [
        asking({ enforce: 'baseline' }, { [LEVEL]: 'baseline', [`${LEVEL}-version`]: 'v1.31' }),
        `Namespace shop metadata.labels[${LEVEL}]`,
      ],
      'a value that is no level': [
        asking({ enforce: 'baseline' }, { [LEVEL]: 'strict' }),
        `Namespace shop metadata.labels[${LEVEL}]`,
      ],
      'every mode by itself': [
        asking({ enforce: 'baseline', warn: 'restricted', audit: 'restricted' }, { [LEVEL]: 'baseline' }),
        'Namespace shop metadata.labels[pod-security.kubernetes.io/warn]',
        'Namespace shop metadata.labels[pod-security.kubernetes.io/audit]',
      ],
      'a namespace without pods': [
        asking({ enforce: 'baseline' }, {}, { pods: [] }),
        `Namespace shop metadata.labels[${LEVEL}]`,
      ],
    },
  },
  'pod-privileged': {
    good: { 'a container that is not privileged': secured({ privileged: false }) },
    bad: {
      'a privileged init container': [
        of({ initContainers: [{ name: 'init', securityContext: { privileged: true } }] }),
        inTemplate('initContainers[init].securityContext.privileged'),
      ],
    },
  },
  'pod-host-namespaces': {
    good: { 'a pod in its own namespaces': container() },
    bad: {
      'a pod that sees the processes of its node': [
        of({ hostPID: true, hostIPC: false }),
        inTemplate('hostPID'),
      ],
    },
  },
  'pod-host-path': {
    good: { 'an emptyDir': of({ volumes: [{ name: 'tmp', emptyDir: {} }] }) },
    bad: {
      "the container runtime's socket": [
        of({ volumes: [{ name: 'run', hostPath: { path: '/run/containerd' } }] }),
        inTemplate('volumes[run].hostPath'),
      ],
    },
  },
  'pod-host-ports': {
    good: { 'a container port': container({ ports: [{ containerPort: 80 }] }) },
    bad: {
      'a port of the node': [
        container({ ports: [{ containerPort: 80, hostPort: 80 }] }),
        inContainer('ports[80].hostPort'),
      ],
    },
  },
  'pod-added-capabilities': {
    good: { 'a capability that runtimes give': secured({ capabilities: { add: ['CHOWN'] } }) },
    bad: {
      NET_ADMIN: [
        secured({ capabilities: { add: ['NET_ADMIN'] } }),
        inContainer('securityContext.capabilities.add'),
      ],
    },
  },
  'pod-app-armor': {
    good: { 'a profile of the node': secured({ appArmorProfile: { type: 'Localhost' } }) },
    bad: {
      'no profile': [
        secured({ appArmorProfile: { type: 'Unconfined' } }),
        inContainer('securityContext.appArmorProfile.type'),
      ],
      'no profile by annotation': [
        world({
          pods: [
            pod(
              'shop/web',
              {},
              { annotations: { 'container.apparmor.security.beta.kubernetes.io/web': 'unconfined' } },
            ),
          ],
        }),
        'Deployment shop/web metadata.annotations[container.apparmor.security.beta.kubernetes.io/web]',
      ],
    },
  },
  'pod-selinux-options': {
    good: { 'a container type': of({ securityContext: { seLinuxOptions: { type: 'container_t' } } }) },
    bad: {
      'a type without limits': [
        of({ securityContext: { seLinuxOptions: { type: 'spc_t' } } }),
        inTemplate('securityContext.seLinuxOptions.type'),
      ],
    },
  },
  'pod-proc-mount': {
    good: {
      'an unmasked /proc in a user namespace': of({
        hostUsers: false,
        containers: [{ name: 'web', securityContext: { procMount: 'Unmasked' } }],
      }),
    },
    bad: {
      'an unmasked /proc': [secured({ procMount: 'Unmasked' }), inContainer('securityContext.procMount')],
    },
  },
  'pod-seccomp-unconfined': {
    good: { 'a pod that says nothing': container() },
    bad: {
      'an unconfined container': [
        secured({ seccompProfile: { type: 'Unconfined' } }),
        inContainer('securityContext.seccompProfile.type'),
      ],
    },
  },
  'pod-sysctls': {
    good: { 'a safe sysctl': of({ securityContext: { sysctls: [{ name: 'net.ipv4.tcp_syncookies' }] } }) },
    bad: {
      'a sysctl of the node': [
        of({ securityContext: { sysctls: [{ name: 'kernel.msgmax' }] } }),
        inTemplate('securityContext.sysctls[kernel.msgmax]'),
      ],
    },
  },
  'pod-windows-host-process': {
    good: {
      'a Windows pod': of({
        os: { name: 'windows' },
        securityContext: { windowsOptions: { hostProcess: false } },
      }),
    },
    bad: {
      'a HostProcess pod': [
        of({ securityContext: { windowsOptions: { hostProcess: true } } }),
        inTemplate('securityContext.windowsOptions.hostProcess'),
      ],
    },
  },
  'pod-probe-hosts': {
    good: { 'a probe of the pod': container({ livenessProbe: { httpGet: {} } }) },
    bad: {
      'a probe of another host': [
        container({ readinessProbe: { tcpSocket: { host: '10.0.0.1' } } }),
        inContainer('readinessProbe.tcpSocket.host'),
      ],
    },
  },
  'pod-privilege-escalation': {
    good: { 'a container that forbids it': secured({ allowPrivilegeEscalation: false }) },
    bad: {
      'a container that says nothing': [container(), inContainer('securityContext.allowPrivilegeEscalation')],
    },
  },
  'pod-capabilities-kept': {
    good: {
      'a container that drops all': secured({ capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] } }),
    },
    bad: {
      'a container that drops some': [
        secured({ capabilities: { drop: ['NET_RAW'] } }),
        inContainer('securityContext.capabilities.drop'),
      ],
    },
  },
  'pod-proc-mount-in-user-namespace': {
    good: { 'a masked /proc': secured({ procMount: 'Default' }) },
    bad: {
      'an unmasked /proc in a user namespace': [
        of({ hostUsers: false, containers: [{ name: 'web', securityContext: { procMount: 'Unmasked' } }] }),
        inContainer('securityContext.procMount'),
      ],
    },
  },
  'pod-volume-types': {
    good: {
      'a claim, and a volume without source': of({
        volumes: [{ name: 'data', persistentVolumeClaim: {} }, { name: 'tmp' }],
      }),
      'a path of the node, which another check reports': of({
        volumes: [{ name: 'data', hostPath: { path: '/data' } }],
      }),
    },
    bad: {
      'an nfs volume': [
        of({ volumes: [{ name: 'data', nfs: { server: 'a' } }] }),
        inTemplate('volumes[data]'),
      ],
    },
  },
  'pod-run-as-root-possible': {
    good: {
      'a pod that forbids root': of({
        securityContext: { runAsNonRoot: true },
        containers: [{ name: 'web' }],
      }),
      'root of a user namespace': of({ hostUsers: false, containers: [{ name: 'web' }] }),
    },
    bad: { 'a container that says nothing': [container(), inContainer('securityContext.runAsNonRoot')] },
  },
  'pod-run-as-root': {
    good: { 'a user of its own': of({ securityContext: { runAsUser: 1000 } }) },
    bad: {
      'the user 0': [of({ securityContext: { runAsUser: 0 } }), inTemplate('securityContext.runAsUser')],
    },
  },
  'pod-seccomp-not-set': {
    good: {
      'a filter of the pod': of({
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        containers: [{ name: 'web' }],
      }),
      'a filter that is switched off, which another check reports': of({
        securityContext: { seccompProfile: { type: 'RuntimeDefault' } },
        containers: [{ name: 'web', securityContext: { seccompProfile: { type: 'Unconfined' } } }],
      }),
    },
    bad: { 'no filter': [container(), inContainer('securityContext.seccompProfile')] },
  },
  'image-signature-unverified': {
    good: {
      'a namespace whose webhook verifies': segmented(
        object('ClusterImagePolicy', 'signed', { spec: { images: [{ glob: '**' }] } }),
        webhook('policy.sigstore.dev', { matchLabels: { team: 'shop' } }),
      ),
      'a policy of Kyverno that names the namespace': segmented(
        kyverno({ namespaces: ['sh*'] }),
        webhook('mutate.kyverno.svc-fail'),
      ),
      'a policy of Kyverno for pods that are not known here': segmented(
        kyverno({ selector: { matchLabels: { app: 'web' } } }),
        webhook('mutate.kyverno.svc-fail'),
      ),
      'Ratify behind Gatekeeper': segmented(
        object('RatifyVerifier', 'notation'),
        webhook('validation.gatekeeper.sh'),
      ),
      'a namespace without a profile': world({ pods: [pod('shop/web')] }),
      'manifests, which describe no verifier': { ...segmented(), isComplete: false },
    },
    bad: {
      'a namespace without any verifier': [segmented(), 'Namespace shop'],
      'a webhook that other namespaces asked for': [
        segmented(
          object('ClusterImagePolicy', 'signed'),
          webhook('policy.sigstore.dev', { matchLabels: { team: 'bank' } }),
        ),
        'Namespace shop',
      ],
      'a webhook of the policy controller without a policy': [
        segmented(webhook('policy.sigstore.dev')),
        'Namespace shop',
      ],
      'a policy of Kyverno for another namespace': [
        segmented(kyverno({ namespaces: ['bank'] }), webhook('mutate.kyverno.svc-fail')),
        'Namespace shop',
      ],
    },
  },
  'image-latest': {
    good: {
      'a version': image('nginx:1.27'),
      'latest with a digest': image(`nginx@${DIGEST}`),
      'a registry with a port': image('localhost:5000/nginx:1.27'),
    },
    bad: {
      'no tag': [image('nginx'), inContainer('image')],
      'no tag, behind a registry with a port': [image('localhost:5000/nginx'), inContainer('image')],
    },
  },
  'image-without-digest': {
    good: {
      'a digest': image(`nginx:1.27@${DIGEST}`),
      'latest, which has a check of its own': image('nginx'),
    },
    bad: {
      'a tag': [image('nginx:1.27'), inContainer('image')],
      'an image volume': [
        of({ volumes: [{ name: 'model', image: { reference: 'registry.example.com/model:1' } }] }),
        inTemplate('volumes[model].image.reference'),
      ],
    },
  },
  'image-registry': {
    options: { registries: ['registry.example.com', 'docker.io/library', 'index.example.com:5000/team'] },
    good: {
      'an allowed host': image('registry.example.com/app:1'),
      'docker.io, which is implied': image('nginx:1.27'),
      'an allowed path': image('index.example.com:5000/team/app:1'),
    },
    bad: {
      'a host that begins alike': [image('registry.example.com.evil/app:1'), inContainer('image')],
      'another path': [image('index.example.com:5000/team-b/app:1'), inContainer('image')],
      'another owner at docker.io': [image('grafana/grafana:11'), inContainer('image')],
    },
  },
  'image-pull-policy': {
    good: {
      'a version that is kept': image('nginx:1.27', 'IfNotPresent'),
      'latest that is asked for': image('nginx', 'Always'),
    },
    bad: {
      'latest that is kept': [image('nginx', 'IfNotPresent'), inContainer('image')],
      'an image that is never pulled': [image('nginx:1.27', 'Never'), inContainer('image')],
    },
  },
  'pod-resources': {
    good: {
      'requests and a limit': container({ resources: { requests: { cpu: '1' }, limits: { memory: '1Gi' } } }),
      'resources of the pod': of({
        resources: { limits: { cpu: '1', memory: '1Gi' } },
        containers: [{ name: 'web' }],
      }),
    },
    bad: {
      'no limit for memory': [
        container({ resources: { requests: { cpu: '1', memory: '1Gi' } } }),
        inContainer('resources'),
      ],
    },
  },
  'pod-writable-root': {
    good: { 'a read-only root': secured({ readOnlyRootFilesystem: true }) },
    bad: {
      'a container that says nothing': [container(), inContainer('securityContext.readOnlyRootFilesystem')],
    },
  },
  'pod-readiness-probe': {
    good: {
      'a container without ports': container(),
      'a probe': container({ ports: [{ containerPort: 80 }], readinessProbe: {} }),
    },
    bad: {
      'a container that serves a port': [
        container({ ports: [{ containerPort: 80 }] }),
        inContainer('readinessProbe'),
      ],
    },
  },
};
