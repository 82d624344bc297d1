/** docs/rollout.md: its YAML, commands and annotations, tried with the sample of config/samples on a real operator. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { cli } from '../../cli/cli.ts';
import { page, quoted, readRepositoryFile, rows, samples } from '../../docs/pages.ts';
import type { Sandbox } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';
import { reaches, revoke } from './scene.ts';

const PAGE = page('docs/rollout.md');
const SAMPLE = parse(readRepositoryFile('config/samples/rollout/profile.yaml')) as SegmentationProfile;
/** The commands of the page's shell blocks, as lists of words. */
const COMMANDS = samples(PAGE)
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.trim().split('\n'))
  .map((line) => line.split(' '));
const PLUGIN = 'kubectl segmentation ';

describe('docs/rollout.md', () => {
  const suite = new OperatorSuite('rollout-page');
  let box: Sandbox;
  let profile: string;
  let namespace: string;

  before(async () => {
    assert.ok(COMMANDS.length > 0, 'the page has no command');
    for (const [program, ...args] of COMMANDS) {
      assert.equal(program, 'kubectl');
      await suite.plane.kubectlRun(args);
    }
  });
  after(() => revoke(suite.plane));

  beforeEach(async () => {
    ({ box } = suite);
    const { namespaceSelector, ...spec } = SAMPLE.spec;
    namespace = await box.namespace('a', { ...namespaceSelector.matchLabels, env: 'test' });
    profile = await box.profile('p', { ...spec, namespaceSelector });
    await reaches(box, profile, 'Soaking 0/4');
  });

  /** Runs the command that the page's table has for an aim, for the profile of this test. */
  const run = async (aim: RegExp): Promise<void> => {
    const [, cell = ''] = rows(PAGE).find(([first = '']) => aim.test(first)) ?? [];
    const command = quoted(cell).find((each) => each.startsWith(PLUGIN)) ?? '';
    assert.ok(command.endsWith(' NAME'), `the page has no command for ${aim.source}: ${cell}`);
    const line = command.slice(PLUGIN.length).replace('NAME', profile);
    const { code, output } = await cli(`${line} --kubeconfig ${suite.plane.kubeconfig}`);
    assert.equal(code, 0, output);
  };
  /** Sets the annotation that the page's table has with a value of this form. */
  const annotate = async (form: string, value: string): Promise<void> => {
    const [name = ''] = rows(PAGE).find((cells) => quoted(cells[1] ?? '')[0] === form) ?? [];
    const [key] = quoted(name);
    await suite.plane.kubectlRun(['annotate', '--overwrite', 'segp', profile, `${key}=${value}`]);
  };
  /** Completes revision 1, then makes the next one fail: its additional policy exceeds a quota. */
  const failing = async (rollout: object = {}): Promise<void> => {
    await annotate('REVISION/*', '1/*');
    await reaches(box, profile, 'Complete');
    const count = (await box.policies(namespace)).length;
    await box.plane.admin.send('POST', `/api/v1/namespaces/${namespace}/resourcequotas`, {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'none' },
      spec: { hard: { 'count/networkpolicies.networking.k8s.io': String(count) } },
    });
    const web = { name: 'web', podSelector: { matchLabels: { app: 'web' } }, to: [{ entity: 'Any' }] };
    await box.edit(profile, { egress: [web], rollout });
  };
  const withoutQuota = () =>
    box.plane.admin.send('DELETE', `/api/v1/namespaces/${namespace}/resourcequotas/none`);

  it('shows the rollout of the sample, which the API server stores as it is written', async () => {
    const { text = '' } = samples(PAGE).find(({ language }) => language === 'yaml') ?? {};
    const shown = parse(text) as Pick<SegmentationProfile, 'spec'>;
    assert.deepEqual(shown.spec.rollout, SAMPLE.spec.rollout);
    assert.partialDeepStrictEqual((await box.readProfile(profile)).spec, SAMPLE.spec);
  });

  it('has an annotation that ends the wait for one wave, and one that ends it for all', async () => {
    await annotate('REVISION/WAVE', '1/canary');
    // The other waves have no namespace.
    await reaches(box, profile, 'Complete');
    await box.edit(profile, { isolation: ['Ingress'] });
    await reaches(box, profile, 'Soaking 0/4');
    await annotate('REVISION/*', '2/*');
    await reaches(box, profile, 'Complete');
  });

  it('has commands that try a revision again that was taken back, and that give it up', async () => {
    await failing();
    await reaches(box, profile, 'RolledBack');
    await withoutQuota();
    await run(/^try the same again/);
    await reaches(box, profile, 'Soaking 0/4');
    await run(/^give the change up/);
    await reaches(box, profile, 'Complete');
    assert.equal((await box.readProfile(profile)).spec.egress, undefined);
  });

  it('has an annotation that tries a revision again', async () => {
    await failing();
    await reaches(box, profile, 'RolledBack');
    await withoutQuota();
    await annotate('REVISION', '2');
    await reaches(box, profile, 'Soaking 0/4');
  });

  it('has a command that goes on with a revision that failed under Pause', async () => {
    await failing({ onFailure: 'Pause' });
    await reaches(box, profile, 'Failed 0/4');
    await run(/^go on all the same/);
    await reaches(box, profile, 'Complete');
  });
});
