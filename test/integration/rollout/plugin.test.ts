/** The plugin's `rollout`, and its other commands while a rollout is under way, with a real operator. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { cli, type Ran } from '../../cli/cli.ts';
import { OperatorSuite } from '../../support/suite.ts';
import { grant, have, reaches, revoke, ROLLOUT, withRule } from './scene.ts';

describe('kubectl segmentation rollout', () => {
  const suite = new OperatorSuite('rollout-cli');
  let directory: string;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'rollout-cli-'));
    return grant(suite.plane);
  });
  after(async () => {
    rmSync(directory, { recursive: true });
    await revoke(suite.plane);
  });

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
    const { box, profile, a } = await soaking();
    const { code, stdout } = await rollout(`status ${profile}`);
    assert.equal(code, 1);
    const lines = stdout.split('\n');
    assert.equal(lines[0], `profile ${profile}, revision 1: Soaking 0/2`);
    assert.match(lines[1] ?? '', /^revision 1, wave canary \(1 of 2\): all namespaces have it since /);
    assert.deepEqual(lines.slice(3, 7), [
      'WAVE     STATE       SOAK   NAMESPACES   REVISIONS',
      'canary   under way   1h     1            1 (1)',
      'rest     to come     -      1            none (1)',
      '',
    ]);
    assert.deepEqual(
      lines.slice(7).map((line) => line.replaceAll(/ +/g, ' ')),
      ['NAMESPACE CLOSED', `${a} all that its policies do not allow, as it was not isolated`, ''],
    );
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

  it('knows the revisions whose labels somebody has removed', async () => {
    const { box, profile, a, b } = await soaking();
    await rollout(`promote ${profile}`);
    await reaches(box, profile, 'Complete');
    await box.edit(profile, withRule('r2'));
    await reaches(box, profile, 'Soaking 0/2');
    const ofProfile = `segmentation.dev/profile=${profile}`;
    const revisions = ['controllerrevisions', '-n', 'segmentation-system', '-l', ofProfile];
    const removed = ['segmentation.dev/profile-', 'app.kubernetes.io/managed-by-'];
    await suite.plane.kubectlRun(['label', ...revisions, ...removed]);
    const rendered = await cli(`render ${profile} -o table --kubeconfig ${suite.plane.kubeconfig}`);
    assert.match(rendered.stdout, new RegExp(`^${b} +${profile}\\.egress `, 'm'));
    const { stdout } = await rollout(`undo ${profile}`);
    assert.match(stdout, /the spec is that of revision 1 again/);
    await reaches(box, profile, 'Complete');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
  });

  it('is for render, status, explain and diff: each namespace counts with the revision that it has', async () => {
    const { box, profile, a, b } = await soaking();
    await box.pod(b, 'web', { app: 'web' });
    const plugin = (line: string): Promise<Ran> => cli(`${line} --kubeconfig ${suite.plane.kubeconfig}`);
    const unreached = `note: profile ${profile}: its rollout has not reached ${b}, which it selects: it has no policies there`;
    const first = await plugin(`render ${profile} -o table`);
    assert.match(first.stdout, new RegExp(`^${a} +${profile}\\.egress `, 'm'));
    assert.doesNotMatch(first.stdout, new RegExp(`^${b} `, 'm'));
    assert.ok(first.stderr.split('\n').includes(unreached), first.stderr);
    assert.match(
      (await plugin('status')).stdout,
      new RegExp(`^${b} +Pending +${profile} \\(no revision yet\\)`, 'm'),
    );
    await rollout(`promote ${profile}`);
    await reaches(box, profile, 'Complete');
    const changed = { egress: [{ name: 'r2', to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }] };
    const { metadata, spec } = await box.readProfile(profile);
    const file = join(directory, 'changed.json');
    const { apiVersion, kind } = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile' };
    const manifest = { apiVersion, kind, metadata: { name: metadata.name }, spec: { ...spec, ...changed } };
    writeFileSync(file, JSON.stringify(manifest));
    const waves = async () => {
      const { stdout } = await plugin(`diff -f ${file} -o json`);
      return (JSON.parse(stdout) as { rollouts?: object }).rollouts;
    };
    const [inFirst, inRest] = [
      { wave: 'canary', soak: '1h', namespaces: [a] },
      { wave: 'rest', namespaces: [b] },
    ];
    assert.deepEqual(await waves(), [{ profile, atOnce: false, waves: [inFirst, inRest] }]);
    await box.edit(profile, changed);
    await reaches(box, profile, 'Soaking 0/2');
    const rendered = await plugin(`render ${profile} -o json`);
    const cidrs = (JSON.parse(rendered.stdout) as { items: readonly NetworkPolicy[] }).items.flatMap(
      ({ metadata: { namespace = '' }, spec: { egress = [] } }) =>
        egress.flatMap(({ to = [] }) =>
          to.flatMap(({ ipBlock }) => (ipBlock ? [[namespace, ipBlock.cidr]] : [])),
        ),
    );
    assert.deepEqual(cidrs, [
      [a, '198.51.100.0/24'],
      [b, '203.0.113.0/24'],
    ]);
    const note = `profile ${profile}: revision 1 is in force in ${b}; the latest is 2`;
    assert.ok(rendered.stderr.includes(note), rendered.stderr);
    assert.match(
      (await plugin('status')).stdout,
      new RegExp(`^${b} +Enforced +${profile} \\(revision 1\\)`, 'm'),
    );
    assert.ok((await plugin(`explain 198.51.100.1 ns/${b} -p 80`)).stderr.includes(note));
    // The rest of the rollout that is under way, and the way back.
    assert.deepEqual(await waves(), [{ profile, atOnce: false, waves: [inRest] }]);
    writeFileSync(file, JSON.stringify({ ...manifest, spec }));
    assert.deepEqual(await waves(), [{ profile, atOnce: true, waves: [] }]);
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
