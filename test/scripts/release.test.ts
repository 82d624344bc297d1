import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { tarGz } from '../../scripts/release/archive.ts';
import { releasedValues } from '../../scripts/release/chart.ts';
import { releaseNotes } from '../../scripts/release/changelog.ts';
import { krewManifest } from '../../scripts/release/krew.ts';
import { version } from '../../src/util/version.ts';

const root = join(import.meta.dirname, '../..');

describe('the archive of a release', () => {
  const files = [
    { name: 'program', content: Buffer.from('#!/bin/sh\n'), isExecutable: true },
    { name: 'LICENSE', content: Buffer.alloc(1024, 'l'), isExecutable: false },
    { name: 'empty', content: Buffer.alloc(0), isExecutable: false },
  ];

  it('is unpacked by tar with contents and modes', () => {
    const directory = mkdtempSync(join(tmpdir(), 'archive-'));
    try {
      const path = join(directory, 'a.tar.gz');
      writeFileSync(path, tarGz(files));
      execFileSync('tar', ['-xzf', path, '-C', directory]);
      for (const { name, content, isExecutable } of files) {
        assert.ok(readFileSync(join(directory, name)).equals(content), name);
        assert.equal((statSync(join(directory, name)).mode & 0o111) !== 0, isExecutable, name);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('has the same bytes for the same files', () => assert.ok(tarGz(files).equals(tarGz(files))));
});

describe('release notes', () => {
  const CHANGELOG =
    '# Changelog\n\n## Unreleased\n\n- c\n\n## 0.2.0 (2026-12-01)\n\n- b\n\n## 0.1.0\n\n- a\n';

  it('are the section of the version', () => {
    assert.equal(releaseNotes(CHANGELOG, '0.2.0'), '- b');
    assert.equal(releaseNotes(CHANGELOG, '0.1.0'), '- a');
  });

  it('are refused for a version that the changelog lacks', () => {
    assert.throws(() => releaseNotes(CHANGELOG, '0.2'), /no section "## 0\.2"/);
  });
});

describe('the krew manifest', () => {
  it('names the archive of the release with its checksum, and the files in it', () => {
    const release = { tag: 'v0.2.0', repository: 'o/n', archive: 'a.tar.gz', sha256: 'abc' };
    const { metadata, spec } = parse(krewManifest(release)) as {
      metadata: { name: string };
      spec: {
        version: string;
        shortDescription: string;
        platforms: { uri: string; sha256: string; bin: string; files: { from: string }[] }[];
      };
    };
    assert.equal(metadata.name, 'segmentation');
    assert.equal(spec.version, 'v0.2.0');
    // krew's style guide: at most 50 characters.
    assert.ok(spec.shortDescription.length <= 50);
    const [platform] = spec.platforms;
    assert.equal(platform?.uri, 'https://github.com/o/n/releases/download/v0.2.0/a.tar.gz');
    assert.equal(platform?.sha256, 'abc');
    assert.ok(platform?.files.some(({ from }) => from === platform.bin));
  });
});

describe('the values of a released chart', () => {
  const values = readFileSync(join(root, 'charts/segmentation-operator/values.yaml'), 'utf8');
  const digest = `sha256:${'0a'.repeat(32)}`;

  it('differ from those of the repository only in the image and its comment', () => {
    const lines = values.split('\n');
    const changed = releasedValues(values, `ghcr.io/o/n@${digest}`)
      .split('\n')
      .filter((line, index) => line !== lines[index]);
    assert.deepEqual(changed, [
      '  # The image of this release.',
      '  repository: ghcr.io/o/n',
      `  digest: "${digest}"`,
    ]);
  });

  it('are refused for an image without a digest', () => {
    assert.throws(() => releasedValues(values, 'ghcr.io/o/n:v1'), /has no digest/);
  });
});

describe('the version', () => {
  const read = (path: string) => parse(readFileSync(join(root, path), 'utf8')) as Record<string, unknown>;

  it('of package.json is that of the chart and of the image in config/manager', () => {
    const { version: chart, appVersion } = read('charts/segmentation-operator/Chart.yaml');
    assert.deepEqual([chart, appVersion], [version, version]);
    const [image] = read('config/manager/kustomization.yaml')['images'] as { newTag: string }[];
    assert.equal(image?.newTag, `v${version}`);
  });
});
