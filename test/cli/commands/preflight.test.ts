/** `preflight`: observed flows against profiles. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { parse, stringify } from 'yaml';
import { cli, directoryOf } from '../cli.ts';
import { runs } from '../../policy/fixture.ts';

const root = join(import.meta.dirname, '../../..');
const log = readFileSync(join(root, 'config/samples/flows/shop.jsonl'), 'utf8');
const profileText = readFileSync(join(root, 'config/samples/shop/profile.yaml'), 'utf8');
const SHOP = '-f config/samples/shop -f config/samples/flows';

interface Outcome {
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly count: number;
  readonly because: string;
}
interface Document {
  readonly cut: readonly Outcome[];
  readonly passes: readonly Outcome[];
  readonly opened: readonly Outcome[];
  readonly denied: readonly Outcome[];
  readonly unmapped: readonly { reason: string; count: number }[];
  readonly logs: readonly { format: string; lines: number; malformed: number; malformedLines: number[] }[];
  readonly notes: readonly string[];
  readonly patches: readonly { profile: string; patch: readonly { path: string; value: unknown }[] }[];
}

async function document(line: string, stdin = ''): Promise<Document & { code: number }> {
  const { code, stdout, stderr } = await cli(`${line} -o json`, { cwd: root, stdin });
  assert.ok(code < 2, stderr);
  return { code, ...(JSON.parse(stdout) as Document) };
}

const csv = (...rows: readonly string[]) =>
  [
    'source_namespace,source_workload,source_ip,destination_namespace,destination_workload,destination_ip,port,protocol,verdict',
    ...rows,
    '',
  ].join('\n');

describe('command preflight', () => {
  const directory = directoryOf({
    'packed.jsonl.gz': '',
    'logs/a.jsonl': log,
    'logs/b.csv': csv('shop-checkout,cart,,shop-payments,payments,,8443,TCP,allowed'),
    'pretty.json': JSON.stringify(
      log
        .trim()
        .split('\n')
        .map((each) => JSON.parse(each) as unknown),
      null,
      2,
    ),
    'broken.jsonl': `start of the program\n${log.split('\n')[0]}\n{"flow":\nnonsense\n`,
    'nothing.log': 'one\ntwo\n',
    'replies.jsonl': log.split('\n').find((line) => line.includes('"is_reply":true')) ?? '',
    'mixed/flows.jsonl': log,
    'mixed/README': 'These are the flow logs of a week.\n',
    'old.yaml': profileText.replace(/ {4}- name: checkout-to-payments[\s\S]*$/, ''),
  });
  before(() => writeFileSync(join(directory, 'packed.jsonl.gz'), gzipSync(log)));

  it('lists what would be cut, and exits with 1', async () => {
    const { code, cut, denied, unmapped } = await document(
      `preflight ${SHOP} --flows config/samples/flows/shop.jsonl`,
    );
    assert.equal(code, 1);
    assert.deepEqual(
      cut.map(({ from, to, port, count }) => `${from} ${to} ${port} ${count}`),
      [
        'shop-storefront/deploy/web shop-checkout/deploy/cart 6379 4',
        'shop-payments/deploy/payments 198.51.100.20 443 4',
      ],
    );
    assert.equal(denied.length, 2);
    assert.deepEqual(
      unmapped.map(({ reason, count }) => [reason, count]),
      [['gone', 1]],
    );
  });

  it('says by which rule the other flows pass', async () => {
    const { passes } = await document(`preflight ${SHOP} --flows config/samples/flows/shop.jsonl`);
    const found = passes.find(({ to }) => to === 'shop-payments/deploy/payments');
    assert.equal(found?.because, 'shop/checkout-to-payments');
  });

  it('reads standard input, gzip, directories and arrays of JSON alike', async () => {
    const [expected, ...others] = await Promise.all([
      document(`preflight ${SHOP} --flows config/samples/flows/shop.jsonl`),
      document(`preflight ${SHOP} --flows -`, log),
      document(`preflight ${SHOP} --flows ${directory}/packed.jsonl.gz`),
      document(`preflight ${SHOP} --flows ${directory}/pretty.json`),
    ]);
    for (const { cut, passes } of others) assert.deepEqual([cut, passes], [expected?.cut, expected?.passes]);
    const both = await document(`preflight ${SHOP} --flows ${directory}/logs`);
    assert.deepEqual(
      both.logs.map(({ format }) => format),
      ['hubble', 'csv'],
    );
    assert.equal(both.cut.length, (expected?.cut.length ?? 0) + 1);
  });

  it('reads lines after the prefixes of container runtimes, kubectl logs and streams of events', async () => {
    const [first = ''] = log.split('\n');
    const prefixes = [
      '2026-11-29T10:15:30.1Z stdout F ',
      '[pod/hubble-exporter-x2k4q/main] ',
      'data: ',
      'data:',
      '',
    ];
    const stdin = prefixes.map((prefix) => `${prefix}${first}\n\n`).join('');
    const { logs, passes } = await document(`preflight ${SHOP} --flows -`, stdin);
    assert.deepEqual(
      logs.map(({ lines, malformed }) => [lines, malformed]),
      [[prefixes.length, 0]],
    );
    assert.equal(passes[0]?.count, prefixes.length);
  });

  it('counts lines that can not be read, and goes on', async () => {
    const { logs, passes } = await document(`preflight ${SHOP} --flows ${directory}/broken.jsonl`);
    assert.deepEqual(
      logs.map(({ lines, malformed, malformedLines }) => [lines, malformed, malformedLines]),
      [[4, 3, [1, 3, 4]]],
    );
    assert.equal(passes.length, 1);
  });

  it('has no answer if no flow could be mapped to a workload', async () => {
    const addresses = csv(',,10.244.1.5,,,10.244.2.6,8443,TCP,allowed');
    for (const command of ['preflight', 'unused', 'denied', 'suggest']) {
      const { code, stdout, stderr } = await cli(`${command} ${SHOP} --flows -`, {
        cwd: root,
        stdin: addresses,
      });
      assert.deepEqual([code, stdout], [2, ''], command);
      assert.match(stderr, /the pods of manifests have no addresses.*add --cluster/);
      assert.match(stderr, /not one of the flows is from or to a workload of the manifests/);
    }
  });

  it('does not say that nothing would be cut of flows that could not be mapped', async () => {
    const stdin = csv(
      'shop-checkout,checkout,,shop-payments,payments,,8443,TCP,allowed',
      'shop-gone,old,,shop-payments,payments,,8443,TCP,allowed',
    );
    const { stdout } = await cli(`preflight ${SHOP} --flows -`, { cwd: root, stdin });
    assert.match(stdout, /^Nothing that was seen and could be mapped would be cut\.$/m);
  });

  it('names the first flows with many addresses for which nothing is proposed', async () => {
    const rows = Array.from({ length: 7 }, (_, port) =>
      Array.from(
        { length: 21 },
        (_, index) => `shop-checkout,cart,,,,198.51.100.${index},${9000 + port},TCP,allowed`,
      ),
    );
    const { notes, cut } = await document(`preflight ${SHOP} --flows -`, csv(...rows.flat()));
    assert.equal(cut.length, 7);
    const about = notes.filter((note) => note.includes('proposed'));
    assert.match(about[0] ?? '', /cart → 198.51.100.0 and 20 more: it is with 21 addresses; allow a range/);
    assert.equal(about.at(-1), 'nor is one proposed for 2 more flows with many addresses');
  });

  it('goes on after a file of a directory that is no log, and says so', async () => {
    const { code, stderr } = await cli(`preflight ${SHOP} --flows ${directory}/mixed`, { cwd: root });
    assert.equal(code, 1);
    assert.match(stderr, /mixed\/README: 1 line could not be read, the first in line 1/);
    assert.match(stderr, /read 68 flows of \S+mixed\/flows\.jsonl \(hubble\), from/);
  });

  it('compares with the policies of --against instead of the verdicts of the log', async () => {
    const line = `-f config/samples/shop -f config/samples/flows --flows config/samples/flows/shop.jsonl`;
    const profile =
      '-f config/samples/shop/namespaces.yaml -f config/samples/shop/workloads.yaml -f config/samples/flows';
    const against =
      '--against config/samples/shop/namespaces.yaml --against config/samples/shop/workloads.yaml';
    const opened = await document(`preflight ${line} ${against} --against ${directory}/old.yaml`);
    assert.deepEqual(
      [opened.code, opened.cut.length, opened.opened.map(({ to }) => to)],
      [0, 0, ['shop-payments/deploy/payments']],
    );
    const closed = await document(
      `preflight ${profile} -f ${directory}/old.yaml --flows config/samples/flows/shop.jsonl --against config/samples/shop`,
    );
    assert.deepEqual([closed.code, closed.cut.map(({ to }) => to)], [1, ['shop-payments/deploy/payments']]);
  });

  it('proposes connections for the pairs that were seen most, if they are many', async () => {
    const workloads = directoryOf({
      'many.yaml': Array.from(
        { length: 12 },
        (_, index) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: app-${index}, namespace: many, labels: {app: a}}
spec: {selector: {matchLabels: {app: app-${index}}}, template: {metadata: {labels: {app: app-${index}}}, spec: {containers: [{name: a, image: a}]}}}`,
      ).join('\n---'),
      'profile.yaml': `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: many}
spec: {namespaceSelector: {}}`,
    });
    const rows = Array.from({ length: 132 }, (_, index) => {
      const from = Math.floor(index / 11);
      return `many,app-${from},,many,app-${(from + 1 + (index % 11)) % 12},,8443,TCP,allowed`;
    });
    const { cut, patches, notes } = await document(`preflight -f ${workloads} --flows -`, csv(...rows));
    assert.equal(cut.length, 132);
    const [added] = patches[0]?.patch ?? [];
    assert.ok(Array.isArray(added?.value));
    assert.equal(added.value.length, 64);
    assert.ok(notes.some((note) => note.includes('not for 68 more: suggest proposes a profile for all')));
  });

  it('writes the patch as a command for the shell', async () => {
    const { stdout } = await cli(`preflight ${SHOP} --flows config/samples/flows/shop.jsonl -o patch`, {
      cwd: root,
    });
    const [, json = ''] =
      /^kubectl patch segmentationprofile shop --type=json --patch='(.*)'\n$/.exec(stdout) ?? [];
    assert.equal((JSON.parse(json) as unknown[]).length, 2);
  });

  it('refuses logs of no known format, missing files and manifests without pods', async () => {
    const errors: readonly [line: string, message: RegExp][] = [
      [`preflight ${SHOP} --flows ${directory}/nothing.log`, /no line of it is a flow in a known format/],
      [
        `preflight ${SHOP} --flows config/samples/flows/shop.jsonl --format calico`,
        /shop\.jsonl: none of 72 lines could be read as calico: name another --format, or none/,
      ],
      [
        `preflight ${SHOP} --flows config/samples/flows/shop.jsonl --since 1s`,
        /shop\.jsonl: no flow since --since: the latest is of 2026-11-29T14:01Z/,
      ],
      [
        `preflight ${SHOP} --flows ${directory}/replies.jsonl`,
        /replies\.jsonl: no flows, only records of answers \(1\)/,
      ],
      [
        `preflight ${SHOP} --flows config/samples/flows/shop.jsonl -n shop-chekout`,
        /no namespace "shop-chekout" in the manifests/,
      ],
      [`preflight ${SHOP} --flows ${directory}/absent.log`, /absent.log: no such file or directory/],
      [`preflight ${SHOP}`, /name the flow logs with --flows/],
      [
        'preflight -f config/samples/shop/profile.yaml --flows config/samples/flows/shop.jsonl',
        /have no pods to map flows to.*--cluster/,
      ],
      [
        `preflight ${SHOP} --flows config/samples/flows/shop.jsonl --since soon`,
        /--since soon: write a number and a unit/,
      ],
    ];
    for (const [line, message] of errors) {
      const { code, stderr } = await cli(line, { cwd: root });
      assert.equal(code, 2, line);
      assert.match(stderr, message);
    }
  });
});

describe('patch of preflight', () => {
  const WORKLOADS = [
    'shop-storefront,web',
    'shop-checkout,checkout',
    'shop-checkout,cart',
    'shop-payments,payments',
    'shop-payments,ledger',
  ];
  const pod = fc.constantFrom(...WORKLOADS).map((name) => ({ name, ip: '' }));
  const address = fc
    .constantFrom('198.51.100.20', '203.0.113.5', '2001:db8::5')
    .map((ip) => ({ name: ',', ip }));
  const flow = fc
    .tuple(
      pod,
      fc.oneof(pod, address),
      fc.boolean(),
      fc.constantFrom('443,TCP', '53,UDP', '8443,TCP', '6379,TCP', '40000,TCP'),
    )
    .map(([a, b, isReversed, port]) => {
      const [from, to] = isReversed ? [b, a] : [a, b];
      return `${from.name},${from.ip},${to.name},${to.ip},${port},allowed`;
    });
  const directory = directoryOf({});

  it('leaves nothing cut of what was seen', async () => {
    const run = (profile: string, log: string) =>
      document(
        `preflight -f config/samples/shop/namespaces.yaml -f config/samples/shop/workloads.yaml -f ${profile} --flows -`,
        log,
      );
    const [first, patched] = [
      join(root, 'config/samples/shop/profile.yaml'),
      join(directory, 'patched.yaml'),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(flow, { minLength: 1, maxLength: 12 }), async (flows) => {
        const before = await run(first, csv(...flows));
        const profile = parse(profileText) as { spec: { connections: unknown[] } };
        for (const { patch } of before.patches)
          for (const { value } of patch) profile.spec.connections.push(value);
        writeFileSync(patched, stringify(profile));
        const after = await run(patched, csv(...flows));
        assert.deepEqual([after.code, after.cut], [0, []]);
      }),
      { numRuns: runs(40) },
    );
  });
});
