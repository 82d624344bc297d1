// The limits of spec.workloads for pods: each with a pod that breaks it, and one within it.

export const DIGEST = `sha256:${'a'.repeat(64)}`;
export const GOOD = 'registry.example.com/app:1';
export const one = (image: string, more: object = {}) => ({ containers: [{ name: 'main', image }], ...more });

const secured = (securityContext: object) => ({ name: 'init', image: 'x', securityContext });
const sized = (resources: object) => ({ containers: [{ name: 'main', image: 'x', resources }] });

export interface Limit {
  readonly workloads: object;
  readonly broken: object;
  readonly kept: object;
  /** The words about the broken pod, after the name of the profile. */
  readonly message: string;
  /** Ephemeral containers that break the limit, and that keep it, if it is for them. */
  readonly ephemeral?: { readonly broken: object; readonly kept: object };
}

const debug = (more: object) => ({ name: 'debug', image: GOOD, ...more });

export const REGISTRIES = { images: { registries: ['registry.example.com'] } };

export const LIMITS: Readonly<Record<string, Limit>> = {
  'images.registries': {
    workloads: REGISTRIES,
    broken: one('registry.example.com.evil/app'),
    kept: one(GOOD),
    ephemeral: { broken: debug({ image: 'registry.example.com.evil/app' }), kept: debug({}) },
    message:
      'image registry.example.com.evil/app is from none of its workloads.images.registries: use an image from registry.example.com',
  },
  'images.digest': {
    workloads: { images: { digest: 'Required' } },
    broken: one(GOOD),
    kept: one(`${GOOD}@${DIGEST}`),
    message:
      'image registry.example.com/app:1 has no digest, which its workloads.images.digest requires: append @sha256:DIGEST',
  },
  'images.tags': {
    workloads: { images: { tags: { deny: ['latest'] }, exempt: ['docker.io/library/pause'] } },
    broken: {
      containers: [
        { name: 'pause', image: 'pause' },
        { name: 'main', image: 'nginx' },
      ],
    },
    kept: {
      containers: [
        { name: 'pause', image: 'pause' },
        { name: 'main', image: 'nginx:1' },
      ],
    },
    message:
      'image nginx is used by a tag that its workloads.images.tags.deny names: use the tag of a version, or a digest',
  },
  'resources.requests': {
    workloads: { resources: { requests: ['cpu', 'memory'] } },
    broken: sized({ requests: { cpu: 1 } }),
    kept: sized({ requests: { cpu: 1 }, limits: { memory: '1Gi' } }),
    message:
      'container main has no request for memory, which its workloads.resources.requests requires: write it, or have a LimitRange of the namespace set it',
  },
  'resources.limits': {
    workloads: { resources: { limits: ['memory'] } },
    broken: { ...sized({ limits: { memory: '1Gi' } }), initContainers: [{ name: 'init', image: 'x' }] },
    kept: sized({ limits: { memory: '1Gi' } }),
    message:
      'container init has no limit for memory, which its workloads.resources.limits requires: write it, or have a LimitRange of the namespace set it',
  },
  'resources.maxLimits': {
    workloads: { resources: { maxLimits: { memory: '1Gi', cpu: 2 } } },
    broken: sized({ limits: { memory: '1025Mi', cpu: '500m' } }),
    kept: sized({ limits: { memory: '1024Mi', cpu: '2000m' } }),
    message:
      'container main has a limit for memory of 1025Mi; its workloads.resources.maxLimits admits limits up to cpu 2, memory 1Gi',
  },
  'serviceAccounts.defaultAccount': {
    workloads: { serviceAccounts: { defaultAccount: 'Deny' } },
    broken: one('x'),
    kept: one('x', { serviceAccountName: 'web' }),
    message:
      'the pod runs as the ServiceAccount default, which its workloads.serviceAccounts.defaultAccount denies: create a ServiceAccount for it, and name it as serviceAccountName',
  },
  'serviceAccounts.allowed': {
    workloads: { serviceAccounts: { allowed: ['web'] } },
    broken: one('x', { serviceAccountName: 'default' }),
    kept: one('x', { serviceAccountName: 'web' }),
    message:
      'the pod runs as the ServiceAccount default, which is none of its workloads.serviceAccounts.allowed: use web',
  },
  'serviceAccounts.automountToken: Deny': {
    workloads: { serviceAccounts: { automountToken: 'Deny' } },
    broken: one('x', { automountServiceAccountToken: true }),
    kept: one('x', { automountServiceAccountToken: false }),
    message:
      'the pod gets a token of its ServiceAccount, which its workloads.serviceAccounts.automountToken denies: write automountServiceAccountToken: false',
  },
  'serviceAccounts.automountToken: IfUsed': {
    workloads: { serviceAccounts: { automountToken: 'IfUsed' } },
    broken: one('x'),
    kept: one('x', { automountServiceAccountToken: true }),
    message:
      'the pod gets a token of its ServiceAccount without asking for it, which its workloads.serviceAccounts.automountToken denies: write automountServiceAccountToken: false or, if the pod uses the API server, true',
  },
  'exposure.hostPort': {
    workloads: { exposure: { hostPort: 'Deny' } },
    broken: { containers: [{ name: 'main', image: 'x', ports: [{ containerPort: 80, hostPort: 80 }] }] },
    kept: { containers: [{ name: 'main', image: 'x', ports: [{ containerPort: 80 }] }] },
    message:
      'container main has the host port 80, which its workloads.exposure.hostPort denies: remove hostPort, and hostNetwork, which implies it',
  },
  'privileged.hostNetwork': {
    workloads: { privileged: { hostNetwork: 'Deny' } },
    broken: one('x', { hostNetwork: true }),
    kept: one('x', { hostNetwork: false, hostPID: true }),
    message: 'the pod has hostNetwork, which its workloads.privileged.hostNetwork denies: remove it',
  },
  'privileged.hostPID': {
    workloads: { privileged: { hostPID: 'Deny', hostIPC: 'Deny' } },
    broken: one('x', { hostPID: true }),
    kept: one('x', { hostNetwork: true }),
    message: 'the pod has hostPID, which its workloads.privileged.hostPID denies: remove it',
  },
  'privileged.hostPath': {
    workloads: { privileged: { hostPath: 'Deny' } },
    broken: one('x', { volumes: [{ name: 'host', hostPath: { path: '/' } }] }),
    kept: one('x', { volumes: [{ name: 'host', emptyDir: {} }] }),
    message:
      'the volume host is a path of the node, which its workloads.privileged.hostPath denies: use another kind of volume',
  },
  'privileged.privileged': {
    workloads: { privileged: { privileged: 'Deny' } },
    broken: { ...one('x'), initContainers: [secured({ privileged: true })] },
    kept: { ...one('x'), initContainers: [secured({ privileged: false })] },
    ephemeral: {
      broken: { ...debug({ securityContext: { privileged: true } }), name: 'init' },
      kept: debug({}),
    },
    message:
      'container init is privileged, which its workloads.privileged.privileged denies: remove privileged and hostProcess from its securityContext',
  },
  'privileged.capabilities': {
    workloads: { privileged: { capabilities: { allowed: ['NET_BIND_SERVICE'] } } },
    broken: {
      ...one('x'),
      initContainers: [secured({ capabilities: { add: ['NET_BIND_SERVICE', 'SYS_ADMIN'] } })],
    },
    kept: {
      ...one('x'),
      initContainers: [secured({ capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] } })],
    },
    ephemeral: {
      broken: { ...debug({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }), name: 'init' },
      kept: debug({}),
    },
    message:
      'container init adds the capability SYS_ADMIN, which is none of its workloads.privileged.capabilities.allowed: remove it',
  },
};
