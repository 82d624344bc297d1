/** Runs docs/tutorial.md command by command, with the operator and the bundled plugin, on its own control plane. */
import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { page } from '../../docs/pages.ts';
import { assertShows, bashConsoleOf, directoryForPage, fileOf, steps } from '../../docs/session.ts';
import { type ControlPlane, type NodeAgent, startControlPlane, startNodeAgent } from '../../env/index.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const root = join(import.meta.dirname, '../../..');
const tutorial = page('docs/tutorial.md');

describe('docs/tutorial.md', () => {
  const operators = new Operators();
  const directory = directoryForPage();
  let plane: ControlPlane;
  let agent: NodeAgent;

  before(async () => {
    const plugin = join(directory.path, 'bin', 'kubectl-segmentation');
    const build = spawnSync(process.execPath, [join(root, 'scripts/build.ts'), '--plugin', plugin], {
      encoding: 'utf8',
    });
    assert.equal(build.status, 0, build.stderr);
    plane = await startControlPlane();
    agent = await startNodeAgent(plane);
    await operators.start(await installOperator(plane));
  });
  after(async () => {
    await operators.end();
    await agent.stop();
    await plane.stop();
    directory.remove();
  });

  it('has files and sessions', () => {
    assert.ok(steps(tutorial).length >= 10);
  });

  for (const sample of steps(tutorial)) {
    const file = fileOf(sample);
    it(file === undefined ? `shows what is printed: ${sample.at}` : `has ${file}: ${sample.at}`, async () => {
      if (file !== undefined) {
        writeFileSync(join(directory.path, file), sample.text);
        return;
      }
      const path = [
        join(directory.path, 'bin'),
        dirname(plane.kubectl),
        dirname(process.execPath),
        process.env['PATH'],
      ];
      const env = {
        PATH: path.join(delimiter),
        HOME: directory.path,
        KUBECONFIG: plane.kubeconfig,
        // The plugin runs dozens of times.
        NODE_COMPILE_CACHE: join(plane.directory, 'compiled'),
      };
      assertShows(tutorial, sample, await bashConsoleOf(sample.text, directory.path, env), withoutTimes);
    });
  }
});

/** Replaces times, ages and trailing spaces, which differ from run to run. */
function withoutTimes(text: string): string {
  return text
    .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, 'TIME')
    .replaceAll(/\b\d+(ms|s|m)\b/g, 'AGE')
    .replaceAll(/ +$/gm, '');
}
