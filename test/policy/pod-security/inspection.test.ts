/** The labels of inspections, and the meaning of the API server's warnings. A real API server: test/integration/pod-security. */
import assert from 'node:assert/strict';
import { inspectionLabels, readInspection } from '../../../src/policy/pod-security/inspection.ts';

const ENFORCE = 'pod-security.kubernetes.io/enforce';
const labels = (level: string, version: string) => ({ [ENFORCE]: level, [`${ENFORCE}-version`]: version });

describe('inspection of a namespace for Pod Security', () => {
  const restricted = { level: 'restricted', version: 'latest' } as const;
  const pinned = { level: 'restricted', version: 'v1.30' } as const;
  it('judges by a version that the API server takes for its latest', () => {
    assert.deepEqual(inspectionLabels({}, restricted), labels('restricted', 'v1.9999'));
    assert.deepEqual(
      inspectionLabels(labels('baseline', 'latest'), restricted),
      labels('restricted', 'v1.9999'),
    );
  });
  it('judges by the version that is asked for where that raises the level', () => {
    assert.deepEqual(inspectionLabels({}, pinned), labels('restricted', 'v1.30'));
    assert.deepEqual(inspectionLabels(labels('baseline', 'v1.30'), pinned), labels('restricted', 'v1.30'));
  });
  it('changes the version where the level is reached, so that the API server judges at all', () => {
    assert.deepEqual(
      inspectionLabels(labels('restricted', 'v1.30'), pinned),
      labels('restricted', 'v1.9999'),
    );
    assert.deepEqual(inspectionLabels({ [ENFORCE]: 'restricted' }, pinned), labels('restricted', 'v1.9999'));
  });
  it('asks with baseline where no level of enforce is asked for', () => {
    assert.deepEqual(inspectionLabels({}, undefined), labels('baseline', 'v1.9999'));
  });

  const HEADER =
    'existing pods in namespace "a" violate the new PodSecurity enforce level "restricted:latest"';
  const CASES: Readonly<Record<string, readonly [warnings: string[], expected: object]>> = {
    'finds nothing without warnings': [[], { kind: 'judged', violations: [] }],
    'lists the violating pods, and no warnings of others': [
      [
        'old API',
        HEADER,
        'db: privileged',
        'web-0 (and 2 other pods): host namespaces',
        'Validation failed for x: y',
      ],
      { kind: 'judged', violations: ['db: privileged', 'web-0 (and 2 other pods): host namespaces'] },
    ],
    'takes a header without a list for a violation': [[HEADER], { kind: 'judged', violations: [HEADER] }],
    'counts pods that could not be judged as violations': [
      ['failed to list pods while checking new PodSecurity enforce level'],
      { kind: 'judged', violations: ['failed to list pods while checking new PodSecurity enforce level'] },
    ],
    'tells that the namespace is exempt': [
      ['namespace "a" is exempt from Pod Security, and the policy (enforce=baseline:latest) will be ignored'],
      { kind: 'exempt' },
    ],
  };
  for (const [title, [warnings, expected]] of Object.entries(CASES)) {
    it(title, () => assert.deepEqual(readInspection(warnings), expected));
  }
});
