/** The count of existing objects that break limits of `spec.workloads`. */
import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { WorkloadViolations } from '../../../src/controller/workloads/violations.ts';
import { errorOfStatus } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { profile } from '../../policy/fixture.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const pod = (name: string, image: string) => ({
  metadata: { name },
  spec: { containers: [{ name: 'main', image }] },
});

describe('the count of objects that break limits of workloads', () => {
  const { signal } = new AbortController();
  let clock: VirtualClock;
  let clusterState: ClusterState;
  /** Pods by namespace; undefined for a namespace that is gone. */
  let pods: Map<string, ReturnType<typeof pod>[] | undefined>;
  /** TLSRoutes by version; undefined for a version that is not served. */
  let routes: (version: string) => readonly object[] | undefined;
  let asked: string[];
  let reported: string[];
  let counts: WorkloadViolations;

  const put = (spec: object = {}, metadata: object = {}): SegmentationProfile => {
    const base = profile({ workloads: { images: { action: 'Enforce', digest: 'Required' } }, ...spec });
    const stored = { ...base, metadata: { ...base.metadata, resourceVersion: '1', ...metadata } };
    clusterState.profiles.upsert(projectProfile(stored));
    return stored;
  };

  beforeEach(() => {
    clock = new VirtualClock();
    clusterState = new ClusterState(['kube-system']);
    pods = new Map();
    routes = () => [];
    asked = [];
    reported = [];
    for (const name of ['a', 'b', 'kube-system'])
      clusterState.namespaces.upsert(
        projectNamespace({ metadata: { name, uid: name, resourceVersion: '1' } }),
      );
    const transport: Transport = {
      request: async <T>(request: Request) => {
        asked.push(request.path);
        const version = /gateway\.networking\.k8s\.io\/([^/]+)\/.*tlsroutes/.exec(request.path)?.[1];
        if (version !== undefined) {
          const items = routes(version);
          if (items === undefined) throw errorOfStatus(request, { kind: 'Status', code: 404 });
          return { metadata: { resourceVersion: '1' }, items } as T;
        }
        const namespace = /namespaces\/([^/]+)\/pods/.exec(request.path)?.[1];
        const placed = (name: string) =>
          pods.get(name)?.map((each) => ({ ...each, metadata: { ...each.metadata, namespace: name } }));
        const all =
          namespace === undefined
            ? [...pods.keys()].flatMap((name) => placed(name) ?? [])
            : pods.has(namespace)
              ? placed(namespace)
              : [];
        if (all === undefined) throw errorOfStatus(request, { kind: 'Status', code: 404 });
        const { limit = all.length, continue: from = '0' } = request.query as {
          limit?: number;
          continue?: string;
        };
        const end = Number(from) + limit;
        const metadata = { resourceVersion: '1', continue: end < all.length ? `${end}` : '' };
        return { metadata, items: all.slice(Number(from), end) } as T;
      },
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    counts = new WorkloadViolations({
      clusterState,
      transport,
      clock,
      random: () => 0.5,
      onReport: (name) => reported.push(name),
    });
  });

  it('reads nothing while no profile uses workloads', async () => {
    clusterState.profiles.upsert(
      projectProfile({ metadata: { name: 'p', resourceVersion: '1' }, spec: { namespaceSelector: {} } }),
    );
    assert.deepEqual(await counts.reconcile(signal), { kind: 'done' });
    assert.deepEqual(asked, []);
  });

  it('counts all pages of the selected namespaces, and names the first ten objects', async () => {
    const bad = Array.from({ length: 450 }, (_, index) => pod(`bad-${String(index).padStart(3, '0')}`, 'x'));
    pods.set('b', [...bad, pod('good', `x@sha256:${'a'.repeat(64)}`)]);
    const stored = put();
    await counts.reconcile(signal);
    const [images] = counts.findings(stored)?.groups ?? [];
    assert.equal(images?.violating, 450);
    assert.deepEqual(
      images?.examples?.map(({ namespace, name }) => `${namespace}/${name}`),
      Array.from({ length: 10 }, (_, index) => `b/bad-00${index}`),
    );
    assert.match(images?.examples?.[0]?.message ?? '', /^image x has no digest/);
    assert.ok(asked.every((path) => !path.includes('kube-system')));
    assert.deepEqual(reported, ['segmented']);
  });

  it('counts again a minute after a change of the profile, and then every ten minutes', async () => {
    put();
    assert.deepEqual(await counts.reconcile(signal), { kind: 'again', afterMs: 75_000, priority: 10 });
    const first = asked.length;
    await counts.reconcile(signal);
    assert.equal(asked.length, first);
    await clock.advance(75_000);
    assert.deepEqual(await counts.reconcile(signal), { kind: 'again', afterMs: 600_000, priority: 10 });
    assert.equal(asked.length, 2 * first);
    put({ workloads: { images: { action: 'Warn', digest: 'Required' } } }, { resourceVersion: '2' });
    await counts.reconcile(signal);
    assert.equal(asked.length, 3 * first);
    assert.deepEqual(reported, ['segmented'], 'the findings are the same');
  });

  it('lists the whole cluster at once if most of its namespaces are selected', async () => {
    for (let index = 0; index < 30; index += 1)
      clusterState.namespaces.upsert(
        projectNamespace({ metadata: { name: `n${index}`, uid: `n${index}`, resourceVersion: '1' } }),
      );
    pods.set('n7', [pod('bad', 'x')]);
    pods.set('kube-system', [pod('bad', 'x')]);
    const stored = put();
    await counts.reconcile(signal);
    assert.deepEqual(asked, ['/api/v1/pods']);
    assert.equal(counts.findings(stored)?.groups[0]?.violating, 1);
  });

  it('lists routes in the newest version that the cluster serves', async () => {
    const versions = new Map([
      ['v1', undefined],
      ['v1alpha3', undefined],
      ['v1alpha2', []],
    ]);
    routes = (version) => versions.get(version);
    put({ workloads: { exposure: { action: 'Enforce', hosts: ['shop.example.com'] } } });
    await counts.reconcile(signal);
    const inNamespace = asked.filter((path) => path.includes('/namespaces/a/tlsroutes'));
    assert.deepEqual(
      inNamespace.map((path) => path.split('/')[3]),
      ['v1', 'v1alpha3', 'v1alpha2'],
    );
    asked = [];
    routes = () => [{ metadata: { name: 'all', namespace: 'a' }, spec: {} }];
    const stored = put(
      { workloads: { exposure: { action: 'Enforce', hosts: ['other.example.com'] } } },
      { resourceVersion: '2' },
    );
    await counts.reconcile(signal);
    assert.deepEqual(
      asked.filter((path) => path.includes('/namespaces/a/tlsroutes')).map((path) => path.split('/')[3]),
      ['v1'],
    );
    assert.equal(counts.findings(stored)?.groups[0]?.examples?.[0]?.kind, 'TLSRoute');
  });

  it('passes over a namespace that is gone', async () => {
    pods.set('a', undefined);
    pods.set('b', [pod('bad', 'x')]);
    const stored = put();
    await counts.reconcile(signal);
    assert.equal(counts.findings(stored)?.groups[0]?.violating, 1);
  });

  it('keeps the stored findings until this process has counted, and has none without workloads', () => {
    const workloads = { groups: [{ name: 'images', violating: 3 }] };
    const stored = { ...put(), status: { workloads } };
    assert.deepEqual(counts.findings(stored), workloads);
    const { workloads: _, ...spec } = stored.spec;
    assert.equal(counts.findings({ ...stored, spec }), undefined);
  });
});
