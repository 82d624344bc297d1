/** AuthorizationPolicies and PeerAuthentications in the test's control plane, as Istio's Go module defines them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { ControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { goModuleFolder } from '../../env/tooling/go-tool.ts';

const CRDS = ['authorizationpolicies.security.istio.io', 'peerauthentications.security.istio.io'];

/** Resolves when the API server serves them. */
export async function installSecurityKinds(plane: ControlPlane): Promise<void> {
  const module = await goModuleFolder('istio', 'istio.io/api');
  const text = readFileSync(join(module, 'kubernetes/customresourcedefinitions.gen.yaml'), 'utf8');
  const all = parseAllDocuments(text).map((each) => each.toJS() as KubeObject);
  const items = all.filter(({ metadata }) => CRDS.includes(metadata.name));
  await plane.kubectlRun(['apply', '--server-side', '-f', '-'], {
    stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  });
  for (const each of CRDS) await crdEstablished((args) => plane.kubectlRun(args), each);
}

export async function removeSecurityKinds(plane: ControlPlane): Promise<void> {
  for (const each of CRDS) await plane.kubectlRun(['delete', '--ignore-not-found', 'crd', each]);
}
