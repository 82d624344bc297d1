/** Flow logs from a real Loki: what `--loki` reads is what was pushed. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, directoryOf } from '../cli/cli.ts';
import { Loki } from '../support/loki.ts';

const ROOT = join(import.meta.dirname, '../..');
const TENANT = 'shop';
const WITH_TENANT = { env: { LOKI_ORG_ID: TENANT }, cwd: ROOT };
const PREFLIGHT = 'preflight -f config/samples/shop -f config/samples/flows -o json';
/** Enough for three pages of Loki's largest answer. */
const REPEATS = 170;

interface Answer {
  readonly cut: readonly object[];
  readonly passes: readonly object[];
  readonly denied: readonly object[];
  readonly unmapped: readonly object[];
  readonly skipped: object;
}

const isWanted = process.env['LOKI'] !== undefined;

/** Its build takes long, so that it is no part of `npm test`. */
(isWanted ? describe : describe.skip)(
  `flow logs from a real Loki${isWanted ? '' : ' (skipped: LOKI=1 builds and starts it)'}`,
  function () {
    this.timeout('40m');
    const directory = directoryOf({ 'pushed.jsonl': '' });
    let loki: Loki;

    before(async () => {
      loki = await Loki.start();
    });
    after(() => loki?.stop());

    it('are those that were pushed, over pages and streams, each line once', async () => {
      const lines = recentLines();
      writeFileSync(join(directory, 'pushed.jsonl'), lines.map(([, line]) => `${line}\n`).join(''));
      // A stream for each node, as agents that collect logs label them. Lines of one time are in several streams.
      for (const node of [0, 1, 2])
        await loki.push(TENANT, [
          {
            labels: { app: 'hubble-exporter', namespace: 'kube-system', node_name: `node-${node}` },
            lines: lines.filter((_, index) => index % 3 === node),
          },
        ]);
      await loki.push(TENANT, [{ labels: { app: 'other' }, lines: lines.slice(0, 10) }]);
      const read = async (flags: readonly string[]) => {
        const { code, stdout, stderr } = await cli([...PREFLIGHT.split(' '), ...flags], WITH_TENANT);
        assert.ok(code < 2, stderr);
        const { cut, passes, denied, unmapped, skipped } = JSON.parse(stdout) as Answer;
        // Flows that were seen equally often have the order of the log, and Loki has none among lines of one time.
        const sorted = (list: readonly object[]) => list.map((each) => JSON.stringify(each)).sort();
        return {
          code,
          cut: sorted(cut),
          passes: sorted(passes),
          denied: sorted(denied),
          unmapped: sorted(unmapped),
          skipped: sorted(Object.entries(skipped)),
        };
      };
      const query = ['--loki', loki.url, '--query', '{app="hubble-exporter"}', '--since', '2h'];
      const pushed = await read(['--flows', join(directory, 'pushed.jsonl')]);
      assert.deepEqual([pushed.code, pushed.cut.length], [1, 2]);
      assert.deepEqual(await read(query), pushed);
      const dropped = query.with(3, '{app="hubble-exporter"} |= "DROPPED"');
      const { code, cut, passes, denied } = await read(dropped);
      assert.deepEqual([code, cut, passes, denied], [0, [], [], pushed.denied]);
    });

    it('are refused with the reason by a wrong query, without a tenant, and by a query of numbers', async () => {
      const run = async (query: string, env: Readonly<Record<string, string>> = WITH_TENANT.env) => {
        const line = [...PREFLIGHT.split(' '), '--loki', loki.url, '--query', query];
        const { code, stderr } = await cli(line, { cwd: ROOT, env });
        assert.equal(code, 2);
        return stderr;
      };
      assert.match(await run('{app="hubble-exporter"', WITH_TENANT.env), /answered 400: .*parse error/);
      assert.match(await run('{app="hubble-exporter"}', {}), /answered 401: no org id/);
      assert.match(await run('rate({app="hubble-exporter"}[1m])'), /returns no lines; write a log query/);
      assert.match(await run('{app="nothing"}'), /no flows/);
    });
  },
);

/** Lines of the sample log with times of the last hour, several to a nanosecond, in order. */
function recentLines(): (readonly [time: bigint, line: string])[] {
  const sample = readFileSync(join(ROOT, 'config/samples/flows/shop.jsonl'), 'utf8').trim().split('\n');
  const start = BigInt(Date.now() - 3_600_000) * 1_000_000n;
  return Array.from({ length: REPEATS * sample.length }, (_, index) => {
    const time = start + BigInt(Math.floor(index / 7));
    const text = new Date(Number(time / 1_000_000n)).toISOString();
    const line = (sample[index % sample.length] ?? '').replaceAll(/"time":"[^"]*"/g, `"time":"${text}"`);
    // Loki stores equal lines of one time and stream once.
    return [time, line.replace(/\}$/, `,"n":${index}}`)] as const;
  });
}
