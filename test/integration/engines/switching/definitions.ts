/** Definitions of kinds, as they come with the modules of their projects. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { goModuleFolder } from '../../../env/tooling/go-tool.ts';
import type { DefinitionObject } from '../definition.ts';

/** @param tool the folder of test/env/tools whose go.mod requires the module */
export async function moduleDefinitions(
  tool: string,
  module: string,
  file: string,
): Promise<readonly DefinitionObject[]> {
  const text = readFileSync(join(await goModuleFolder(tool, module), file), 'utf8');
  return parseAllDocuments(text).map((document) => document.toJS() as DefinitionObject);
}

/** The DaemonSet by which an engine is found, in kube-system. No agent runs in it. */
export const agent = (name: string) => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name, namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: { 'k8s-app': name } },
    template: {
      metadata: { labels: { 'k8s-app': name } },
      spec: { tolerations: [{ operator: 'Exists' }], containers: [{ name: 'agent', image: 'agent' }] },
    },
  },
});
