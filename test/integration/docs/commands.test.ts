/** The API server accepts every SegmentationProfile in the documentation. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { PAGES, samples } from '../../docs/pages.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { crdEstablished } from '../../env/plane/crd.ts';

const root = join(import.meta.dirname, '../../..');
const shown = PAGES.flatMap(samples).flatMap(({ language, text, at }) =>
  language === 'yaml'
    ? parseAllDocuments(text)
        .map((document) => document.toJS() as Partial<SegmentationProfile> | null)
        .filter((profile) => profile?.kind === 'SegmentationProfile')
        .map((profile) => ({ at, profile }))
    : [],
);

describe('documentation samples of SegmentationProfile', () => {
  let plane: ControlPlane;

  before(async () => {
    plane = await sharedControlPlane();
    await plane.kubectlRun(['apply', '--server-side', '--force-conflicts', '-k', join(root, 'config/crd')]);
    await crdEstablished((args) => plane.kubectlRun(args));
  });

  it('exist in README.md and docs/guide.md', () => {
    for (const page of ['README.md', 'docs/guide.md']) {
      assert.ok(
        shown.some(({ at }) => at.startsWith(`${page}:`)),
        page,
      );
    }
  });

  for (const { at, profile } of shown) {
    it(`are admitted without a change of any field: ${at}`, async () => {
      const stdin = JSON.stringify(profile);
      const stored = await plane.kubectlRun(['apply', '--dry-run=server', '-o', 'json', '-f', '-'], {
        stdin,
      });
      assert.partialDeepStrictEqual((JSON.parse(stored) as SegmentationProfile).spec, profile?.spec);
    });
  }
});
