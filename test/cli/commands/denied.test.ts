/** `denied`: denied flows of logs, explained by the policies. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cli } from '../cli.ts';

const root = join(import.meta.dirname, '../../..');
const SHOP = 'denied -f config/samples/shop -f config/samples/flows';
const LOG = '--flows config/samples/flows/shop.jsonl';

const csv = (...rows: readonly string[]) =>
  [
    'time,source_namespace,source_workload,source_ip,destination_namespace,destination_workload,destination_ip,port,verdict',
    ...rows,
    '',
  ].join('\n');

describe('command denied', () => {
  it('explains denied flows, the newest first', async () => {
    const { code, stdout } = await cli(`${SHOP} ${LOG}`, { cwd: root });
    assert.equal(code, 1);
    assert.deepEqual(stdout.match(/^DENIED.*/gm), [
      'DENIED  203.0.113.66 → shop-payments/deploy/payments  TCP 8443',
      'DENIED  shop-checkout/deploy/cart → shop-payments/deploy/ledger  TCP 5432',
    ]);
    assert.match(stdout, /^last denied 2026-11-28T22:18Z, once$/m);
    assert.match(stdout, /Ingress {2}denied: profile shop limits what reaches it/);
  });

  it('sums up the ports of a pair, and says that it would pass now', async () => {
    const stdin = csv(
      '2026-11-29T10:00:00Z,shop-checkout,checkout,,shop-payments,payments,,8443,denied',
      '2026-11-29T10:05:00Z,shop-checkout,checkout,,shop-payments,payments,,8443,denied',
      '2026-11-29T10:01:00Z,shop-storefront,web,,shop-payments,ledger,,7001,denied',
      '2026-11-29T10:02:00Z,shop-storefront,web,,shop-payments,ledger,,7002,denied',
      '2026-11-29T10:09:00Z,shop-storefront,web,,shop-checkout,checkout,,8443,allowed',
    );
    const { stdout } = await cli(`${SHOP} --flows -`, { cwd: root, stdin });
    assert.deepEqual(stdout.match(/^(last denied|ALLOWED|DENIED).*/gm), [
      'last denied 2026-11-29T10:05Z, 2 times',
      'ALLOWED  shop-checkout/deploy/checkout → shop-payments/deploy/payments  TCP 8443',
      'last denied 2026-11-29T10:02Z, 2 times',
      'DENIED  shop-storefront/deploy/web → shop-payments/deploy/ledger  TCP 7001, TCP 7002',
    ]);
    assert.match(stdout, /The policies allow it now/);
  });

  it('takes only flows from or to the namespace of -n', async () => {
    const { stdout } = await cli(`${SHOP} ${LOG} -n shop-checkout -o name`, { cwd: root });
    assert.equal(stdout, 'shop-checkout/deploy/cart shop-payments/deploy/ledger\n');
  });

  it('has each flow with its verdict now in JSON', async () => {
    const stdin = csv(
      '1796033700,shop-checkout,checkout,,shop-payments,payments,,8443,denied',
      ',,,198.51.100.1,,,198.51.100.2,22,denied',
    );
    const { stdout } = await cli(`${SHOP} --flows - -o json`, { cwd: root, stdin });
    const { denied } = JSON.parse(stdout) as {
      denied: { to: string; allowedNow?: boolean; lastSeen?: string }[];
    };
    assert.deepEqual(
      denied.map(({ to, allowedNow, lastSeen }) => [to, allowedNow, lastSeen]),
      [
        ['shop-payments/deploy/payments', true, new Date(1_796_033_700_000).toISOString()],
        ['198.51.100.2', undefined, undefined],
      ],
    );
  });

  it('counts denied flows that could not be mapped, and exits with 1', async () => {
    const gone = '2026-11-29T10:06:00Z,shop-gone,old,,shop-payments,payments,,8443,denied';
    const seen = '2026-11-29T10:05:00Z,shop-checkout,checkout,,shop-payments,payments,,8443,allowed';
    const { code, stdout, stderr } = await cli(`${SHOP} --flows -`, { cwd: root, stdin: csv(gone, seen) });
    assert.deepEqual([code, stdout], [1, '1 denied flow could not be mapped: notes say why\n']);
    assert.match(
      stderr,
      /1 flow not mapped, as the cluster has no such pod or workload any more: shop-gone\/old/,
    );
  });

  it('exits with 0 if no flow was denied', async () => {
    const stdin = csv(',shop-checkout,checkout,,shop-payments,payments,,8443,allowed');
    const { code, stdout } = await cli(`${SHOP} --flows -`, { cwd: root, stdin });
    assert.deepEqual([code, stdout], [0, 'No flow was denied.\n']);
  });
});
