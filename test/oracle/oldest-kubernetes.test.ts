/** The manifests of config/default under the validation of the oldest supported Kubernetes, by its own code (test/env/tools). */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { page, readRepositoryFile } from '../docs/pages.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';
import { locateBinaries } from '../env/index.ts';

const root = join(import.meta.dirname, '../..');
const module = readRepositoryFile('test/env/tools/oldest-kubernetes/go.mod');
const OLDEST = /k8s\.io\/apiextensions-apiserver v0\.(\d+)\./.exec(module)?.[1] ?? '';

(goIsThere ? describe : describe.skip)(
  `Kubernetes 1.${OLDEST}, the oldest supported version,${skippedWithoutGo}`,
  () => {
    let judge: string;
    let manifests: string;

    before(async function () {
      this.timeout('20m');
      judge = await goTool({
        name: 'oldest-kubernetes',
        module: 'oldest-kubernetes',
        package: '.',
        title: `the validation of manifests by Kubernetes 1.${OLDEST}`,
        usualTime: 'it takes about a minute on 2 cores',
      });
      const { kubectl } = await locateBinaries();
      manifests = execFileSync(kubectl, ['kustomize', join(root, 'config/default')], { encoding: 'utf8' });
    });

    const complaints = (text: string): string => {
      const { status, stdout, stderr } = spawnSync(judge, { input: text, encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return stdout;
    };

    it('accepts all of config/default', () => assert.equal(complaints(manifests), ''));

    const BROKEN: readonly (readonly [find: string, replace: string, says: RegExp])[] = [
      [
        '!isCIDR(self)',
        '!isSubnet(self)',
        /^segmentationprofiles\.segmentation\.dev: .*undeclared reference to 'isSubnet'/,
      ],
      [
        'variables.own',
        'variables.mine',
        /^segmentation-operator-network-policies validation: .*undefined field 'mine'/,
      ],
      [
        'request.userInfo.username !=',
        'request.user !=',
        /matchCondition not-the-operator: .*undefined field 'user'/,
      ],
    ];
    for (const [find, replace, says] of BROKEN) {
      it(`refuses the unknown ${replace}`, () => {
        assert.ok(manifests.includes(find));
        assert.match(complaints(manifests.replaceAll(find, replace)), says);
      });
    }

    it('is the oldest version that the chart and the pages name', () => {
      const chart = readRepositoryFile('charts/segmentation-operator/Chart.yaml');
      assert.match(chart, new RegExp(`^kubeVersion: ">=1\\.${OLDEST}\\.0-0"$`, 'm'));
      for (const path of ['README.md', 'docs/guide.md', 'docs/operations.md', 'docs/troubleshooting.md']) {
        const named = [...page(path).text.matchAll(/Kubernetes 1\.(\d+) or later/g)].map(([, minor]) =>
          Number(minor),
        );
        // Pages name later versions for single features, such as peers by ServiceAccount.
        assert.equal(Math.min(...named), Number(OLDEST), path);
      }
    });
  },
);
