/** The page in a real Chromium, with axe for accessibility, and the diagrams in Mermaid and Graphviz. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { toHtml } from '../../src/cli/reach/html.ts';
import { toDot, toMermaid } from '../../src/cli/reach/text.ts';
import type { Namespace } from '../../src/analysis/cluster.ts';
import type { Reach } from '../../src/analysis/reach.ts';
import { EVIL, largeReach, SHOP_REACH } from '../cli/reach/fixture.ts';
import { type NpmTools, npmTools } from '../env/tooling/npm-tool.ts';
import { type Browser, browserIsThere, launchBrowser, type Page } from './chromium.ts';

const skipped = browserIsThere ? '' : ' (skipped: set CHROME_PATH to a Chrome or Chromium)';
const CHECKOUT = 'checkout/Deployment/checkout';
const PAYMENTS = 'payments/Deployment/payments';
/** Two tenants; namespace `old` has none. */
const NAMESPACES: readonly Namespace[] = [
  { name: 'checkout', labels: { tenant: 'shop' } },
  { name: 'payments', labels: { tenant: 'shop' } },
  { name: 'monitoring', labels: { tenant: EVIL } },
  { name: 'old', labels: {} },
];

(browserIsThere ? describe : describe.skip)(`the graph page in a browser${skipped}`, () => {
  let tools: NpmTools;
  let browser: Browser;
  let directory: string;
  let page: Page;
  let trouble: string[];
  let requests: string[];

  before(async function () {
    this.timeout('5m');
    tools = await npmTools('browser', 'a browser for tests');
    browser = await launchBrowser(tools);
    directory = mkdtempSync(join(tmpdir(), 'graph-'));
  });
  after(async () => {
    await browser?.close();
    if (directory !== undefined) rmSync(directory, { recursive: true });
  });
  beforeEach(async () => {
    page = await browser.newPage();
    trouble = [];
    requests = [];
    page.on('console', (message) => trouble.push(message.text()));
    page.on('pageerror', (error) => trouble.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    await page.setViewport({ width: 1400, height: 860 });
  });
  afterEach(async () => {
    await page.close();
  });

  /** Opens the page of a reach. @param state the fragment of its address */
  async function open(reach: Reach, state: Readonly<Record<string, string>> = {}): Promise<void> {
    const file = join(directory, 'page.html');
    const text = { title: 'Who may talk to whom', source: `test ${EVIL}`, namespaces: NAMESPACES };
    writeFileSync(file, toHtml(reach, text));
    await page.goto('about:blank');
    await page.goto(`${pathToFileURL(file).href}#${new URLSearchParams(state).toString()}`);
    await page.waitForFunction("document.querySelector('main').children.length > 0");
  }

  const text = (selector: string) =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText`);
  const focus = (selector: string) =>
    page.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
  const count = (selector: string) =>
    page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  const details = async () => String(await text('.details'));
  const hash = async () => new URLSearchParams(String(await page.evaluate('location.hash.slice(1)')));

  /** The number of cards that are not wholly in view. */
  const outside = () =>
    page.evaluate(`(() => {
      const frame = document.querySelector('.graph').getBoundingClientRect();
      return [...document.querySelectorAll('.card .frame')].map((each) => each.getBoundingClientRect())
        .filter((box) => box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom).length;
    })()`);

  it('draws every workload and link, without errors and without the network', async () => {
    await open(SHOP_REACH);
    const drawn = SHOP_REACH.links.filter(({ from, to }) => from !== to).length;
    assert.equal(await count('.row'), 6);
    assert.equal(await count('.curve'), drawn);
    assert.equal(await page.evaluate('document.title'), 'Who may talk to whom');
    assert.deepEqual(trouble, []);
    assert.deepEqual(
      requests.filter((url) => !url.startsWith('file:') && url !== 'about:blank'),
      [],
    );
  });

  it('explains a clicked pair with its policies and rules, and shows descriptions as literal text', async () => {
    await open(SHOP_REACH, { view: 'matrix' });
    await page.click('[aria-label="checkout/checkout to payments/payments: TCP 8443"]');
    const said = await details();
    assert.match(said, /Allowed: TCP 8443/);
    assert.match(said, /checkout\/shop\.egress\.to-payments, of profile shop/);
    assert.match(said, /from-checkout: TCP 8443/);
    assert.ok(said.includes(EVIL));
    assert.match(String(await text('[role=status][aria-live]')), /checkout\/checkout → payments\/payments/);
    assert.equal((await hash()).get('from'), CHECKOUT);
  });

  it('names the policies that deny a pair', async () => {
    await open(SHOP_REACH, { from: 'checkout/Deployment/cart', to: PAYMENTS });
    const said = await details();
    assert.match(said, /Nothing may pass/);
    assert.match(
      said,
      /Denied: isolated by checkout\/shop\.default-deny, and no rule of theirs lets payments\/payments through/,
    );
    // The destination would allow it.
    assert.match(said, /from-checkout: TCP 8443/);
  });

  it('says that no policy applies to addresses and to pods on the host network', async () => {
    await open(SHOP_REACH, { from: 'monitoring/Deployment/node-exporter', to: 'old/Deployment/billing' });
    assert.match(await details(), /Of the host network: NetworkPolicies don't apply/);
    await open(SHOP_REACH, { from: 'outside any address', to: 'old/Deployment/billing' });
    const said = await details();
    assert.match(said, /No policy is about addresses/);
    assert.match(said, /1 pod open: no policy isolates them/);
  });

  it('explains two typed ends, and names the one that does not exist', async () => {
    await open(SHOP_REACH);
    await page.type('.ask label:nth-of-type(1) input', 'checkout/checkout');
    await page.keyboard.press('Enter');
    await page.waitForFunction("location.hash.includes('from=')");
    await page.type('.ask label:nth-of-type(2) input', 'payments/nobody');
    await page.keyboard.press('Enter');
    await page.waitForFunction("document.querySelectorAll('.error')[1].textContent !== ''");
    assert.match(await details(), /There is no payments\/nobody/);
  });

  it('filters by name and by namespace, with or without the other ends of links', async () => {
    await open(SHOP_REACH, { view: 'list' });
    await page.keyboard.press('/');
    await page.type('nav input[type=search]', 'payments');
    await page.waitForFunction("document.querySelector('.list caption').textContent === '2 links'");
    await open(SHOP_REACH, { namespace: 'payments', peers: 'no' });
    assert.equal(await count('.row'), 1);
    assert.match(String(await text('.count')), /1 workload, 0 links/);
  });

  it('can be used by keyboard alone', async () => {
    await open(SHOP_REACH, { view: 'matrix' });
    await focus('td.cell[tabindex="0"]');
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'End', 'ArrowLeft', 'ArrowLeft'])
      await page.keyboard.press(key);
    await page.keyboard.press('Enter');
    assert.match(await details(), /checkout\/checkout → payments\/payments/);
    // The focus must survive the new drawing.
    assert.match(
      String(await page.evaluate("document.activeElement.getAttribute('aria-label')")),
      /^checkout\/checkout to payments/,
    );
    await page.keyboard.press('Escape');
    assert.equal((await hash()).get('from'), null);

    await open(SHOP_REACH);
    await focus('.row[tabindex="0"]');
    const first = await page.evaluate("document.activeElement.getAttribute('aria-label')");
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    const chosen = await page.evaluate("document.activeElement.getAttribute('aria-label')");
    assert.notEqual(chosen, first);
    assert.ok(String(chosen).startsWith(String(await text('.details h2'))));

    await focus('#tab-graph');
    await page.keyboard.press('ArrowRight');
    assert.equal((await hash()).get('view'), 'matrix');
    assert.deepEqual(trouble, []);
  });

  it("returns to the earlier selection with the browser's back button", async () => {
    await open(SHOP_REACH, { from: CHECKOUT });
    await page.click('.links button');
    await page.waitForFunction("location.hash.includes('to=')");
    await page.evaluate('history.back()');
    await page.waitForFunction("!location.hash.includes('to=')");
    await page.waitForFunction("document.querySelector('.details h2').innerText === 'checkout/checkout'");
  });

  it('zooms and pans by wheel and keys', async () => {
    await open(SHOP_REACH);
    await page.waitForFunction("document.querySelector('.graph > g').hasAttribute('transform')");
    const transform = () => page.evaluate("document.querySelector('.graph > g').getAttribute('transform')");
    const before = await transform();
    await focus('.row[tabindex="0"]');
    await page.keyboard.press('+');
    const closer = await transform();
    assert.notEqual(closer, before);
    await page.keyboard.press('0');
    assert.equal(await transform(), before);
  });

  it('shows the ports on the links of the graph', async () => {
    await open(SHOP_REACH);
    const ports = await page.evaluate(
      "[...document.querySelectorAll('.ports text')].map((each) => each.textContent)",
    );
    assert.deepEqual([...new Set(ports as string[])].sort(), [
      'TCP 443',
      'TCP 8443',
      'TCP 9090',
      'all ports',
    ]);
  });

  it('groups namespaces by a label, folded at first, and unfolds them by click and by key', async () => {
    await open(SHOP_REACH);
    await page.select('.groups select', 'tenant');
    await page.waitForFunction("document.querySelectorAll('.whole').length === 4");
    assert.deepEqual(
      (await hash()).getAll('fold').sort(),
      [`label tenant=${EVIL}`, 'label tenant=shop'].sort(),
    );
    assert.equal(await count('.row'), 1);
    await page.click('[aria-label="Unfold tenant=shop (f)"]');
    await page.waitForFunction("document.querySelectorAll('.row').length === 4");
    await focus('.row[aria-label^="checkout/cart"]');
    await page.evaluate(`document.querySelectorAll('.groups button')[0].click()`);
    await page.waitForFunction("document.querySelectorAll('.row').length === 0");
    await focus('[tabindex="0"][role="button"]');
    await page.keyboard.press('f');
    await page.waitForFunction("document.querySelectorAll('.row').length > 0");
    // The focus is on a row of the unfolded card, and then on the folded card.
    assert.equal(await page.evaluate("document.activeElement.classList.contains('row')"), true);
    await page.keyboard.press('f');
    await page.waitForFunction("document.querySelectorAll('.row').length === 0");
    assert.equal(await page.evaluate("document.activeElement.classList.contains('whole')"), true);
    assert.match(
      String(await page.evaluate("document.querySelector('[aria-live]').textContent")),
      / folded$/,
    );
    assert.deepEqual(trouble, []);
  });

  it('explains a folded group as a whole', async () => {
    const group = 'label tenant=shop';
    await open(SHOP_REACH, { group: 'tenant', fold: group, from: group });
    const said = await details();
    assert.match(said, /tenant=shop\n+Namespaces with this label, 3 pods/);
    assert.match(said, /monitoring TCP 9090/);
  });

  it('prints a summary and the whole graph, without controls', async () => {
    await open(SHOP_REACH);
    await page.keyboard.press('0');
    await page.evaluate("document.querySelector('[aria-label=Closer]').click()");
    await page.evaluate("window.dispatchEvent(new Event('beforeprint'))");
    await page.emulateMediaType('print');
    assert.match(String(await text('.summary')), /4 namespaces, 6 workloads, 7 pods/);
    assert.match(String(await text('.summary')), /checkout\tpayments\tTCP 8443 \(some pods\)/);
    const hidden = await page.evaluate(
      "['nav', '.ask', '.zoom', '.tabs'].every((each) => document.querySelector(each).getClientRects().length === 0)",
    );
    assert.equal(hidden, true);
    assert.equal(await outside(), 0);
    await page.emulateMediaType('screen');
    await page.evaluate("window.dispatchEvent(new Event('afterprint'))");
    assert.equal(await page.evaluate("document.querySelector('.graph').hasAttribute('viewBox')"), false);
  });

  it('draws a hundred namespaces and a thousand workloads', async () => {
    const large = largeReach(100, 10);
    await open(large);
    assert.equal(await count('.card'), 101);
    await page.waitForFunction("document.querySelector('.graph > g').hasAttribute('transform')");
    const overlaps = await page.evaluate(`(() => {
      const boxes = [...document.querySelectorAll('.card .frame')].map((each) => each.getBoundingClientRect());
      return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length;
    })()`);
    assert.equal(overlaps, 0);
    assert.equal(await outside(), 0);
    await open(large, { view: 'matrix', level: 'workloads' });
    assert.match(String(await text('.hint')), /1001 workloads are too many for a matrix\. Choose namespaces/);
    await open(large, { view: 'matrix', level: 'workloads', namespace: 'team-3', addresses: 'no' });
    assert.equal(await count('td.cell'), 50 * 50);
    assert.deepEqual(trouble, []);
  });

  for (const theme of ['light', 'dark']) {
    it(`passes the checks of axe in ${theme}`, async () => {
      await page.setBypassCSP(true);
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      for (const view of ['graph', 'matrix', 'list']) {
        await open(SHOP_REACH, { view, from: CHECKOUT, to: PAYMENTS });
        await page.addScriptTag({ path: tools.path('axe-core/axe.min.js') });
        const violations = await page.evaluate(
          `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).slice(0, 3).join(' ')))`,
        );
        assert.deepEqual(violations, [], view);
      }
    });
  }

  it('follows the colour scheme of the system until another is chosen', async () => {
    const back = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const [light, dark] = ['rgb(246, 247, 249)', 'rgb(17, 21, 28)'];
    for (const [theme, own, other] of [
      ['light', light, dark],
      ['dark', dark, light],
    ] as const) {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      await open(SHOP_REACH);
      assert.equal(await back(), own, theme);
      for (const expected of [other, own]) {
        await page.click('button.theme');
        assert.equal(await back(), expected, theme);
      }
    }
  });

  it('is drawn, not blank', async () => {
    // The screenshots are for people; an empty page would be smaller than this.
    for (const view of ['graph', 'matrix', 'list']) {
      await open(SHOP_REACH, { view, from: CHECKOUT, to: PAYMENTS });
      const path = join(directory, `${view}.png`);
      await page.screenshot({ path });
      assert.ok(statSync(path).size > 20_000, view);
    }
  });

  it('is a flowchart that Mermaid parses', async () => {
    await page.setContent('<p>mermaid</p>');
    await page.addScriptTag({ path: tools.path('mermaid/dist/mermaid.min.js') });
    for (const reach of [SHOP_REACH, withNames(EVIL)]) {
      const parsed = await page.evaluate(
        `mermaid.parse(${JSON.stringify(toMermaid(reach))}).then(({ diagramType }) => diagramType)`,
      );
      assert.match(String(parsed), /^flowchart/);
    }
  });

  it('is a graph that Graphviz draws, with every name unchanged', async () => {
    interface Viz {
      instance(): Promise<{ renderJSON(dot: string): { objects: { label?: string }[]; edges: unknown[] } }>;
    }
    const viz = await (await tools.load<Viz>('@viz-js/viz')).instance();
    const name = 'a "quoted" \\ name';
    const { objects, edges } = viz.renderJSON(toDot(withNames(name)));
    assert.equal(edges.length, SHOP_REACH.links.length);
    assert.ok(objects.some(({ label }) => label === 'payments'));
    // Graphviz returns labels in their escaped form.
    assert.ok(objects.some(({ label }) => label?.replaceAll('\\\\', '\\') === name));
  });
});

/** The reach of the shop, with another name for one of its groups. */
function withNames(name: string): Reach {
  return {
    ...SHOP_REACH,
    groups: SHOP_REACH.groups.map((group, index) => (index === 0 ? { ...group, name } : group)),
  };
}
