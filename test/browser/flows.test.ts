/** The observed flows of the page in a real Chromium. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cli } from '../cli/cli.ts';
import { describePage } from './page.ts';

const root = join(import.meta.dirname, '../..');
const LEDGER = 'shop-payments/Deployment/ledger';

describePage('the page with observed flows in a browser', (at) => {
  let html = '';
  before(async () => {
    const line =
      'graph -f config/samples/shop -f config/samples/flows --flows config/samples/flows/shop.jsonl --without-findings';
    html = (await cli(line, { cwd: root })).stdout;
  });
  const rows = () =>
    at.page.evaluate(
      `[...document.querySelectorAll('.list tbody tr')].map((row) => [...row.cells].slice(0, 6).map((cell) => cell.textContent).join(' | '))`,
    ) as Promise<string[]>;

  it('lists what was denied first, then what was never seen, then what was seen', async () => {
    await at.open(html, { view: 'flows', level: 'workloads' });
    const found = await rows();
    assert.deepEqual(found.slice(0, 4).toSorted(), [
      'denied and seen | 203.0.113.66 | shop-payments/payments | TCP 8443 | 1 | 2026-11-28',
      'denied and seen | shop-checkout/cart | shop-payments/ledger | TCP 5432 | 1 | 2026-11-28',
      'denied and seen | shop-payments/payments | 198.51.100.20 | TCP 443 | 4 | 2026-11-29',
      'denied and seen | shop-storefront/web | shop-checkout/cart | TCP 6379 | 4 | 2026-11-29',
    ]);
    assert.ok(
      found.includes(
        'allowed, never seen | shop-payments/ledger | shop-payments/payments | all ports | - | -',
      ),
    );
    assert.ok(
      found.includes(
        'allowed and seen | shop-checkout/checkout | shop-payments/payments | TCP 8443 | 7 | 2026-11-29',
      ),
    );
    assert.deepEqual(at.trouble, []);
    assert.deepEqual(at.requests, []);
  });

  it('narrows the list by state, search and namespace', async () => {
    await at.open(html, { view: 'flows', level: 'workloads' });
    await at.page.click('input[name=flows][value=unseen]');
    assert.ok((await rows()).every((row) => row.startsWith('allowed, never seen')));
    assert.equal((await at.hash()).get('flows'), 'unseen');
    await at.open(html, { view: 'flows', level: 'workloads', flows: 'denied', namespace: 'shop-checkout' });
    assert.equal((await rows()).length, 2);
    await at.open(html, { view: 'flows', level: 'workloads', flows: 'denied', addresses: 'no' });
    assert.equal((await rows()).length, 2);
  });

  it('sums up flows by namespace', async () => {
    await at.open(html, { view: 'flows', level: 'namespaces', flows: 'seen' });
    assert.ok(
      (await rows()).includes('allowed and seen | shop-payments | shop-payments | TCP 5432 | 7 | 2026-11-29'),
    );
  });

  it('shows what was seen at a pair, and why it is denied', async () => {
    await at.open(html, { view: 'flows', level: 'workloads', flows: 'denied' });
    await at.page.click('[aria-label="why? shop-checkout/cart to shop-payments/ledger"]');
    const said = await at.text('.details');
    assert.match(said, /TCP 5432: once, last on 2026-11-28, denied and seen/);
    assert.match(said, /Nothing may pass/);
    assert.equal((await at.hash()).get('to'), LEDGER);
  });

  it('draws links that were never seen in another way', async () => {
    await at.open(html, { view: 'graph', level: 'workloads' });
    const [all, unseen] = [await at.count('.curve'), await at.count('.curve.unseen')] as [number, number];
    assert.ok(unseen > 0 && unseen < all, `${unseen} of ${all}`);
    const dashes = await at.page.evaluate(
      `getComputedStyle(document.querySelector('.curve.unseen:not(.partial)')).strokeDasharray`,
    );
    assert.notEqual(dashes, 'none');
    assert.match(await at.text('.legend'), /never seen/);
  });

  it('filters and explains by the keyboard alone', async () => {
    await at.open(html, { view: 'flows', level: 'workloads' });
    await at.focus('input[name=flows]');
    await at.page.keyboard.press('ArrowDown');
    const state = (await at.hash()).get('flows');
    assert.equal(state, 'denied');
    assert.ok((await rows()).every((row) => row.startsWith('denied and seen')));
    const why = '[aria-label="why? shop-checkout/cart to shop-payments/ledger"]';
    await at.focus(why);
    await at.page.keyboard.press('Enter');
    assert.equal((await at.hash()).get('to'), LEDGER);
    assert.match(await at.text('[role=status][aria-live]'), /shop-checkout\/cart → shop-payments\/ledger/);
    assert.equal(await at.page.evaluate(`document.activeElement.matches(${JSON.stringify(why)})`), true);
  });

  for (const theme of ['light', 'dark']) {
    it(`passes the checks of axe in ${theme}`, async () => {
      await at.page.setBypassCSP(true);
      await at.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      const states: readonly Readonly<Record<string, string>>[] = [
        { view: 'flows', level: 'workloads' },
        { view: 'flows', level: 'namespaces', flows: 'unseen' },
        { view: 'flows', level: 'workloads', from: 'shop-checkout/Deployment/cart', to: LEDGER },
        { view: 'graph', level: 'workloads' },
      ];
      for (const state of states) {
        await at.open(html, state);
        assert.deepEqual(await at.violations(), [], JSON.stringify(state));
      }
    });
  }

  it('fits a narrow window', async () => {
    await at.page.setViewport({ width: 380, height: 800 });
    await at.open(html, { view: 'flows', level: 'workloads' });
    const overflow = await at.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.equal(overflow, 0);
    const height = await at.page.evaluate(
      `Math.max(...[...document.querySelectorAll('.list tbody tr')].map((row) => row.getBoundingClientRect().height))`,
    );
    assert.ok(Number(height) < 120, 'names break after the namespace, and not after each letter');
  });
});
