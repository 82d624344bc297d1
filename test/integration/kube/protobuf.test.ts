// Protocol Buffers on a real API server: the objects that JSON has, written and read, listed and watched.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { PolicyStore } from '../../../src/cluster-state/policies/store.ts';
import type { Query } from '../../../src/kube/http/wire.ts';
import type { Transport } from '../../../src/kube/http/transport.ts';
import { type Lease, LEASES } from '../../../src/kube/lease.ts';
import { Resource } from '../../../src/kube/resource.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { KINDS_UNDER_TEST } from '../../manifests/objects.ts';
import { eventually } from '../../support/cluster.ts';
import { Fixture, namespaces } from './fixture.ts';
import { RICH_NODE, RICH_POD } from './rich-objects.ts';

const NAMESPACE = 'kube-protobuf';
const SEED = Number(process.env['MANIFEST_SEED'] ?? 20_261_129);
const GENERATED = 15 * Number(process.env['MANIFEST_RUNS'] ?? 1);

type Raw = KubeObject & Readonly<Record<string, unknown>>;
interface RawList {
  readonly metadata: object;
  readonly items: readonly Raw[];
}

describe('Protocol Buffers on a real API server', () => {
  let plane: ControlPlane;
  let fixture: Fixture;
  /** Transports in both formats. */
  let binary: Transport;
  let json: Transport;

  before(async () => {
    plane = await sharedControlPlane();
    fixture = new Fixture();
    binary = fixture.transport(plane.kubeconfig);
    json = fixture.transport(plane.kubeconfig, { binaryFormat: undefined });
    await namespaces(binary).create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } });
  });
  after(async () => {
    await namespaces(binary).delete(NAMESPACE);
    await fixture.clean();
  });

  const send = (
    transport: Transport,
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
    query?: Query,
  ) => transport.request<Raw>({ method, path, body, query });

  it('are not asked for by a caller that wants the text of an answer', async () => {
    const path = `/api/v1/namespaces/${NAMESPACE}`;
    const text = await binary.request<string>({ method: 'GET', path, asText: true });
    assert.deepEqual(JSON.parse(text), await send(json, 'GET', path));
  });

  const KINDS = ['NetworkPolicy', 'Service', 'Pod', 'Namespace', 'EndpointSlice'].map((kind) => {
    const found = KINDS_UNDER_TEST.find((each) => each.kind === kind);
    assert.ok(found);
    const valid = kind === 'Pod' ? fc.oneof(found.valid, fc.constant(RICH_POD)) : found.valid;
    return {
      kind,
      path: found.path(NAMESPACE),
      objects: fc.sample(valid, { seed: SEED, numRuns: GENERATED }),
    };
  });
  KINDS.push({ kind: 'Node', path: '/api/v1/nodes', objects: [RICH_NODE] });

  for (const { kind, path, objects } of KINDS) {
    it(`writes ${kind}s as JSON does`, async () => {
      for (const object of objects) {
        const dryRun = { dryRun: 'All' };
        const [sent, expected] = await Promise.all([
          send(binary, 'POST', path, object, dryRun),
          send(json, 'POST', path, object, dryRun),
        ]);
        assert.deepEqual(comparable(sent), comparable(expected));
      }
    });

    it(`reads, lists and watches ${kind}s as JSON does, and loses nothing when it writes them back`, async () => {
      const label = { [`test/${kind.toLowerCase()}`]: 'protobuf' };
      const names = await Promise.all(
        objects.slice(0, 25).map(async (object, index) => {
          const name = `${kind.toLowerCase()}-protobuf-${index}`;
          const { metadata, ...rest } = object as unknown as Raw;
          const labels = { ...metadata.labels, ...label };
          await send(json, 'POST', path, { ...rest, metadata: { ...metadata, name, labels } });
          return name;
        }),
      );
      const query = { labelSelector: Object.entries(label).flat().join('=') };
      const watch = { ...query, watch: true, resourceVersion: 0 };
      // Pods become Running between the two requests.
      await eventually(async () => {
        const [listed, expected] = (await Promise.all(
          [binary, json].map((transport) => send(transport, 'GET', path, undefined, query)),
        )) as unknown as readonly RawList[];
        assert.equal(expected?.items.length, names.length);
        assert.deepEqual(listed?.items, expected?.items);
        const [metadata, expectedMetadata] = await Promise.all(
          [binary, json].map((transport) => metadataOf(transport, path, query)),
        );
        assert.equal(metadata?.length, names.length);
        assert.deepEqual(metadata, expectedMetadata);
        const [events, expectedEvents] = await Promise.all(
          [binary, json].map((transport) => initialEvents(transport, path, watch, names.length)),
        );
        assert.deepEqual(events, expectedEvents);
      });
      for (const name of names) {
        await eventually(async () => {
          const read = await send(binary, 'GET', `${path}/${name}`);
          assert.deepEqual(read, await send(json, 'GET', `${path}/${name}`));
          const written = await send(binary, 'PUT', `${path}/${name}`, read);
          // A write that changes nothing makes no revision.
          assert.equal(written.metadata.resourceVersion, read.metadata.resourceVersion);
        });
        await binary.request({ method: 'DELETE', path: `${path}/${name}` });
      }
    });
  }

  it('sends nothing but Protocol Buffers for a kind that has them', async () => {
    const before = fixture.requests.length;
    await send(binary, 'GET', '/api/v1/namespaces');
    const [info] = fixture.requests.slice(before);
    await send(json, 'GET', '/api/v1/namespaces');
    const [other] = fixture.requests.slice(before + 1);
    assert.ok((info?.responseBytes ?? 0) < (other?.responseBytes ?? 0));
  });

  it('renews a Lease to the microsecond, and keeps the fields of others', async () => {
    const leases = new Resource<Lease>(binary, LEASES);
    const spec = { holderIdentity: 'a', leaseDurationSeconds: 15, renewTime: '2026-11-29T23:59:59.000001Z' };
    const metadata = { name: 'protobuf', namespace: NAMESPACE, annotations: { 'a.b/c': 'ä' } };
    const created = await leases.create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata,
      spec,
    });
    assert.deepEqual(created.spec, spec);
    const renewTime = '2026-11-30T00:00:01.999999Z';
    const renewed = await leases.replace({ ...created, spec: { ...created.spec, renewTime } });
    assert.deepEqual(renewed.spec, { ...spec, renewTime });
    const path = `/apis/coordination.k8s.io/v1/namespaces/${NAMESPACE}/leases/protobuf`;
    assert.deepEqual(renewed, await send(json, 'GET', path));
  });

  it('fails with the reason and details of a refusal', async () => {
    const policies = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/networkpolicies`;
    const policy = (name: string) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace: NAMESPACE },
      spec: { podSelector: {} },
    });
    const refusals: readonly (readonly [path: string, body: object | undefined, status: number])[] = [
      [`${policies}/no-such`, undefined, 404],
      [policies, policy('Not_A_Name'), 422],
      ['/api/v1/namespaces/no-such/pods/x', undefined, 404],
    ];
    for (const [path, body, status] of refusals) {
      const errors = [binary, json].map((transport) =>
        send(transport, body === undefined ? 'GET' : 'POST', path, body).then(
          () => assert.fail(`${path} succeeded`),
          (error: unknown) => error as { status: number; reason: string; message: string; details: object },
        ),
      );
      const [sent, expected] = await Promise.all(errors);
      assert.equal(sent?.status, status);
      for (const key of ['reason', 'message', 'details'] as const)
        assert.deepEqual(sent?.[key], expected?.[key]);
    }
  });

  it('encodes equal policies to equal bytes, in whatever order they were written', async () => {
    const path = `/apis/networking.k8s.io/v1/namespaces/${NAMESPACE}/networkpolicies`;
    const entries = Array.from({ length: 20 }, (_, index) => [`key-${index}`, `value-${index}`] as const);
    const orders = [
      entries,
      entries.toReversed(),
      entries.toSorted(([, a], [, b]) => a.localeCompare(b)),
      entries,
    ];
    for (const [index, order] of orders.entries()) {
      const labels = Object.fromEntries(order);
      const peers = [{ podSelector: { matchLabels: labels }, namespaceSelector: { matchLabels: labels } }];
      const ports = [{ port: 80, protocol: 'TCP' }, { port: 'http' }, { port: 1, endPort: 9 }];
      await send(index % 2 === 0 ? json : binary, 'POST', path, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: `equal-${index}`, namespace: NAMESPACE, labels, annotations: labels },
        spec: { podSelector: { matchLabels: labels }, ingress: [{ from: peers, ports }] },
      });
    }
    const { readObject } = new PolicyStore();
    let decoded = 0;
    const { items } = await binary.request<{ items: readonly NetworkPolicy[] }>({
      method: 'GET',
      path,
      query: { labelSelector: 'key-0=value-0' },
      readObject: (bytes, decode) =>
        readObject(bytes, () => {
          decoded += 1;
          return decode();
        }),
    });
    assert.equal(items.length, orders.length);
    assert.equal(decoded, 2, 'the third policy has the bytes of the first two');
    assert.equal(new Set(items.map(({ spec }) => JSON.stringify(spec))).size, 1);
  });

  /** The metadata of all objects of a list without their other fields. */
  async function metadataOf(transport: Transport, path: string, query: Query) {
    const acceptParameters = ';as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
    const { items } = await transport.request<RawList>({ method: 'GET', path, query, acceptParameters });
    return items.map(({ metadata }) => metadata);
  }

  /** The first events of a watch, sorted by the names of their objects. */
  async function initialEvents(
    transport: Transport,
    path: string,
    query: Query,
    count: number,
  ): Promise<unknown[]> {
    const { signal } = new AbortController();
    const events: { type: string; object: Raw }[] = [];
    for await (const together of transport.watch({ path, query, signal, stallMs: 10_000 })) {
      events.push(...(together as { type: string; object: Raw }[]));
      if (events.length >= count) break;
    }
    return events.toSorted((a, b) => (a.object.metadata.name < b.object.metadata.name ? -1 : 1));
  }
});

/** An object of a dry run without what differs from run to run. */
function comparable({ metadata, ...rest }: Raw): unknown {
  const { uid: _, creationTimestamp: __, managedFields = [], ...kept } = metadata;
  const managers = managedFields.map(({ time: ___, ...each }) => each);
  // Addresses of Services and names of token volumes are random.
  const withoutRandom = (key: string, value: unknown): unknown => {
    if (key.startsWith('clusterIP')) return undefined;
    return typeof value === 'string' ? value.replace(/^kube-api-access-\w+$/, 'random') : value;
  };
  return JSON.parse(JSON.stringify({ ...rest, metadata: { ...kept, managers } }, withoutRandom));
}
