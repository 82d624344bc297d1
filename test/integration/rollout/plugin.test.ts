/** The plugin's `rollout`, on rollouts of a real operator. */
import assert from 'node:assert/strict';
import { cli, type Ran } from '../../cli/cli.ts';
import { OperatorSuite } from '../../support/suite.ts';
import { grant, have, reaches, revoke, ROLLOUT, withRule } from './scene.ts';

describe('kubectl segmentation rollout', () => {
  const suite = new OperatorSuite('rollout-cli');
  before(() => grant(suite.plane));
  after(() => revoke(suite.plane));

  const rollout = (line: string): Promise<Ran> =>
    cli(`rollout ${line} --kubeconfig ${suite.plane.kubeconfig}`);
  const soaking = async () => {
    const { box } = suite;
    const [a, b] = [await box.namespace('a', { tier: 'test' }), await box.namespace('b')];
    const profile = await box.profile('p', { ...ROLLOUT, ...withRule('r1') });
    await reaches(box, profile, 'Soaking 0/2');
    return { box, profile, a, b };
  };

  it('status shows the waves with the revisions of their namespaces, and if the rollout is complete', async () => {
    const { box, profile } = await soaking();
    const { code, stdout } = await rollout(`status ${profile}`);
    assert.equal(code, 1);
    const lines = stdout.split('\n');
    assert.equal(lines[0], `profile ${profile}, revision 1: Soaking 0/2`);
    assert.match(lines[1] ?? '', /^revision 1, wave canary \(1 of 2\): all namespaces have it since /);
    assert.deepEqual(lines.slice(3), [
      'WAVE     STATE       SOAK   NAMESPACES   REVISIONS',
      'canary   under way   1h     1            1 (1)',
      'rest     to come     -      1            none (1)',
      '',
    ]);
    const overview = async () => (await cli(`status --kubeconfig ${suite.plane.kubeconfig}`)).stdout;
    assert.match(
      await overview(),
      new RegExp(`^  rollout  of profile ${profile}, revision 1: Soaking 0/2, wave canary$`, 'm'),
    );
    await rollout(`promote ${profile}`);
    await reaches(box, profile, 'Complete');
    assert.doesNotMatch(await overview(), /^ {2}rollout /m);
    assert.equal((await rollout(`status ${profile} --wait`)).code, 0);
    const json = JSON.parse((await rollout(`status ${profile} -o json`)).stdout) as {
      complete: boolean;
      waves: unknown[];
    };
    assert.deepEqual([json.complete, json.waves.length], [true, 2]);
  });

  it('pause and resume hold and release the waves', async () => {
    const { box, profile } = await soaking();
    assert.equal((await rollout(`pause ${profile}`)).code, 0);
    await reaches(box, profile, 'Paused 0/2');
    const { code, stderr } = await rollout(`promote ${profile}`);
    assert.equal(code, 2);
    assert.match(stderr, /is paused: resume it first/);
    await rollout(`resume ${profile}`);
    await reaches(box, profile, 'Soaking 0/2');
  });

  it('promote --full brings the revision to every namespace', async () => {
    const { box, profile, a, b } = await soaking();
    await rollout(`promote ${profile} --full`);
    await reaches(box, profile, 'Complete');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    assert.match(
      (await rollout(`promote ${profile}`)).stderr,
      /no wave of profile .* is under way: Complete/,
    );
  });

  it('undo writes an earlier revision into the spec, at once where a later wave still has it', async () => {
    const { box, profile, a, b } = await soaking();
    assert.match((await rollout(`undo ${profile}`)).stderr, /has no earlier revision/);
    await rollout(`promote ${profile}`);
    await reaches(box, profile, 'Complete');
    await box.edit(profile, { ...withRule('r2'), isolation: ['Egress'] });
    await reaches(box, profile, 'Soaking 0/2');
    await have(box, profile, { [a]: ['r2'], [b]: ['r1'] });
    const { stdout } = await rollout(`undo ${profile}`);
    assert.match(stdout, /the spec is that of revision 1 again/);
    await reaches(box, profile, 'Complete');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    assert.deepEqual((await box.readProfile(profile)).spec.isolation, ['Ingress', 'Egress']);
    const history = (await rollout(`history ${profile}`)).stdout.split('\n').slice(0, 4);
    assert.deepEqual(
      history.map((line) => line.replace(/ +\d{4}-\S+ +/, ' ').replaceAll(/ +/g, ' ')),
      ['REVISION RECORDED IN FORCE CHANGED', '1 - -', '2 - egress, isolation', '3 yes egress, isolation'],
    );
  });

  it('refuses a profile without a rollout, and a verb that it does not know', async () => {
    const { box } = suite;
    const profile = await box.profile('plain');
    const { code, stderr } = await rollout(`status ${profile}`);
    assert.equal(code, 2);
    assert.match(stderr, /has no spec\.rollout: its changes reach all namespaces at once/);
    assert.match((await rollout(`restart ${profile}`)).stderr, /write one of status, history, pause/);
  });
});
