/** The observed flows in the data of the page. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cli, directoryOf } from '../cli.ts';
import { pageDataOf } from '../page/page-data-of.ts';

const root = join(import.meta.dirname, '../../..');
const PLACES = '-f config/samples/shop -f config/samples/flows';
const LOG = '--flows config/samples/flows/shop.jsonl';

describe('observed flows in the page', () => {
  const directory = directoryOf({
    'block.yaml': `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: provider, namespace: shop-payments}
spec:
  podSelector: {matchLabels: {app: payments}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}}]}]
`,
  });

  it('have their verdict by the policies and by the log', async () => {
    const { stdout } = await cli(`graph ${PLACES} ${LOG}`, { cwd: root });
    const { seen } = pageDataOf(stdout);
    const states = seen?.flows.map(({ allowed, wasDenied }) => `${allowed} ${wasDenied}`);
    assert.deepEqual(
      Object.fromEntries(
        Map.groupBy(states ?? [], (state) => state)
          .entries()
          .map(([state, list]) => [state, list.length]),
      ),
      {
        'true false': 7,
        'false false': 2,
        'false true': 2,
      },
    );
    assert.match(seen?.source ?? '', /^68 flows, 2026-11-23T09:04Z to /);
  });

  it('name the group of each workload, and the blocks of each address', async () => {
    const { stdout } = await cli(`graph ${PLACES} -f ${directory}/block.yaml ${LOG}`, { cwd: root });
    const { seen, groups } = pageDataOf(stdout);
    const names = (label: string) =>
      seen?.ends
        .find((end) => end.label === label)
        ?.groups.map((index) => `${groups[index]?.ns ?? 'outside'} ${groups[index]?.name}`);
    assert.deepEqual(names('shop-payments/ledger'), ['shop-payments ledger']);
    assert.ok(names('198.51.100.20')?.includes('outside 198.51.100.0/24 except 198.51.100.128/25'));
    assert.ok(!names('203.0.113.66')?.includes('outside 198.51.100.0/24 except 198.51.100.128/25'));
  });

  it('are refused in a diagram', async () => {
    const { code, stderr } = await cli(`graph ${PLACES} ${LOG} -o dot`, { cwd: root });
    assert.equal(code, 2);
    assert.match(stderr, /--flows is for the page/);
  });

  it('are not there without logs', async () => {
    const { stdout } = await cli(`graph ${PLACES} --without-findings`, { cwd: root });
    assert.equal(pageDataOf(stdout).seen, undefined);
  });
});
