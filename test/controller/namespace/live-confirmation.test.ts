import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { LiveConfirmation } from '../../../src/controller/namespace/live-confirmation.ts';
import { NAMESPACES, PROFILES, projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { Records } from '../../../src/controller/records.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';

const COLLECTION = '/api/v1/namespaces';
const MANY = 40;

describe('live confirmation of many namespaces', () => {
  let confirmation: LiveConfirmation;
  let clusterState: ClusterState;
  /** The namespaces of the server. The cache has them as they were when a test began. */
  let live: Map<string, KubeObject>;
  let asked: string[];
  /** Answers instead of the server. */
  let fault: (request: Request) => void;

  const transport: Transport = {
    request: async <T>(request: Request) => {
      asked.push(
        request.path === COLLECTION && request.query?.['limit'] !== undefined ? 'list' : request.path,
      );
      await Promise.resolve();
      fault(request);
      if (request.path.endsWith('/segmentationprofiles'))
        return { metadata: { resourceVersion: '900' }, items: [] } as T;
      if (request.path !== COLLECTION) {
        const found = live.get(request.path.slice(COLLECTION.length + 1));
        if (found === undefined) throw failure(404, 'NotFound');
        return found as T;
      }
      // Two pages.
      const half = [...live.values()].length / 2;
      const isFirst = request.query?.['continue'] === undefined;
      const items = [...live.values()].slice(isFirst ? 0 : half, isFirst ? half : undefined);
      return { metadata: { resourceVersion: '900', continue: isFirst ? 'more' : '' }, items } as T;
    },
    watch: () => assert.fail('nothing is watched'),
    close: () => Promise.resolve(),
  };

  beforeEach(() => {
    clusterState = new ClusterState([]);
    confirmation = new LiveConfirmation({
      clusterState,
      records: new Records(),
      namespaces: new Resource<KubeObject>(transport, NAMESPACES),
      profiles: new Resource<SegmentationProfile>(transport, PROFILES),
    });
    asked = [];
    fault = () => {};
    live = new Map(Array.from({ length: MANY }, (_, index) => namespace(`ns-${index}`)));
    for (const each of live.values()) clusterState.namespaces.upsert(projectNamespace(each));
  });

  /** Confirms all namespaces at once. @returns those that are not as they are cached */
  async function confirm(how: 'confirmOnce' | 'confirmAgain' = 'confirmOnce'): Promise<string[]> {
    const names = [...clusterState.namespaces.values()];
    const { signal } = new AbortController();
    const answers = await Promise.all(
      names.map((namespace) => confirmation[how]({ namespace, profiles: [] }, signal)),
    );
    return names.filter((_, index) => answers[index] !== true).map(({ key }) => key);
  }

  const lists = () => asked.filter((each) => each === 'list').length;

  it('reads one list, and a few namespaces one by one', async () => {
    assert.deepEqual(await confirm(), []);
    assert.equal(lists(), 2, 'pages');
    assert.ok(asked.length - lists() < MANY / 2, `${asked.length} requests`);
    asked.length = 0;
    assert.deepEqual(await confirm(), []);
    assert.deepEqual(asked, [], 'once is enough');
  });

  it('confirms no namespace that differs from its cached form, and caches the live one', async () => {
    live.set(...namespace('ns-30', { labels: { team: 'b' }, resourceVersion: '800' }));
    live.set(...namespace('ns-31', { uid: 'another', resourceVersion: '801' }));
    assert.deepEqual(await confirm(), ['ns-30', 'ns-31']);
    assert.deepEqual(clusterState.namespaces.get('ns-30')?.labels, { team: 'b' });
    assert.equal(clusterState.namespaces.get('ns-31')?.uid, 'another');
    assert.deepEqual(await confirm(), []);
  });

  it('confirms no namespace that changed while the list was read', async () => {
    fault = ({ query, path }) => {
      if (path !== COLLECTION || query?.['continue'] === undefined) return;
      const changed = namespace('ns-10', { labels: { team: 'c' }, resourceVersion: '950' });
      live.set(...changed);
      clusterState.namespaces.upsert(projectNamespace(changed[1]));
    };
    assert.deepEqual(await confirm(), ['ns-10']);
  });

  it('reads a namespace by itself that is not in the list', async () => {
    const late = namespace('late', { resourceVersion: '950' });
    clusterState.namespaces.upsert(projectNamespace(late[1]));
    fault = ({ path }) => {
      if (path === `${COLLECTION}/late`) live.set(...late);
    };
    assert.deepEqual(await confirm(), []);
    assert.ok(asked.includes(`${COLLECTION}/late`));
  });

  it('reads no namespace that was written after a list of this process', async () => {
    assert.deepEqual(await confirm(), []);
    asked.length = 0;
    const [older, newer] = [
      namespace('older', { resourceVersion: '890' }),
      namespace('newer', { resourceVersion: '901' }),
    ];
    for (const each of [older, newer]) {
      live.set(...each);
      clusterState.namespaces.upsert(projectNamespace(each[1]));
    }
    assert.deepEqual(await confirm(), []);
    assert.deepEqual(asked, [`${COLLECTION}/older`]);
  });

  it('learns the revision after the first namespace that was read by itself', async () => {
    const [first] = clusterState.namespaces.values();
    assert.ok(first);
    const { signal } = new AbortController();
    assert.equal(await confirmation.confirmOnce({ namespace: first, profiles: [] }, signal), true);
    await nextTurn();
    const newer = namespace('newer', { resourceVersion: '901' });
    live.set(...newer);
    const item = projectNamespace(newer[1]);
    clusterState.namespaces.upsert(item);
    asked.length = 0;
    assert.equal(await confirmation.confirmOnce({ namespace: item, profiles: [] }, signal), true);
    assert.deepEqual(asked, []);
  });

  it('reads the other namespaces by themselves if the revision of the list expires', async () => {
    fault = ({ query }) => {
      if (query?.['continue'] !== undefined) throw failure(410, 'Expired');
    };
    assert.deepEqual(await confirm(), []);
    assert.ok(asked.includes(`${COLLECTION}/ns-${MANY - 1}`));
    assert.ok(!asked.includes(`${COLLECTION}/ns-15`));
  });

  it('rejects for all that wait for a failed list, and lists again next time', async () => {
    fault = ({ path }) => {
      if (path === COLLECTION) throw failure(503, 'ServiceUnavailable');
    };
    await assert.rejects(confirm(), { status: 503 });
    fault = () => {};
    assert.deepEqual(await confirm(), []);
  });

  it('reads each namespace by itself, and again, before an opening', async () => {
    assert.deepEqual(await confirm(), []);
    asked.length = 0;
    fault = ({ path }) => {
      if (!path.startsWith(COLLECTION)) throw failure(503, 'ServiceUnavailable');
    };
    await assert.rejects(confirm('confirmAgain'), { status: 503 });
    assert.equal(asked.filter((path) => path.startsWith(`${COLLECTION}/`)).length, MANY);
  });
});

function namespace(
  name: string,
  { uid = `uid-${name}`, labels = {}, resourceVersion = '100' }: Partial<KubeObject['metadata']> = {},
): [string, KubeObject] {
  return [name, { metadata: { name, uid, labels, resourceVersion } }];
}

function failure(status: number, reason: string): ApiError {
  return new ApiError({ method: 'GET', path: COLLECTION, status, reason, message: reason });
}

describe('live confirmation of profiles', () => {
  const profileNamed = (name: string): SegmentationProfile => ({
    metadata: { name, uid: name, generation: 1, resourceVersion: '5' },
    spec: { namespaceSelector: {}, isolation: ['Egress'] } as unknown as SegmentationProfile['spec'],
  });
  const own = profileNamed('own');

  let asked: string[];
  let listed: readonly SegmentationProfile[];
  /** The profile as the server has it. */
  let live: SegmentationProfile;
  let confirmation: LiveConfirmation;
  let clusterState: ClusterState;
  const [name, shop] = namespace('shop');
  const transport: Transport = {
    request: <T>({ path }: Request) => {
      asked.push(path);
      return Promise.resolve(
        (path === `${COLLECTION}/${name}`
          ? shop
          : path.endsWith('/own')
            ? live
            : { metadata: { resourceVersion: '900' }, items: listed }) as T,
      );
    },
    watch: () => assert.fail('nothing is watched'),
    close: () => Promise.resolve(),
  };
  beforeEach(() => {
    asked = [];
    live = own;
    clusterState = new ClusterState([]);
    confirmation = new LiveConfirmation({
      clusterState,
      records: new Records(),
      namespaces: new Resource<KubeObject>(transport, NAMESPACES),
      profiles: new Resource<SegmentationProfile>(transport, PROFILES),
    });
  });

  const reads = () => asked.filter((path) => path.endsWith('/own')).length;

  /** Confirms the namespace with the profile `own`, while the server lists these profiles. */
  async function confirm(
    how: 'confirmOnce' | 'confirmAgain',
    profiles: readonly SegmentationProfile[],
    profile = own,
  ): Promise<boolean> {
    listed = profiles;
    const cached = projectNamespace(shop);
    clusterState.namespaces.upsert(cached);
    return confirmation[how]({ namespace: cached, profiles: [profile] }, new AbortController().signal);
  }

  it('fails before an opening if another profile selects the namespace', async () => {
    assert.equal(await confirm('confirmAgain', [own]), true);
    assert.equal(await confirm('confirmAgain', [own, profileNamed('unheard-of')]), false);
  });

  it('fails if the list omits a profile that is known to exist', async () => {
    for (const how of ['confirmOnce', 'confirmAgain'] as const) {
      assert.equal(await confirm(how, []), false);
      assert.equal(await confirm(how, [profileNamed('another')]), false);
    }
  });

  it('reads a profile once for all namespaces that begin at the same time', async () => {
    assert.deepEqual(await Promise.all([confirm('confirmOnce', [own]), confirm('confirmOnce', [own])]), [
      true,
      true,
    ]);
    assert.equal(reads(), 1);
  });

  it('reads a profile again that has changed since the shared read began', async () => {
    const edited = { ...own, metadata: { ...own.metadata, generation: 2 } };
    const pending = confirm('confirmOnce', [edited], edited);
    live = edited;
    assert.equal(await pending, true);
    assert.equal(reads(), 2);
  });

  it('reads one list of profiles before the first write, and caches profiles that the watch omitted', async () => {
    clusterState.profiles.replace([projectProfile(own)], '800');
    assert.equal(await confirm('confirmOnce', [own, profileNamed('unheard-of')]), false);
    assert.deepEqual(
      [...clusterState.profiles.values()].map(({ key }) => key),
      ['own', 'unheard-of'],
    );
    asked.length = 0;
    assert.equal(await confirm('confirmOnce', [own, profileNamed('unheard-of')]), true);
    assert.ok(!asked.some((path) => path.endsWith('/segmentationprofiles')), asked.join());
  });
});
