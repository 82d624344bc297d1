/** The namespaces whose pods are labelled: needed ones, and how a namespace that nothing needs is dropped. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { NETWORK_POLICIES, PROFILES } from '../../../src/cluster-state/items.ts';
import { LabelledNamespaces } from '../../../src/controller/service-accounts/namespaces.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { Resource } from '../../../src/kube/resource.ts';
import { compile } from '../../../src/policy/compile.ts';
import { facts, profile, SHOP } from '../../policy/fixture.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const GRACE_MS = 5_000;
const naming = profile({
  ingress: [{ name: 'a', from: [{ serviceAccount: { namespace: 'data', name: 'api' } }] }],
});

describe('a namespace whose pods are labelled with their ServiceAccount', () => {
  const { signal } = new AbortController();
  let clock: VirtualClock;
  let cached: { profiles: SegmentationProfile[]; policies: { own: boolean; reliesOn: string[] }[] };
  let live: { profiles: readonly SegmentationProfile[]; policies: readonly NetworkPolicy[] };
  let lists: number;
  let namespaces: LabelledNamespaces;

  beforeEach(() => {
    clock = new VirtualClock();
    cached = { profiles: [], policies: [] };
    live = { profiles: [], policies: [] };
    lists = 0;
    const transport: Transport = {
      request: async <T>({ path }: Request) => {
        lists += 1;
        const items = path.endsWith(PROFILES.plural) ? live.profiles : live.policies;
        return { metadata: { resourceVersion: '1' }, items } as T;
      },
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    const values = <T>(items: () => T[]) => ({ values: () => items() });
    const clusterState = {
      profiles: values(() => cached.profiles.map((each) => ({ profile: each }))),
      policies: values(() =>
        cached.policies.map(({ own, reliesOn }) => ({ reliesOn, fingerprint: own ? 'f' : undefined })),
      ),
    };
    namespaces = new LabelledNamespaces({
      clusterState: clusterState as never,
      profiles: new Resource<SegmentationProfile>(transport, PROFILES),
      policies: new Resource<NetworkPolicy>(transport, NETWORK_POLICIES),
      clock,
    });
  });

  const toCover = (covered: readonly string[]) => namespaces.toCover(namespaces.needed(), covered, signal);

  it('is covered if a profile names it, or an own policy relies on the label there', async () => {
    cached = { profiles: [naming], policies: [{ own: true, reliesOn: ['retained'] }] };
    assert.deepEqual(await toCover([]), ['data', 'retained']);
    assert.equal(lists, 0);
  });

  it('stays covered, but does not come to be, if only a foreign policy relies on the label there', async () => {
    cached.policies = [{ own: false, reliesOn: ['foreign'] }];
    assert.deepEqual(await toCover([]), []);
    assert.deepEqual(await toCover(['foreign']), ['foreign']);
    await clock.advance(2 * GRACE_MS);
    assert.deepEqual(await toCover(['foreign']), ['foreign']);
  });

  it('is dropped once nothing has needed it for the grace period', async () => {
    assert.deepEqual(await toCover(['data']), ['data']);
    assert.deepEqual(namespaces.graceEnds(), [GRACE_MS]);
    await clock.advance(GRACE_MS - 1);
    assert.deepEqual(await toCover(['data']), ['data']);
    await clock.advance(1);
    assert.deepEqual(await toCover(['data']), []);
    assert.deepEqual(namespaces.graceEnds(), []);
  });

  it('begins its grace period anew if something needed it meanwhile', async () => {
    await toCover(['data']);
    await clock.advance(GRACE_MS - 1);
    cached.profiles = [naming];
    await toCover(['data']);
    cached.profiles = [];
    await clock.advance(2);
    assert.deepEqual(await toCover(['data']), ['data']);
  });

  it('stays covered if a live list shows a profile or a policy that needs it, though the cache does not', async () => {
    const { policies } = compile(naming, SHOP, facts());
    for (const seen of [
      { profiles: [naming], policies: [] },
      { profiles: [], policies },
    ]) {
      live = seen;
      await toCover(['data']);
      await clock.advance(GRACE_MS);
      assert.deepEqual(await toCover(['data']), ['data']);
    }
  });
});
