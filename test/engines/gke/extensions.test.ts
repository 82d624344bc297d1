import assert from 'node:assert/strict';
import { extensionObjects } from '../../../src/engines/extensions/objects.ts';
import { GKE_EXTENSIONS } from '../../../src/engines/gke/extensions.ts';
import type { ExtensionRule } from '../../../src/policy/extensions.ts';

const names = (...all: string[]): ExtensionRule['peer'] => ({
  kind: 'names',
  names: all,
  dns: { namespace: 'kube-system', podSelector: {}, ports: [] },
});

/** The object for one rule of the pods app=web. */
function objectOf(peer: ExtensionRule['peer'], ports?: ExtensionRule['ports']) {
  const rule = { peer, ...(ports && { ports }), note: { rule: 'rule', peer: 'peer' } };
  const [object] = extensionObjects(
    [
      {
        metadata: { name: 'p.egress', namespace: 'shop', labels: { 'segmentation.dev/profile': 'p' } },
        podSelector: { matchLabels: { app: 'web' } },
        direction: 'Egress',
        unresolved: [],
        rules: [rule],
      },
    ],
    GKE_EXTENSIONS,
  );
  assert.ok(object);
  return object;
}

const specOf = (...args: Parameters<typeof objectOf>) =>
  (objectOf(...args) as unknown as { readonly spec: object }).spec;
const podSelector = { matchLabels: { app: 'web' } };

describe('FQDNNetworkPolicy of an extension', () => {
  it('allows names and patterns on single ports', () => {
    const ports = [{ protocol: 'TCP', port: 443 }, { protocol: 'UDP' }] as const;
    assert.deepEqual(specOf(names('api.example.com', '*.example.org'), ports), {
      podSelector,
      egress: [
        {
          matches: [{ name: 'api.example.com' }, { pattern: '*.example.org' }],
          ports: [{ protocol: 'TCP', port: 443 }, { protocol: 'UDP' }],
        },
      ],
    });
  });

  it('allows every port of every protocol without ports', () => {
    assert.deepEqual(specOf(names('api.example.com')), {
      podSelector,
      egress: [{ matches: [{ name: 'api.example.com' }] }],
    });
  });

  it('counts as a NetworkPolicy that isolates the egress of its pods, with rules of its own', () => {
    const policy = GKE_EXTENSIONS.asPolicy?.(objectOf(names('api.example.com')));
    assert.deepEqual([policy?.podSelector, policy?.policyTypes], [podSelector, ['Egress']]);
    assert.notDeepEqual(policy?.egress, GKE_EXTENSIONS.asPolicy?.(objectOf(names('b.example.com')))?.egress);
    assert.equal(GKE_EXTENSIONS.asPolicy?.({ metadata: { name: 'foreign' } }), undefined);
  });

  it('of somebody else isolates the egress of its pods', () => {
    const { part, isolation } = GKE_EXTENSIONS.foreign ?? assert.fail();
    const object = { metadata: { name: 'foreign' }, spec: { podSelector, egress: [] } };
    assert.deepEqual(isolation(object), { podSelector, policyTypes: ['Egress'] });
    assert.deepEqual(isolation({ ...object, ...part(object) }), isolation(object));
    assert.equal(isolation({ metadata: { name: 'foreign' } }), 'none');
  });
});
