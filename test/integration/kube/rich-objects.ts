/** A Pod and a Node with as many kinds of fields as fit: inline messages, quantities, times, bytes and numbers that may be names. */

const HANDLER = { httpGet: { path: '/ready', port: 'http', httpHeaders: [{ name: 'a', value: 'b' }] } };

export const RICH_POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'rich', labels: { app: 'rich' }, annotations: { 'a.b/c': 'ä "quoted"' } },
  spec: {
    nodeSelector: { disk: 'fast' },
    securityContext: {
      runAsUser: 0,
      fsGroup: 65_534,
      sysctls: [{ name: 'net.ipv4.tcp_syncookies', value: '1' }],
    },
    hostAliases: [{ ip: '127.0.0.1', hostnames: ['a', 'b'] }],
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 0 }],
    topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 5,
            podAffinityTerm: { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'rich' } } },
          },
        ],
      },
    },
    containers: [
      {
        name: 'main',
        image: 'registry.example/a',
        command: ['', 'b'],
        env: [
          { name: 'EMPTY' },
          { name: 'FROM', valueFrom: { configMapKeyRef: { name: 'c', key: 'k', optional: false } } },
          { name: 'SECRET', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } },
          { name: 'LIMIT', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
        ],
        envFrom: [{ prefix: 'P_', configMapRef: { name: 'c', optional: true } }],
        ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        resources: { limits: { cpu: '1500m', memory: '1.5Gi' }, requests: { cpu: '0.1', memory: '100e6' } },
        readinessProbe: { ...HANDLER, periodSeconds: 7 },
        livenessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 3 },
        startupProbe: { exec: { command: ['true'] }, terminationGracePeriodSeconds: 9 },
        lifecycle: { preStop: { sleep: { seconds: 1 } } },
        volumeMounts: [
          { name: 'all', mountPath: '/all', readOnly: true },
          { name: 'empty', mountPath: '/empty', subPath: 'x' },
        ],
        securityContext: {
          capabilities: { add: ['NET_ADMIN'], drop: ['ALL'] },
          readOnlyRootFilesystem: true,
        },
      },
    ],
    volumes: [
      { name: 'empty', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
      {
        name: 'config',
        configMap: { name: 'c', defaultMode: 256, items: [{ key: 'k', path: 'p', mode: 0 }] },
      },
      { name: 'secret', secret: { secretName: 's', optional: true } },
      { name: 'csi', csi: { driver: 'd.example', volumeAttributes: { a: 'b', __proto__: 'c' } } },
      {
        name: 'all',
        projected: {
          sources: [
            { serviceAccountToken: { audience: 'a', expirationSeconds: 3600, path: 't' } },
            { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
            { configMap: { name: 'c' } },
          ],
        },
      },
    ],
  },
};

export const RICH_NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'rich', labels: { 'kubernetes.io/os': 'linux' } },
  spec: {
    podCIDR: '10.244.9.0/24',
    podCIDRs: ['10.244.9.0/24'],
    providerID: 'test://rich',
    unschedulable: true,
    taints: [{ key: 'a', value: 'b', effect: 'NoSchedule', timeAdded: '2026-01-02T03:04:05Z' }],
  },
  status: {
    capacity: { cpu: '4', memory: '16Gi', pods: '110', 'example.org/device': '2' },
    allocatable: { cpu: '3920m', memory: '15.5Gi' },
    addresses: [
      { type: 'InternalIP', address: '192.0.2.9' },
      { type: 'Hostname', address: 'rich' },
    ],
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        reason: 'R',
        message: 'm',
        lastHeartbeatTime: '2026-01-02T03:04:05Z',
        lastTransitionTime: '2026-01-02T03:04:05Z',
      },
    ],
    images: [{ names: ['registry.example/a@sha256:0'], sizeBytes: 5_000_000_000 }],
    daemonEndpoints: { kubeletEndpoint: { Port: 10_250 } },
  },
};
