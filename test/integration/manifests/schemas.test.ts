/** The schemas of Kubernetes' own kinds that manifests are decoded with, against those of the API server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KUBERNETES_SCHEMAS, kubernetesSchemas } from '../../../scripts/generators/kubernetes.ts';
import { skipOnOtherVersion } from './version.ts';
import { sharedControlPlane } from '../../env/index.ts';

describe(KUBERNETES_SCHEMAS, () => {
  it('has the schemas that the API server serves (else: npm run generate -- --kubernetes)', async function () {
    const plane = await sharedControlPlane();
    await skipOnOtherVersion(this, plane);
    const committed = readFileSync(join(import.meta.dirname, '../../..', KUBERNETES_SCHEMAS), 'utf8');
    assert.equal(committed, await kubernetesSchemas(plane.admin));
  });
});
