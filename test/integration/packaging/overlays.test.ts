/** The overlays of docs/operations.md, rendered by the real kustomize. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { page, samples } from '../../docs/pages.ts';
import { locateBinaries } from '../../env/index.ts';

const root = join(import.meta.dirname, '../../..');
const shown = samples(page('docs/operations.md')).filter(({ language }) => language === 'yaml');
const overlays = shown.filter(({ text }) => /^kind: Kustomization$/m.test(text));
const configuration = shown.find(({ text }) => /^kind: OperatorConfiguration$/m.test(text))?.text ?? '';
const namespace = shown.find(({ text }) => /^kind: ConfigMap$/m.test(text))?.text ?? '';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

interface PodSpec {
  readonly containers: readonly {
    readonly image: string;
    readonly args: readonly string[];
    readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  }[];
  readonly volumes: readonly { readonly name: string; readonly configMap: { readonly name: string } }[];
}

/** The rules of the roles of config/default by kind and name. */
function rulesOf(manifests: readonly Manifest[]): unknown {
  const roles = manifests.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
  return Object.fromEntries(
    roles.map(({ kind, metadata, ...rest }) => [`${kind} ${metadata.name}`, rest['rules']]),
  );
}

describe('an overlay of docs/operations.md', () => {
  let directory: string;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'overlays-'));
    for (const folder of ['config', 'crds'])
      cpSync(join(root, folder), join(directory, folder), { recursive: true });
  });
  after(() => rmSync(directory, { recursive: true }));

  async function render(index: number): Promise<Manifest[]> {
    const folder = join(directory, `overlay-${index}`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'kustomization.yaml'), overlays[index]?.text ?? '');
    writeFileSync(join(folder, 'operator.yaml'), configuration);
    writeFileSync(join(folder, 'namespace.yaml'), namespace);
    return kustomized(folder);
  }

  async function kustomized(folder: string): Promise<Manifest[]> {
    const { kubectl } = await locateBinaries();
    const text = execFileSync(kubectl, ['kustomize', folder], { encoding: 'utf8' });
    return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
  }

  it('exists, with a configuration', () => {
    assert.ok(overlays.length >= 3, `${overlays.length} overlays`);
    assert.notEqual(configuration, '');
    assert.notEqual(namespace, '');
  });

  for (const [index, { at, text }] of overlays.entries()) {
    it(`is rendered: ${at}`, async () => {
      const manifests = await render(index);
      // Kustomize takes `resourceNames` of a role for references to its own objects, and may replace them.
      assert.deepEqual(rulesOf(manifests), rulesOf(await kustomized(join(directory, 'config/default'))));
      const deployment = manifests.find(({ kind }) => kind === 'Deployment');
      assert.ok(deployment, 'no Deployment');
      if (!text.includes('configMapGenerator')) return;
      // The file reaches the operator, under a name that changes with it.
      const config = manifests.find(({ kind }) => kind === 'ConfigMap');
      assert.deepEqual(config?.['data'], { 'operator.yaml': configuration });
      assert.match(config?.metadata.name ?? '', /^segmentation-operator-configuration-\w{10}$/);
      const { template } = deployment['spec'] as { template: { spec: PodSpec } };
      const { containers, volumes } = template.spec;
      const mount = containers[0]?.volumeMounts[0];
      assert.ok(containers[0]?.args.includes(`--config=${mount?.mountPath}/operator.yaml`));
      assert.deepEqual(volumes, [{ name: mount?.name, configMap: { name: config?.metadata.name } }]);
      assert.match(containers[0]?.image ?? '', /^registry\.example\.com\//);
    });
  }
});
