import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import { projectNamespace } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { AMBIENT_MODE, SIDECARS } from '../../../src/controller/mesh/enrolment.ts';
import { Members } from '../../../src/controller/mesh/members.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import type { Resource } from '../../../src/kube/resource.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const { facts } = detectIstio(evidenceOf());

describe('members of the mesh', () => {
  let clock: VirtualClock;
  let clusterState: ClusterState;
  let listed: string[];
  let changes: number;
  /** Pods without a sidecar, by namespace. */
  let others: Set<string>;
  let members: Members;

  const put = (name: string, labels: Record<string, string>, resourceVersion = '1') =>
    clusterState.namespaces.upsert(
      projectNamespace({ metadata: { name, uid: `uid-${name}`, resourceVersion, labels } }),
    );

  beforeEach(() => {
    clock = new VirtualClock();
    clusterState = new ClusterState([]);
    listed = [];
    changes = 0;
    others = new Set();
    const pods: Pick<Resource<KubeObject>, 'list'> = {
      list: async (options) => {
        const { namespace = '', labelSelector = '' } = options ?? {};
        listed.push(`${namespace} ${labelSelector}`);
        const items = others.has(namespace) ? [{ metadata: { name: 'old' } }] : [];
        return { metadata: { resourceVersion: '1' }, items };
      },
    };
    members = new Members({
      enrolment: SIDECARS,
      pods,
      clusterState,
      clock,
      facts: () => facts,
      onChange: () => (changes += 1),
      onError: (error) => assert.fail(String(error)),
    });
    put('front', { 'istio-injection': 'enabled' });
    put('legacy', {});
  });
  afterEach(() => members.stop());

  it('are namespaces with sidecars in every pod, once that was looked at', async () => {
    assert.equal(members.has('front'), false);
    await clock.advance(1);
    assert.deepEqual(listed, ['front security.istio.io/tlsMode!=istio']);
    assert.deepEqual([members.has('front'), changes], [true, 1]);
  });

  it('are looked at again as long as a pod has no sidecar, and stay members when one comes later', async () => {
    others.add('front');
    assert.equal(members.has('front'), false);
    await clock.advance(1);
    assert.deepEqual([members.has('front'), changes], [false, 0]);
    others.clear();
    await clock.advance(30_000);
    assert.equal(members.has('front'), true);
    others.add('front');
    await clock.advance(300_000);
    assert.deepEqual([members.has('front'), listed.length], [true, 2]);
  });

  it('are never namespaces into which sidecars are injected only if pods ask', async () => {
    assert.equal(members.has('legacy'), false);
    await clock.advance(100_000);
    assert.deepEqual([members.has('legacy'), listed], [false, []]);
  });

  it('end with the label of their namespace', async () => {
    members.remember('front');
    assert.equal(members.has('front'), true);
    put('front', { 'istio-injection': 'disabled' }, '2');
    assert.deepEqual([members.has('front'), changes, listed], [false, 1, []]);
  });

  it('are in ambient mode once all of their running pods are redirected', async () => {
    const redirected = { 'ambient.istio.io/redirection': 'enabled' };
    const pod = (annotations: Record<string, string>) => ({ metadata: { name: 'web', annotations } });
    const pages = (...annotations: Record<string, string>[]) => ({
      list: async ({ continue: next }: { readonly continue?: string | undefined } = {}) => {
        const index = Number(next ?? 0);
        const isLast = index === annotations.length - 1;
        const metadata = { resourceVersion: '1', ...(!isLast && { continue: String(index + 1) }) };
        return { metadata, items: [pod(annotations[index] ?? {})] };
      },
    });
    const hasOthers = (...annotations: Record<string, string>[]) =>
      AMBIENT_MODE.hasOthers(pages(...annotations), 'front', new AbortController().signal);
    assert.equal(await hasOthers(redirected, redirected), false);
    assert.equal(await hasOthers(redirected, {}), true);
    assert.equal(await hasOthers({}, redirected), true);
  });
});
