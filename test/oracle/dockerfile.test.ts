/** The Dockerfile under the checks of `docker build --check`, by BuildKit's own code (test/env/tools/dockerfile). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readRepositoryFile } from '../docs/pages.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';

const dockerfile = readRepositoryFile('Dockerfile');

(goIsThere ? describe : describe.skip)(`BuildKit's check of the Dockerfile${skippedWithoutGo}`, () => {
  let judge: string;

  before(async function () {
    this.timeout('20m');
    judge = await goTool({
      name: 'dockerfile-check',
      module: 'dockerfile',
      package: '.',
      title: 'the check of Dockerfiles by BuildKit',
      usualTime: 'it takes about a minute on 2 cores',
    });
  });

  const complaints = (text: string): string[] => {
    const { status, stdout, stderr } = spawnSync(judge, { input: text, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout.split('\n').filter(Boolean);
  };

  it('finds nothing', () => assert.deepEqual(complaints(dockerfile), []));

  it('finds nothing if base images are given by tag alone', () => {
    const byTag = dockerfile.replaceAll(/@sha256:[0-9a-f]{64}$/gm, '');
    assert.notEqual(byTag, dockerfile);
    assert.deepEqual(complaints(byTag), []);
  });

  const BROKEN: readonly (readonly [find: string, replace: string, says: RegExp])[] = [
    ['WORKDIR', 'WORKDIRR', /unknown instruction: WORKDIRR/],
    ['FROM ${RUNTIME_IMAGE}\nARG RUNTIME_IMAGE', 'FROM ${RUNTIME_IMAGE}', /UndefinedVar: .*RUNTIME_IMAGE/],
    ['FROM ${RUNTIME_IMAGE}', 'FROM ${RUNTIME}', /UndefinedArgInFrom|base name .* should not be blank/],
  ];
  for (const [find, replace, says] of BROKEN) {
    it(`finds the fault in ${JSON.stringify(replace)}`, () => {
      assert.ok(dockerfile.includes(find));
      assert.match(complaints(dockerfile.replaceAll(find, replace)).join('\n'), says);
    });
  }
});
