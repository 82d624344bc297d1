/** Writes the version of package.json into the chart and into the image's tags of config/manager and config/canary. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../../src/util/version.ts';

/** Each file that holds the version, with its text for the current one. */
export function versionedFiles(root: string): readonly (readonly [path: string, text: string])[] {
  return [
    rewritten(root, 'charts/segmentation-operator/Chart.yaml', /^((?:appV|v)ersion: ).*$/gm, version),
    ...['manager', 'canary'].map((part) =>
      rewritten(root, `config/${part}/kustomization.yaml`, /^( +newTag: ).*$/gm, `v${version}`),
    ),
  ];
}

function rewritten(root: string, path: string, line: RegExp, value: string): readonly [string, string] {
  const text = readFileSync(join(root, path), 'utf8');
  return [path, text.replace(line, (_, key: string) => `${key}${value}`)];
}
