/** The samples of config/samples, as the API server sees them and as their comments say. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { crdEstablished } from '../../env/plane/crd.ts';

const root = join(import.meta.dirname, '../../..');
const directory = join(root, 'config/samples');
const files = readdirSync(directory).filter(
  (file) => file.endsWith('.yaml') && file !== 'kustomization.yaml',
);

/** The label that the comment of a sample has you set: `kubectl label namespace NAME key=value`. */
function labelOf(text: string): Readonly<Record<string, string>> {
  const [, key, value] = /^# +kubectl label namespace NAME (\S+)=(\S+)$/m.exec(text) ?? [];
  assert.ok(key !== undefined && value !== undefined, 'the comment names no label');
  return { [key]: value };
}

describe('the samples', () => {
  let plane: ControlPlane;

  before(async () => {
    plane = await sharedControlPlane();
    await plane.kubectlRun(['apply', '--server-side', '--force-conflicts', '-k', join(root, 'config/crd')]);
    await crdEstablished((args) => plane.kubectlRun(args));
  });

  it('are admitted together', async () => {
    const output = await plane.kubectlRun(['apply', '--dry-run=server', '-o', 'name', '-k', directory]);
    const names = files.map((file) => `segmentationprofile.segmentation.dev/${file.replace('.yaml', '')}`);
    assert.deepEqual(output.trim().split('\n').sort(), names.sort());
  });

  for (const file of files) {
    const text = readFileSync(join(directory, file), 'utf8');
    const written = parse(text) as SegmentationProfile;

    describe(file, () => {
      it('is admitted, and changes no field that it writes', async () => {
        const args = ['apply', '--dry-run=server', '-o', 'json', '-f', join(directory, file)];
        const stored = JSON.parse(await plane.kubectlRun(args)) as SegmentationProfile;
        assert.partialDeepStrictEqual(stored.spec, written.spec);
      });

      it('selects a namespace with the label that its comment names, and none without', () => {
        assert.equal(matches(written.spec.namespaceSelector, labelOf(text)), true);
        assert.equal(
          matches(written.spec.namespaceSelector, { 'kubernetes.io/metadata.name': 'shop' }),
          false,
        );
      });

      it('selects none that only another sample asks for', () => {
        for (const other of files.filter((each) => each !== file)) {
          const labels = labelOf(readFileSync(join(directory, other), 'utf8'));
          assert.equal(matches(written.spec.namespaceSelector, labels), false, other);
        }
      });
    });
  }

  it('are still admitted with the connections that comments show', async () => {
    const text = readFileSync(join(directory, 'strict.yaml'), 'utf8');
    const shown = text.slice(text.indexOf('  # connections:')).replaceAll(/^ {2}# ?/gm, '  ');
    const uncommented = text.slice(0, text.indexOf('  # connections:')) + shown;
    const args = ['apply', '--dry-run=server', '-o', 'json', '-f', '-'];
    const { spec } = JSON.parse(await plane.kubectlRun(args, { stdin: uncommented })) as SegmentationProfile;
    assert.equal(spec.connections?.length, 2);
  });
});
