/** Gates of rollouts that ask a real Prometheus: which answers have a value, and a wave that breaks a query. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { PrometheusClient } from '../../../src/prometheus/client.ts';
import { page, samples } from '../../docs/pages.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { buildPrometheus, Prometheus } from '../../support/monitoring/prometheus.ts';
import { installOperator, Operators } from '../../support/operator.ts';
import { grant, have, promote, reaches, revoke, ROLLOUT, withRule } from './scene.ts';

const PAGE = page('docs/rollout.md');
const QUERIES = samples(PAGE)
  .filter(({ language }) => language === 'yaml')
  .map(({ text }) => (parse(text) as Partial<SegmentationProfile>).spec?.rollout?.gates?.prometheus ?? [])
  .find(({ length }) => length > 0);

(goIsThere ? describe : describe.skip)(`gate that asks Prometheus${skippedWithoutGo}`, () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;
  let prometheus: Prometheus;
  let directory: string | undefined;
  /** Serves the metric `errors`, of which Prometheus has a series for each of two jobs. */
  let target: Server | undefined;
  let errors = 0;

  before(async function () {
    this.timeout('20m');
    await buildPrometheus();
    plane = await sharedControlPlane();
    target = createServer((_, answer) =>
      answer.setHeader('content-type', 'text/plain').end(`# TYPE errors gauge\nerrors ${errors}\n`),
    ).listen(0, '127.0.0.1');
    await once(target, 'listening');
    const targets = [`127.0.0.1:${(target.address() as AddressInfo).port}`];
    prometheus = await Prometheus.start({
      global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
      scrape_configs: ['one', 'two'].map((job_name) => ({ job_name, static_configs: [{ targets }] })),
    });
    directory = mkdtempSync(join(tmpdir(), 'queries-'));
    const file = join(directory, 'operator.yaml');
    const configuration = { prometheus: { url: prometheus.url } };
    writeFileSync(
      file,
      JSON.stringify({
        apiVersion: 'config.segmentation.dev/v1alpha1',
        kind: 'OperatorConfiguration',
        ...configuration,
      }),
    );
    const kubeconfig = await installOperator(plane);
    await grant(plane);
    await operators.start(kubeconfig, `--config=${file}`);
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'queries');
  });
  afterEach(() => box.remove());
  after(async () => {
    await prometheus?.stop();
    target?.close();
    await revoke(plane);
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  it('takes back by itself a revision whose wave breaks a query, and says which', async () => {
    const [a, b] = [await box.namespace('a', { tier: 'test' }), await box.namespace('b')];
    const [sample] = QUERIES ?? [];
    assert.ok(sample !== undefined);
    const query = { name: 'broken', query: 'sum(errors)', max: 1, for: '1s' };
    const gates = { prometheus: [{ ...sample, name: 'sample' }, query] };
    const profile = await box.profile('p', {
      rollout: { ...ROLLOUT.rollout, gates },
      ...withRule('r1'),
    });
    await reaches(box, profile, 'Soaking 0/2');
    await promote(box, profile, '1/canary');
    await reaches(box, profile, 'Complete');
    await box.edit(profile, { egress: [{ name: 'r2', to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }] });
    await reaches(box, profile, 'Soaking 0/2');
    await have(box, profile, { [a]: ['r2'], [b]: ['r1'] });
    const { status } = await box.readProfile(profile);
    assert.deepEqual(status?.rollout?.gates?.queries, [
      { name: 'sample', value: '0' },
      { name: 'broken', value: '0' },
    ]);
    errors = 4;
    await reaches(box, profile, 'RolledBack');
    await have(box, profile, { [a]: ['r1'], [b]: ['r1'] });
    const { reason, message } = await box.condition(profile, 'Stalled');
    assert.equal(reason, 'RolledBack');
    assert.match(
      message,
      new RegExp(
        `query broken is [48], more than max 1, after the wave began; it was 0 when the wave began; ` +
          `closed since the rollout began: in ${a}: Egress to 203\\.0\\.113\\.0/24`,
      ),
    );
    errors = 0;
  });

  describe('has for', () => {
    const ask = async (query: string) => {
      const client = new PrometheusClient({
        url: prometheus.url,
        caFile: undefined,
        tokenFile: undefined,
        userAgent: 'test',
      });
      try {
        return await client.ask(query, new AbortController().signal);
      } finally {
        await client.close();
      }
    };
    const VALUES: readonly (readonly [what: string, query: string, value: number])[] = [
      ['a sum', 'sum(up)', 2],
      ['a scalar', '1.5', 1.5],
      ['a quotient without a bound', 'vector(1) / 0', Infinity],
      ['a comparison that holds', 'sum(up) > bool 1', 1],
    ];
    for (const [what, query, value] of VALUES)
      it(`${what} a value`, () =>
        eventually(async () => assert.deepEqual(await ask(query), { kind: 'value', value })));

    const NONE: readonly (readonly [what: string, query: string, reason: RegExp])[] = [
      ['a series that does not exist', 'missing', /^no sample/],
      ['a comparison that does not hold', 'sum(up) > 5', /^no sample/],
      ['two series', 'up', /^2 samples/],
      ['0/0', 'vector(0) / 0', /NaN/],
      ['a range', 'up[1m]', /gives a matrix/],
      ['a text', '"a"', /gives a string/],
      ['an expression that is wrong', 'sum(', /^the server answered 400: .*parse error/],
    ];
    for (const [what, query, reason] of NONE)
      it(`${what} a reason why there is no value`, () =>
        eventually(async () => {
          const result = await ask(query);
          assert.ok(result.kind === 'none', JSON.stringify(result));
          assert.match(result.reason, reason);
        }));
  });

  it('has queries in docs/rollout.md that are a value where no metric exists', async () => {
    assert.ok((QUERIES ?? []).length > 1);
    for (const { query } of QUERIES ?? []) assert.equal((await prometheus.query(query)).length, 1);
  });
});
