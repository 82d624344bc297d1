/**
 * Measures an audit: 10,000 pods of 5,000 workloads in 1,000 namespaces under one profile, and a foreign policy in every
 * fourth namespace, from objects as the API server lists them to the findings. `--namespaces N` sets the number of
 * namespaces. Seconds are of CPU time; those of the thread are of an audit in the cluster with the default bound of its
 * memory, and NaN if the objects do not fit. Prints one JSON object if it is run directly.
 */
import type { KubeObject } from '../src/api/meta.ts';
import { API_VERSION, KIND } from '../src/api/names.ts';
import type { NetworkPolicySpec } from '../src/api/network-policy.ts';
import type { SegmentationProfile } from '../src/api/profile.ts';
import { audit } from '../src/audit/audit.ts';
import { startThread } from '../src/audit-runner/worker/thread.ts';
import { CHECKS } from '../src/audit/registry.ts';
import { CLUSTER_DEFAULTS } from '../src/options/cluster-defaults.ts';
import { AUDIT_DEFAULTS } from '../src/options/parse.ts';
import { auditSnapshot } from '../src/snapshot/audit-snapshot.ts';
import { KNOWN_KINDS, ObjectSet } from '../src/snapshot/objects.ts';
import { Projection } from '../src/snapshot/projection.ts';
import { Snapshot } from '../src/snapshot/snapshot.ts';
import type { BenchOptions } from './run.ts';
import type { Figures } from './support/figures.ts';
import { heapMeter } from './support/heap.ts';

const WORKLOADS = ['web', 'api', 'worker', 'db', 'cache'] as const;
const REPLICAS = 2;
const UID = 'b0a8a1c2-0000-4000-8000-000000000000';

export async function run({ namespaces: count }: Pick<BenchOptions, 'namespaces'>): Promise<Figures> {
  const heap = heapMeter();
  const before = heap();
  const raw = listed(count);
  const objects = new ObjectSet();
  const projection = new Projection(true);
  const [, projectSeconds] = measured(() => {
    for (const object of raw) {
      const kind = KNOWN_KINDS.find((each) => each.kind === object.kind);
      if (kind !== undefined) objects.put(kind.kind, projection.of(object, kind));
    }
  });
  const [snapshot, snapshotSeconds] = measured(() => auditSnapshot(snapshotOf(objects, true)));
  const [{ findings }, auditSeconds] = measured(() => audit(snapshot));
  const seconds = CHECKS.map(({ id }) => [id, measured(() => audit(snapshot, { only: [id] }))[1]] as const);
  const [slowest] = seconds.toSorted(([, a], [, b]) => b - a);
  const widens = seconds.find(([id]) => id === 'foreign-policy-widens');
  const inThread = await threadSeconds(raw);
  raw.length = 0;
  return {
    namespaces: count,
    pods: snapshot.pods.length,
    policies: snapshot.policies.length,
    findings: findings.length,
    projectSeconds,
    snapshotSeconds,
    auditSeconds,
    slowestCheckSeconds: slowest?.[1] ?? Number.NaN,
    foreignPolicyWidensSeconds: widens?.[1] ?? Number.NaN,
    threadSeconds: inThread,
    snapshotMiB: heap() - before,
  };
}

/** Objects in a page, as the API server lists them for an audit. */
const PAGE = 500;

/** The CPU seconds of an audit as the operator runs it; NaN if the objects do not fit into its memory. */
async function threadSeconds(raw: readonly KubeObject[]): Promise<number> {
  const { maxMemoryMiB, minSeverity, skip, registries, waivers, maxResults } = AUDIT_DEFAULTS;
  const settings = {
    minSeverity,
    skip,
    registries,
    waivers,
    maxResults,
    protectedNamespaces: ['kube-system'],
    configuration: CLUSTER_DEFAULTS,
  };
  const before = process.cpuUsage();
  const thread = await startThread(settings, maxMemoryMiB);
  const { session } = thread;
  try {
    for (const kind of await session.kinds()) {
      const items = raw.filter((object) => object.kind === kind.kind);
      for (let at = 0; at < items.length; at += PAGE)
        await session.page(kind, JSON.stringify({ metadata: {}, items: items.slice(at, at + PAGE) }));
    }
    await session.judge('2026-01-01');
  } catch {
    return Number.NaN;
  } finally {
    await thread.end();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The result of `work`, and the CPU seconds that it took. */
function measured<T>(work: () => T): [T, number] {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return [result, (user + system) / 1e6];
}

function snapshotOf(objects: ObjectSet, isObserved: boolean): Snapshot {
  return new Snapshot({
    objects,
    assumed: [],
    unread: new Map(),
    configuration: CLUSTER_DEFAULTS,
    protectedNamespaces: ['kube-system'],
    origin: 'bench',
    isObserved,
    namespace: 'default',
  });
}

/** The objects of the cluster; the profile's policies are those that it compiles to. */
function listed(count: number): KubeObject[] {
  const objects = new ObjectSet();
  const names = Array.from({ length: count }, (_, index) => `tenant-${index}`);
  const given: KubeObject[] = [
    { kind: 'Namespace', metadata: { name: 'kube-system', labels: {} } },
    ...names.map((name, index) => ({
      kind: 'Namespace',
      metadata: { name, labels: { team: `team-${index % 50}`, 'kubernetes.io/metadata.name': name } },
    })),
    PROFILE,
    {
      kind: 'Service',
      metadata: { namespace: 'kube-system', name: 'kube-dns' },
      spec: { selector: { 'k8s-app': 'kube-dns' }, ports: [{ port: 53, protocol: 'UDP' }] },
    } as KubeObject,
    ...names.flatMap((namespace, index) => [
      ...WORKLOADS.flatMap((app, at) =>
        Array.from({ length: REPLICAS }, (_, replica) =>
          pod({ namespace, app, replica, ip: `10.${64 + (index >> 8)}.${index & 255}.${at * 10 + replica}` }),
        ),
      ),
      ...(index % 4 === 0 ? [foreign(namespace, index / 4)] : []),
    ]),
  ];
  for (const object of given) objects.put(object.kind ?? '', object);
  const own = snapshotOf(objects, false)
    .intents()
    .flatMap(({ policies }) => policies)
    .map((policy): KubeObject => ({ kind: 'NetworkPolicy', ...policy }));
  return structuredClone([...given, ...own]);
}

const PROFILE: KubeObject & SegmentationProfile = {
  apiVersion: API_VERSION,
  kind: KIND,
  metadata: { name: 'tenants', uid: UID, generation: 1 },
  spec: {
    mode: 'Enforce',
    namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] },
    isolation: ['Ingress', 'Egress'],
    deletionPolicy: 'Delete',
    baseline: {
      dns: 'Allow',
      admissionWebhooks: 'Deny',
      sameNamespace: 'Deny',
      kubeAPIServer: 'Deny',
      ingressControllers: 'Allow',
      monitoring: 'Allow',
      mesh: 'Deny',
    },
    connections: [
      {
        name: 'api-to-db',
        from: [{ sameNamespaceLabels: ['team'], podSelector: { matchLabels: { app: 'api' } } }],
        to: [{ sameNamespaceLabels: ['team'], podSelector: { matchLabels: { app: 'db' } } }],
        ports: [{ protocol: 'TCP', port: 5432 }],
      },
    ],
    ingress: [
      {
        name: 'from-team',
        from: [{ sameNamespaceLabels: ['team'] }],
        ports: [{ protocol: 'TCP', port: 8080 }],
      },
    ],
    egress: [
      { name: 'to-team', to: [{ sameNamespaceLabels: ['team'] }], ports: [{ protocol: 'TCP', port: 8080 }] },
      {
        name: 'to-mail',
        to: [{ ipBlock: { cidr: '198.51.100.0/24' } }],
        ports: [{ protocol: 'TCP', port: 587 }],
      },
    ],
  },
};

const POLICY_SHAPES: readonly NetworkPolicySpec[] = [
  { podSelector: { matchLabels: { app: 'web' } }, ingress: [{ ports: [{ port: 9090 }] }] },
  { podSelector: {}, ingress: [{ from: [{ namespaceSelector: {} }] }] },
  { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [{ namespaceSelector: {} }] }] },
  {
    podSelector: { matchLabels: { app: 'db' } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: 'worker' } } }], ports: [{ port: 5432 }] }],
  },
  {
    podSelector: {},
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'team-7' } } }] }],
  },
];

/** A policy that a tenant wrote: one of five shapes. */
function foreign(namespace: string, index: number): KubeObject {
  const spec = POLICY_SHAPES[index % POLICY_SHAPES.length];
  return { kind: 'NetworkPolicy', metadata: { namespace, name: 'tenant' }, spec } as KubeObject;
}

interface PodPlace {
  readonly namespace: string;
  readonly app: string;
  readonly replica: number;
  readonly ip: string;
}

function pod({ namespace, app, replica, ip }: PodPlace): KubeObject {
  const hash = '7d4b9c6f5d';
  return {
    kind: 'Pod',
    metadata: {
      namespace,
      name: `${app}-${hash}-${replica}`,
      labels: { app, 'pod-template-hash': hash },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-${hash}`, uid: UID, controller: true },
      ],
    },
    spec: {
      serviceAccountName: app,
      nodeName: `node-${replica}`,
      containers: [
        {
          name: app,
          image: `registry.example.com/${app}:1.0.0`,
          ports: [{ name: 'main', containerPort: app === 'db' ? 5432 : 8080 }],
          resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '64Mi' } },
          securityContext: { allowPrivilegeEscalation: false },
        },
      ],
    },
    status: { phase: 'Running', podIPs: [{ ip }] },
  } as KubeObject;
}

if (import.meta.main) console.log(JSON.stringify(await run({ namespaces: 1000 })));
