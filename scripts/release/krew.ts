/** The manifest of the kubectl plugin for krew, the plugin manager (https://krew.sigs.k8s.io). Pure. */
import { stringify } from 'yaml';

export interface PluginRelease {
  /** With the v. */
  readonly tag: string;
  /** OWNER/NAME on GitHub. */
  readonly repository: string;
  /** The name of the plugin's archive among the release's files. */
  readonly archive: string;
  /** The digest of the archive, hexadecimal. */
  readonly sha256: string;
}

export function krewManifest({ tag, repository, archive, sha256 }: PluginRelease): string {
  const home = `https://github.com/${repository}`;
  const manifest = {
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: 'segmentation' },
    spec: {
      version: tag,
      homepage: home,
      shortDescription: 'Explain, test and compare network segmentation',
      description: [
        'Shows what SegmentationProfiles and NetworkPolicies do, in a cluster or in',
        'manifests: which namespaces are segmented, why a flow is allowed or denied and',
        'the smallest rule that changes it, what a change opens or closes, and whether',
        'expectations hold, for CI. It never writes to a cluster.',
        '',
      ].join('\n'),
      caveats: 'Needs Node.js 24 or later on the PATH.\n',
      platforms: [
        {
          selector: { matchExpressions: [{ key: 'os', operator: 'In', values: ['darwin', 'linux'] }] },
          uri: `${home}/releases/download/${tag}/${archive}`,
          sha256,
          files: [
            { from: 'kubectl-segmentation', to: '.' },
            { from: 'package.json', to: '.' },
            { from: 'LICENSE', to: '.' },
            { from: 'THIRD_PARTY_LICENSES', to: '.' },
          ],
          bin: 'kubectl-segmentation',
        },
      ],
    },
  };
  return stringify(manifest, { lineWidth: 0, blockQuote: 'literal' });
}
