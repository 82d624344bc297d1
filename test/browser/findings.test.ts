/** The tab Findings of the page in a real Chromium, with axe for accessibility. */
import assert from 'node:assert/strict';
import type { Reach } from '../../src/analysis/reach/reach.ts';
import { pageAudit } from '../../src/cli/findings/encode.ts';
import type { AuditReport } from '../../src/cli/findings/run.ts';
import { toHtml } from '../../src/cli/reach/html.ts';
import { largeReport, report, SHOP_REPORT } from '../cli/findings/fixture.ts';
import { EVIL, largeReach, SHOP_REACH } from '../cli/reach/fixture.ts';
import { describePage } from './page.ts';

const NO_REACH: Reach = { groups: [], links: [], policies: [] };

describePage('the findings page in a browser', (at) => {
  const open = (
    state: Readonly<Record<string, string>> = {},
    { reach, audit }: { readonly reach: Reach; readonly audit: AuditReport } = {
      reach: SHOP_REACH,
      audit: SHOP_REPORT,
    },
  ) => {
    const text = { title: 'Audit', source: `test ${EVIL}`, view: 'findings' as const };
    return at.open(toHtml(reach, { ...text, audit: pageAudit(audit) }), state);
  };
  const headings = () =>
    at.page.evaluate(
      "[...document.querySelectorAll('.finding-group summary strong')].map((each) => each.innerText)",
    );
  const click = (selector: string) =>
    at.page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
  const until = (condition: string) => at.page.waitForFunction(condition);

  it('lists the findings by check, the worst first, without errors and without the network', async () => {
    await open();
    assert.deepEqual(await headings(), [
      'pod-privileged',
      'namespace-without-policy',
      'account-reads-secrets',
      'pod-resources',
      'policy-selects-nothing',
      'service-selects-nothing',
    ]);
    assert.match(await at.text('.tiles'), /^2\s+critical\s+2\s+high\s+0\s+medium/);
    assert.match(
      await at.text('.audit-facts'),
      /1 finding waived\. 3 findings in the baseline, not listed here\./,
    );
    assert.match(await at.text('.skipped'), /1 check did not run/);
    assert.deepEqual(at.trouble, []);
    assert.deepEqual(at.requests, []);
  });

  it('shows messages, names and waivers as literal text', async () => {
    await open();
    const main = await at.text('main');
    assert.ok(main.includes(`the container is ${EVIL}`));
    await click('.waived-group summary');
    await until("document.querySelector('.waived-group table') !== null");
    assert.ok((await at.text('.waived-group')).includes(`It reads the node. ${EVIL}`));
    assert.equal(await at.page.evaluate('document.title'), 'Audit');
    assert.equal(await at.count('img'), 0);
  });

  it('shows object, field, reason, remedy and controls of a selected finding', async () => {
    await open();
    await click('tr[data-finding="0"] button');
    const details = await at.text('.details');
    assert.match(details, /Deployment checkout\/checkout\s+critical pod-privileged/);
    assert.match(details, /spec\.containers\[0\]\.securityContext\.privileged\s+the container is privileged/);
    assert.match(details, /Why it matters\s+\S/);
    assert.match(details, /Remedy\s+Leave securityContext\.privileged out/);
    assert.match(details, /Pods\s+PSS Baseline\s+CIS 5\.2\.2/);
    assert.match(await at.text('[aria-live]'), /Deployment checkout\/checkout\. the container is privileged/);
    assert.equal(await at.count('tr.selected'), 1);
  });

  it('filters by severity, category, check, namespace and text, and says so', async () => {
    await open();
    await click('.tile.critical');
    await until("document.querySelector('.count').textContent === '2 of 7 findings'");
    assert.match(await at.text('.filtered'), /2 findings of severity critical clear filters/);
    await click('.filtered button');
    await until("document.querySelector('.count').textContent === '7 of 7 findings'");
    await at.page.select('select[aria-label=Category]', 'Boundary');
    await until("document.querySelector('.count').textContent === '2 of 7 findings'");
    await at.page.select('select[aria-label=Check]', 'policy-selects-nothing');
    await until("document.querySelector('.count').textContent === '1 of 7 findings'");
    await open({ namespace: 'checkout' });
    assert.deepEqual(await headings(), ['pod-privileged', 'pod-resources']);
    await open();
    await at.page.keyboard.press('/');
    await at.page.type('input[aria-label="Search findings"]', 'old/');
    await until("document.querySelector('.count').textContent === '2 of 7 findings'");
    assert.equal((await at.hash()).get('text'), 'old/');
  });

  it('groups by namespace and by object', async () => {
    await open({ grouping: 'namespace' });
    assert.deepEqual(await headings(), ['checkout', 'old', 'monitoring', 'cluster-scoped objects', 'empty']);
    await click('input[value=object]');
    await until(
      "document.querySelector('.finding-group summary strong').innerText === 'Deployment checkout/checkout'",
    );
  });

  it('leads from a finding to its workload or namespace in the graph and the matrix, and back', async () => {
    await open();
    await click('tr[data-finding="0"] button');
    await click('.links-of-finding button');
    await until("document.querySelector('.row.selected') !== null");
    assert.match(
      String(await at.page.evaluate("document.querySelector('.row.selected').getAttribute('aria-label')")),
      /^checkout\/checkout, Deployment/,
    );
    assert.match(await at.text('.node-findings'), /2 findings: 1 critical, 1 \w+/);
    await click('.node-findings button');
    await until("document.querySelector('.count').textContent === '2 of 7 findings'");
    assert.match(await at.text('.filtered'), /2 findings of checkout\/checkout/);

    await open({ finding: '2' });
    await click('.links-of-finding button:nth-of-type(2)');
    await until("document.querySelector('.matrix') !== null");
    assert.equal(await at.text('.matrix tbody th.selected'), 'monitoring');
    assert.equal((await at.hash()).get('level'), 'namespaces');
  });

  it('shows at the cards and rows of the graph how many findings they have, and the worst', async () => {
    await open({ view: 'graph' });
    const badges = () =>
      at.page.evaluate(
        "[...document.querySelectorAll('.badge')].map((each) => each.getAttribute('aria-label')).sort()",
      );
    assert.deepEqual(await badges(), [
      'C 1: 1 finding of old/billing, the worst critical (a)',
      'C 2: 2 findings of checkout, the worst critical (a)',
      'C 2: 2 findings of checkout/checkout, the worst critical (a)',
      'C 2: 2 findings of old, the worst critical (a)',
      'H 1: 1 finding of monitoring, the worst high (a)',
    ]);
    await at.focus('.row[aria-label^="checkout/checkout"]');
    await at.page.keyboard.press('a');
    await until("document.querySelector('.findings') !== null");
    assert.equal((await at.hash()).get('of'), 'checkout/Deployment/checkout');
    await open({ view: 'graph', badges: 'no' });
    assert.deepEqual(await badges(), []);
  });

  it('can be used by keyboard alone', async () => {
    await open({ severity: 'critical' });
    await at.focus('.finding-group summary');
    await at.page.keyboard.press('ArrowDown');
    await at.page.keyboard.press('ArrowDown');
    await at.page.keyboard.press('Enter');
    assert.match(await at.text('.details h2'), /Deployment old\/billing/);
    const focused = await at.page.evaluate("document.activeElement.closest('tr').dataset.finding");
    assert.equal(focused, '1');
    await at.page.keyboard.press('ArrowUp');
    await at.page.keyboard.press('ArrowUp');
    await at.page.keyboard.press('Enter');
    await until("document.querySelector('.finding-group').open === false");
    await at.page.keyboard.press('Escape');
    assert.equal((await at.hash()).get('finding'), null);
  });

  it('has the findings alone if there are no pods', async () => {
    await open({ view: 'graph' }, { reach: NO_REACH, audit: SHOP_REPORT });
    assert.equal(await at.text('.finding-group summary strong'), 'pod-privileged');
    assert.equal(await at.page.evaluate("document.querySelector('.tabs').hidden"), true);
    await click('tr[data-finding="0"] button');
    assert.equal(await at.count('.links-of-finding'), 0);
    assert.deepEqual(at.trouble, []);
  });

  it('has no level of workloads if the links are between namespaces', async () => {
    const groups = SHOP_REACH.groups
      .slice(0, 1)
      .map((each) => ({ ...each, kind: 'Namespace', name: 'checkout' }));
    const reach: Reach = { groups, links: [], policies: [] };
    const text = { title: 'Audit', source: 'test', view: 'graph' as const, maxLinks: 5 };
    await at.open(toHtml(reach, { ...text, audit: pageAudit(SHOP_REPORT) }), { level: 'workloads' });
    assert.match(await at.text('nav .note'), /More than 5 links between workloads are allowed/);
    assert.equal(await at.count('input[value=workloads]'), 0);
    assert.equal(await at.text('.count'), '1 namespace, 0 links');
    await at.page.click('.badge');
    await until("document.querySelector('.count').textContent === '2 of 7 findings'");
    assert.deepEqual(at.trouble, []);
  });

  it('says that there are no findings', async () => {
    await open({}, { reach: NO_REACH, audit: report([]) });
    assert.equal(await at.text('.none'), 'No findings.');
    assert.deepEqual(at.trouble, []);
  });

  it('draws a thousand workloads with twenty thousand findings in steps, and says what it leaves out', async () => {
    await open({}, { reach: largeReach(100, 10), audit: largeReport(21_000) });
    assert.equal(await at.count('.finding-group'), 20);
    assert.match(
      await at.text('.warning'),
      /leaves out 1000 findings beyond the 20000 most severe\. kubectl segmentation audit -o json has them all/,
    );
    await click('.finding-group summary');
    await until("document.querySelectorAll('main tbody tr').length === 100");
    await click('.finding-group .more button');
    assert.equal(await at.count('main tbody tr'), 200);
    await open({ grouping: 'object' }, { reach: NO_REACH, audit: largeReport(20_000) });
    assert.equal(await at.count('.finding-group'), 100);
    assert.deepEqual(at.trouble, []);
  });

  it('prints a summary and every group, without controls', async () => {
    await open({ severity: 'critical' });
    await click('.finding-group summary');
    await at.page.evaluate("window.dispatchEvent(new Event('beforeprint'))");
    await at.page.emulateMediaType('print');
    const summary = await at.text('.of-findings');
    assert.match(summary, /7 findings: 2 critical, 2 high/);
    assert.match(summary, /By namespace[\s\S]*checkout\t1\t0\t/);
    assert.match(summary, /By check[\s\S]*pod-privileged\tcritical\t2\tPods/);
    assert.match(
      summary,
      /Waived[\s\S]*Deployment monitoring\/node-exporter\tpod-host-path\tIt reads the node/,
    );
    assert.match(summary, /did not run[\s\S]*ingress-without-tls\tIngress could not be read/);
    assert.match(await at.text('main'), /Deployment old\/billing/);
    const hidden = await at.page.evaluate(
      "['nav', '.tabs', '.tiles', '.of-reach', '.details'].every((each) => document.querySelector(each).getClientRects().length === 0)",
    );
    assert.equal(hidden, true);
    await at.page.emulateMediaType('screen');
    await at.page.evaluate("window.dispatchEvent(new Event('afterprint'))");
    assert.equal(await at.page.evaluate("document.querySelector('.finding-group').open"), false);
  });

  for (const theme of ['light', 'dark']) {
    it(`passes the checks of axe in ${theme}`, async () => {
      await at.page.setBypassCSP(true);
      await at.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      const states: readonly Readonly<Record<string, string>>[] = [
        { finding: '0' },
        { grouping: 'object', severity: 'critical' },
        { view: 'graph', from: 'checkout/Deployment/checkout' },
      ];
      for (const state of states) {
        await open(state);
        assert.deepEqual(await at.violations(), [], JSON.stringify(state));
      }
    });
  }

  it('fits a narrow window', async () => {
    await at.page.setViewport({ width: 380, height: 800 });
    await open({ finding: '0' });
    const overflow = await at.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
    assert.equal(overflow, 0);
    const wide = await at.page.evaluate(
      "[...document.querySelectorAll('main *')].filter((each) => each.getBoundingClientRect().right > window.innerWidth + 1).length",
    );
    assert.equal(wide, 0);
  });
});
