/** The states of namespaces that `status` shows. */
import assert from 'node:assert/strict';
import { cli, directoryOf } from '../cli.ts';

const MANIFESTS = `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec: {namespaceSelector: {}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop-cart}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop-old, deletionTimestamp: "2026-01-01T00:00:00Z"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: shop.default-deny, namespace: shop-old}
spec: {podSelector: {}, policyTypes: [Ingress]}
`;

describe('status', () => {
  const directory = directoryOf({ 'all.yaml': MANIFESTS });

  it('shows a namespace that is being deleted as Terminating, whatever policies it still has', async () => {
    const { code, stdout } = await cli('status -f all.yaml -o json', { cwd: directory });
    assert.equal(code, 0);
    const { namespaces } = JSON.parse(stdout) as { namespaces: { name: string; state: string }[] };
    assert.deepEqual(
      namespaces.map(({ name, state }) => `${name} ${state}`),
      ['shop-cart Enforced', 'shop-old Terminating'],
    );
  });
});
