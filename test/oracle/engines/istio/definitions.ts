/** The definitions of Istio's kinds, as its Go module has them, in the test's control plane. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from '../../../env/index.ts';
import { crdEstablished } from '../../../env/plane/crd.ts';
import { goModuleFolder } from '../../../env/tooling/go-tool.ts';

async function definitionsFile(): Promise<string> {
  return join(await goModuleFolder('istio', 'istio.io/api'), 'kubernetes/customresourcedefinitions.gen.yaml');
}

/** Resolves when the API server serves all of Istio's kinds. */
export async function installDefinitions(plane: ControlPlane): Promise<void> {
  const file = await definitionsFile();
  await plane.kubectlRun(['apply', '--server-side', '-f', file]);
  for (const [name] of readFileSync(file, 'utf8').matchAll(/(?<=^ {2}name: )[a-z]+\.[a-z.]+$/gm))
    await crdEstablished((args) => plane.kubectlRun(args), name);
}

export async function removeDefinitions(plane: ControlPlane): Promise<void> {
  await plane.kubectlRun(['delete', '--ignore-not-found', '--wait=false', '-f', await definitionsFile()]);
}
