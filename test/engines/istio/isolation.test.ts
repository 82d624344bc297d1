import assert from 'node:assert/strict';
import { type Isolation, isolationOf, isolationPart } from '../../../src/engines/istio/isolation.ts';

const selector = { matchLabels: { app: 'web' } };

describe('the pods that an AuthorizationPolicy isolates are', () => {
  const table: readonly (readonly [title: string, spec: object, expected: Isolation])[] = [
    ['all of its namespace without a spec', {}, {}],
    ['all of its namespace without a selector', { rules: [{}] }, {}],
    ['those with the labels of its selector', { action: 'ALLOW', selector, rules: [{}] }, { app: 'web' }],
    ['none of a policy that denies', { action: 'DENY', selector, rules: [{}] }, 'none'],
    ['none of a policy that records', { action: 'AUDIT', rules: [{}] }, 'none'],
    ['none of a policy that asks an authorizer', { action: 'CUSTOM', rules: [{}] }, 'none'],
    ['unclear of a policy for gateways', { targetRefs: [{ kind: 'Gateway', name: 'edge' }] }, 'unclear'],
    ['unclear of a policy for one waypoint', { targetRef: { kind: 'Gateway', name: 'edge' } }, 'unclear'],
  ];
  for (const [title, spec, expected] of table)
    it(title, () => {
      const policy = { metadata: { name: 'theirs', namespace: 'shop', annotations: { other: '' } }, spec };
      assert.deepEqual(isolationOf(policy), expected);
      const kept = {
        ...isolationPart(policy),
        metadata: { ...isolationPart(policy).metadata, name: 'theirs' },
      };
      assert.deepEqual(isolationOf(kept), expected);
    });

  it('none of a dry run', () => {
    const annotations = { 'istio.io/dry-run': 'true' };
    const policy = { metadata: { name: 'theirs', annotations }, spec: { rules: [{}] } };
    assert.equal(isolationOf(policy), 'none');
    assert.deepEqual(isolationPart(policy).metadata, { annotations });
  });
});
