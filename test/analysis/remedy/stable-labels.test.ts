/** Labels that stay, and labels that controllers, Helm and CI systems write anew. */
import assert from 'node:assert/strict';
import type { StringMap } from '../../../src/api/meta.ts';
import { isStable, stableKeys } from '../../../src/analysis/remedy/stable-labels.ts';

const STABLE: readonly [key: string, value: string][] = [
  ['app', 'web'],
  ['app.kubernetes.io/name', 'web'],
  ['app.kubernetes.io/instance', 'shop'],
  ['app.kubernetes.io/component', 'cache'],
  ['app.kubernetes.io/part-of', 'shop'],
  ['run', 'nginx'],
  ['release', 'shop'],
  ['deployment', 'web'],
  ['tier', ''],
  ['team', 'red'],
  ['segmentation.dev/service-account', 'web'],
  ['cost-centre', '4711'],
  ['workload', 'rev-proxy'],
];

const VOLATILE: readonly [key: string, value: string][] = [
  ['pod-template-hash', '7d9f5c6b8'],
  ['rollouts-pod-template-hash', '7d9f5c6b8'],
  ['controller-revision-hash', 'web-5d7f'],
  ['pod-template-generation', '3'],
  ['statefulset.kubernetes.io/pod-name', 'db-0'],
  ['apps.kubernetes.io/pod-index', '0'],
  ['job-name', 'backup-29012345'],
  ['batch.kubernetes.io/job-name', 'backup-29012345'],
  ['controller-uid', '0d7a'],
  ['batch.kubernetes.io/controller-uid', '0d7a'],
  ['batch.kubernetes.io/job-completion-index', '4'],
  ['helm.sh/chart', 'web-1.2.3'],
  ['chart', 'web-1.2.3'],
  ['app.kubernetes.io/managed-by', 'Helm'],
  ['heritage', 'Helm'],
  ['app.kubernetes.io/version', '1.2.3'],
  ['version', 'v2'],
  ['commit', '4f5e6d7'],
  ['git-sha', '4f5e6d7'],
  ['gitCommit', '4f5e6d7'],
  ['ci.example.com/pipeline-id', '991'],
  ['buildNumber', '17'],
  ['build_id', '17'],
  ['image-tag', 'main'],
  ['tekton.dev/pipelineRun', 'x'],
  ['workflows.argoproj.io/workflow', 'x'],
  ['serving.knative.dev/revision', 'x'],
  ['skaffold.dev/run-id', 'x'],
  ['istio.io/rev', 'canary'],
  ['service.istio.io/canonical-revision', 'latest'],
  ['deployed-at', '1764450000'],
  ['source', 'da39a3ee5e6b4b0d3255bfef95601890afd80709'],
];

describe('isStable', () => {
  for (const [key, value] of STABLE) {
    it(`is true for ${key}=${value}`, () => assert.ok(isStable(key, value)));
  }
  for (const [key, value] of VOLATILE) {
    it(`is false for ${key}=${value}`, () => assert.ok(!isStable(key, value)));
  }
});

describe('stableKeys', () => {
  it('are sorted by what they say of a workload, without a key that is volatile on any pod', () => {
    const pods: readonly { readonly labels: StringMap }[] = [
      { labels: { zone: 'a', app: 'web', tier: 'front', source: 'manual' } },
      { labels: { 'app.kubernetes.io/name': 'web', source: 'da39a3ee5e6b4b0d3255bfef95601890afd80709' } },
    ];
    assert.deepEqual(stableKeys(pods), ['app.kubernetes.io/name', 'app', 'tier', 'zone']);
    const shared = [{ labels: { 'app.kubernetes.io/part-of': 'shop', zone: 'a' } }];
    assert.deepEqual(stableKeys(shared), ['zone', 'app.kubernetes.io/part-of']);
  });
});
