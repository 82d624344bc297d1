/** The schemas of Kubernetes' own kinds that manifests are decoded with, against those of the API server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KUBERNETES_SCHEMAS, kubernetesSchemas } from '../../../scripts/generators/kubernetes.ts';
import { sharedControlPlane } from '../../env/index.ts';

describe(KUBERNETES_SCHEMAS, () => {
  it('has the schemas that the API server serves (else: npm run generate -- --kubernetes)', async () => {
    const { admin } = await sharedControlPlane();
    const committed = readFileSync(join(import.meta.dirname, '../../..', KUBERNETES_SCHEMAS), 'utf8');
    assert.equal(committed, await kubernetesSchemas(admin));
  });
});
