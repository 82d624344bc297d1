/** The condition ImagesVerified of profiles that limit images, and the requests that it costs. */
import assert from 'node:assert/strict';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { projectNamespace, projectProfile } from '../../../src/cluster-state/items.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import { ImageVerification } from '../../../src/controller/image-verification/image-verification.ts';
import { errorOfStatus } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { profile } from '../../policy/fixture.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const POLICIES = '/apis/policy.sigstore.dev/v1beta1/clusterimagepolicies';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const LIMITS = { workloads: { images: { action: 'Enforce', digest: 'Required' } } };

describe('verification of images', () => {
  let clock: VirtualClock;
  let clusterState: ClusterState;
  /** By path; a number is the code of a refusal. */
  let answers: Map<string, readonly object[] | number>;
  let asked: string[];
  let reported: string[];
  let verification: ImageVerification;

  const put = (spec: object, metadata: object = {}): SegmentationProfile => {
    const base = profile(spec);
    const stored = { ...base, metadata: { ...base.metadata, resourceVersion: '1', ...metadata } };
    clusterState.profiles.upsert(projectProfile(stored));
    return stored;
  };
  const namespace = (name: string, labels: object = {}, resourceVersion = '1') =>
    clusterState.namespaces.upsert(
      projectNamespace({ metadata: { name, uid: name, resourceVersion, labels } }),
    );
  const report = (stored: SegmentationProfile) => {
    const { condition, status } = verification.report(stored) ?? assert.fail('no report');
    return { ...condition, counts: status?.imageVerification };
  };

  beforeEach(() => {
    clock = new VirtualClock();
    clusterState = new ClusterState(['kube-system']);
    asked = [];
    reported = [];
    answers = new Map([[POLICIES, [{ metadata: { name: 'signed' }, spec: { images: [{ glob: '**' }] } }]]]);
    const rules = [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }];
    const namespaceSelector = { matchLabels: { signed: 'true' } };
    answers.set(WEBHOOKS, [
      { metadata: { name: 'policy' }, webhooks: [{ name: 'policy.sigstore.dev', rules, namespaceSelector }] },
    ]);
    namespace('a', { signed: 'true' });
    namespace('b');
    namespace('kube-system');
    const transport: Transport = {
      request: async <T>(request: Request) => {
        asked.push(request.path);
        const group = { versions: [{ groupVersion: 'policy.sigstore.dev/v1beta1' }] };
        if (request.path === '/apis') return { groups: [group] } as T;
        const answer = answers.get(request.path) ?? [];
        if (typeof answer === 'number') throw errorOfStatus(request, { kind: 'Status', code: answer });
        return { metadata: { resourceVersion: '1' }, items: answer } as T;
      },
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    verification = new ImageVerification({ clusterState, transport, clock, random: () => 0.5 });
  });
  afterEach(() => verification.stop());

  const lead = async () => {
    verification.lead((name) => reported.push(name));
    await clock.advance(0);
  };

  it('requests nothing while no profile limits images', async () => {
    put({ workloads: { resources: { action: 'Enforce', requests: ['cpu'] } } });
    await lead();
    await clock.advance(3_600_000);
    assert.deepEqual(asked, []);
    assert.equal(verification.report(profile()), undefined);
  });

  it('reads only the kinds that are served, about every ten minutes, until no profile limits images', async () => {
    put(LIMITS);
    await lead();
    const once = ['/apis', POLICIES, WEBHOOKS, WEBHOOKS.replace('validating', 'mutating')];
    assert.deepEqual(asked, once);
    assert.deepEqual(reported, ['segmented']);
    await clock.advance(600_000);
    assert.deepEqual(asked, [...once, ...once]);
    put({}, { resourceVersion: '2' });
    await clock.advance(3_600_000);
    assert.equal(asked.length, 2 * once.length);
  });

  it('begins when a profile begins to limit images', async () => {
    await lead();
    const stored = put(LIMITS);
    await clock.advance(0);
    assert.equal(report(stored).reason, 'Unverified');
  });

  it('names the namespaces that no verifier covers', async () => {
    const stored = put(LIMITS);
    await lead();
    const message =
      'ClusterImagePolicy signed: no webhook of policy-controller is called for the namespace: ' +
      'label it policy.sigstore.dev/include: "true"';
    assert.deepEqual(report(stored), {
      type: 'ImagesVerified',
      status: 'False',
      reason: 'Unverified',
      message: `signatures of images are not known to be verified in 1 of 2 namespaces: b: ${message}`,
      counts: {
        verified: 1,
        unverified: 1,
        undetermined: 0,
        namespaces: [{ namespace: 'b', reason: 'Unverified', message }],
      },
    });
  });

  it('follows the labels of namespaces without another request', async () => {
    const stored = put(LIMITS);
    await lead();
    const { length } = asked;
    namespace('b', { signed: 'true' }, '2');
    assert.deepEqual(reported, ['segmented', 'segmented']);
    assert.equal(
      report(stored).message,
      'signatures of images are verified in 2 namespaces, by ClusterImagePolicy signed',
    );
    assert.equal(asked.length, length);
  });

  it('is Unknown where a verifier may be unseen for want of a permission', async () => {
    answers.set(POLICIES, 403);
    const stored = put(LIMITS);
    await lead();
    const { status, reason, message } = report(stored);
    assert.deepEqual([status, reason], ['Unknown', 'Undetermined']);
    assert.match(
      message,
      /may not list clusterimagepolicies\.policy\.sigstore\.dev: kubectl apply -k config\/workloads$/,
    );
  });

  it('counts a kind that is not served after all as a kind without objects', async () => {
    answers.set(POLICIES, 404);
    const stored = put(LIMITS);
    await lead();
    assert.equal(report(stored).counts?.unverified, 2);
  });

  it('keeps the stored report until it has read', () => {
    const imageVerification = { verified: 2, unverified: 0, undetermined: 0 };
    const condition = { type: 'ImagesVerified', status: 'True', reason: 'Verified', message: 'm' } as const;
    const conditions = [{ ...condition, lastTransitionTime: '2026-01-01T00:00:00Z' }];
    const stored = { ...put(LIMITS), status: { conditions, imageVerification } };
    assert.deepEqual(report(stored as SegmentationProfile), { ...condition, counts: imageVerification });
  });
});
