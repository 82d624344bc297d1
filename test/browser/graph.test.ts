/** The page in a real Chromium, with axe for accessibility, and the diagrams in Mermaid and Graphviz. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { toHtml } from '../../src/cli/reach/html.ts';
import { toDot, toMermaid } from '../../src/cli/reach/text.ts';
import type { Namespace } from '../../src/analysis/cluster.ts';
import type { Reach } from '../../src/analysis/reach/reach.ts';
import { EVIL, largeReach, SHOP_REACH } from '../cli/reach/fixture.ts';
import { describePage } from './page.ts';

const CHECKOUT = 'checkout/Deployment/checkout';
const PAYMENTS = 'payments/Deployment/payments';
/** Two tenants; namespace `old` has none. */
const NAMESPACES: readonly Namespace[] = [
  { name: 'checkout', labels: { tenant: 'shop' } },
  { name: 'payments', labels: { tenant: 'shop' } },
  { name: 'monitoring', labels: { tenant: EVIL } },
  { name: 'old', labels: {} },
];

describePage('the graph page in a browser', (at) => {
  /** Opens the page of a reach. @param state the fragment of its address */
  const open = (reach: Reach, state: Readonly<Record<string, string>> = {}) => {
    const text = { title: 'Who may talk to whom', source: `test ${EVIL}`, namespaces: NAMESPACES };
    return at.open(toHtml(reach, { ...text, view: 'graph' }), state);
  };
  const text = (selector: string) => at.text(selector);
  const focus = (selector: string) => at.focus(selector);
  const count = (selector: string) => at.count(selector);
  const details = () => at.text('.details');
  const hash = () => at.hash();

  /** The number of cards that are not wholly in view. */
  const outside = () =>
    at.page.evaluate(`(() => {
      const frame = document.querySelector('.graph').getBoundingClientRect();
      return [...document.querySelectorAll('.card .frame')].map((each) => each.getBoundingClientRect())
        .filter((box) => box.left < frame.left || box.right > frame.right || box.top < frame.top || box.bottom > frame.bottom).length;
    })()`);

  it('draws every workload and link, without errors and without the network', async () => {
    await open(SHOP_REACH);
    const drawn = SHOP_REACH.links.filter(({ from, to }) => from !== to).length;
    assert.equal(await count('.row'), 6);
    assert.equal(await count('.curve'), drawn);
    assert.equal(await at.page.evaluate('document.title'), 'Who may talk to whom');
    assert.deepEqual(at.trouble, []);
    assert.deepEqual(at.requests, []);
  });

  it('explains a clicked pair with its policies and rules, and shows descriptions as literal text', async () => {
    await open(SHOP_REACH, { view: 'matrix' });
    await at.page.click('[aria-label="checkout/checkout to payments/payments: TCP 8443"]');
    const said = await details();
    assert.match(said, /Allowed: TCP 8443/);
    assert.match(said, /checkout\/shop\.egress\.to-payments, of profile shop/);
    assert.match(said, /from-checkout: TCP 8443/);
    assert.ok(said.includes(EVIL));
    assert.match(await text('[role=status][aria-live]'), /checkout\/checkout → payments\/payments/);
    assert.equal((await hash()).get('from'), CHECKOUT);
  });

  it('names the policies of other kinds that decide about a pair', async () => {
    const [guard, other] = ['ClusterNetworkPolicy shop.guard', `CiliumNetworkPolicy ${EVIL}`];
    const nameOf = (index: number) => SHOP_REACH.groups[index]?.name;
    const reach: Reach = {
      ...SHOP_REACH,
      links: SHOP_REACH.links.map((link) =>
        nameOf(link.from) === 'checkout' && nameOf(link.to) === 'payments'
          ? { ...link, layers: [{ kind: 'CiliumNetworkPolicy', name: EVIL }] }
          : link,
      ),
    };
    const html = toHtml(reach, { title: 'Links', source: 'test', view: 'graph', layers: [other, guard] });
    await at.open(html, { from: CHECKOUT, to: PAYMENTS });
    const decided = await details();
    assert.ok(decided.includes(`decide about some of these ports, or may: ${other}. kubectl`), decided);
    assert.ok(!decided.includes(guard));
    await at.open(html, { from: 'checkout', to: 'payments' });
    assert.ok((await details()).includes(other));
    await at.open(html, { from: 'checkout/Deployment/cart', to: PAYMENTS });
    assert.ok((await details()).includes(`Policies of other kinds may deny it too: ${other}, ${guard}.`));
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
    await at.page.type('.ask label:nth-of-type(1) input', 'checkout/checkout');
    await at.page.keyboard.press('Enter');
    await at.page.waitForFunction("location.hash.includes('from=')");
    await at.page.type('.ask label:nth-of-type(2) input', 'payments/nobody');
    await at.page.keyboard.press('Enter');
    await at.page.waitForFunction("document.querySelectorAll('.error')[1].textContent !== ''");
    assert.match(await details(), /There is no payments\/nobody/);
  });

  it('filters by name and by namespace, with or without the other ends of links', async () => {
    await open(SHOP_REACH, { view: 'list' });
    await at.page.keyboard.press('/');
    await at.page.type('nav input[type=search]', 'payments');
    await at.page.waitForFunction("document.querySelector('.list caption').textContent === '2 links'");
    await open(SHOP_REACH, { namespace: 'payments', peers: 'no' });
    assert.equal(await count('.row'), 1);
    assert.match(await text('.count'), /1 workload, 0 links/);
  });

  it('can be used by keyboard alone', async () => {
    await open(SHOP_REACH, { view: 'matrix' });
    await focus('td.cell[tabindex="0"]');
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'End', 'ArrowLeft', 'ArrowLeft'])
      await at.page.keyboard.press(key);
    await at.page.keyboard.press('Enter');
    assert.match(await details(), /checkout\/checkout → payments\/payments/);
    // The focus must survive the new drawing.
    assert.match(
      String(await at.page.evaluate("document.activeElement.getAttribute('aria-label')")),
      /^checkout\/checkout to payments/,
    );
    await at.page.keyboard.press('Escape');
    assert.equal((await hash()).get('from'), null);

    await open(SHOP_REACH);
    await focus('.row[tabindex="0"]');
    const first = await at.page.evaluate("document.activeElement.getAttribute('aria-label')");
    await at.page.keyboard.press('ArrowDown');
    await at.page.keyboard.press('Enter');
    const chosen = await at.page.evaluate("document.activeElement.getAttribute('aria-label')");
    assert.notEqual(chosen, first);
    assert.ok(String(chosen).startsWith(await text('.details h2')));

    await focus('#tab-graph');
    await at.page.keyboard.press('ArrowRight');
    assert.equal((await hash()).get('view'), 'matrix');
    assert.deepEqual(at.trouble, []);
  });

  it("returns to the earlier selection with the browser's back button", async () => {
    await open(SHOP_REACH, { from: CHECKOUT });
    await at.page.click('.links button');
    await at.page.waitForFunction("location.hash.includes('to=')");
    await at.page.evaluate('history.back()');
    await at.page.waitForFunction("!location.hash.includes('to=')");
    await at.page.waitForFunction("document.querySelector('.details h2').innerText === 'checkout/checkout'");
  });

  it('zooms and pans by wheel and keys', async () => {
    await open(SHOP_REACH);
    await at.page.waitForFunction("document.querySelector('.graph > g').hasAttribute('transform')");
    const transform = () =>
      at.page.evaluate("document.querySelector('.graph > g').getAttribute('transform')");
    const before = await transform();
    await focus('.row[tabindex="0"]');
    await at.page.keyboard.press('+');
    const closer = await transform();
    assert.notEqual(closer, before);
    await at.page.keyboard.press('0');
    assert.equal(await transform(), before);
  });

  it('shows the ports on the links of the graph', async () => {
    await open(SHOP_REACH);
    const ports = await at.page.evaluate(
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
    await at.page.select('.groups select', 'tenant');
    await at.page.waitForFunction("document.querySelectorAll('.whole').length === 4");
    assert.deepEqual(
      (await hash()).getAll('fold').sort(),
      [`label tenant=${EVIL}`, 'label tenant=shop'].sort(),
    );
    assert.equal(await count('.row'), 1);
    await at.page.click('[aria-label="Unfold tenant=shop (f)"]');
    await at.page.waitForFunction("document.querySelectorAll('.row').length === 4");
    await focus('.row[aria-label^="checkout/cart"]');
    await at.page.evaluate(`document.querySelectorAll('.groups button')[0].click()`);
    await at.page.waitForFunction("document.querySelectorAll('.row').length === 0");
    await focus('[tabindex="0"][role="button"]');
    await at.page.keyboard.press('f');
    await at.page.waitForFunction("document.querySelectorAll('.row').length > 0");
    // The focus is on a row of the unfolded card, and then on the folded card.
    assert.equal(await at.page.evaluate("document.activeElement.classList.contains('row')"), true);
    await at.page.keyboard.press('f');
    await at.page.waitForFunction("document.querySelectorAll('.row').length === 0");
    assert.equal(await at.page.evaluate("document.activeElement.classList.contains('whole')"), true);
    assert.match(
      String(await at.page.evaluate("document.querySelector('[aria-live]').textContent")),
      / folded$/,
    );
    assert.deepEqual(at.trouble, []);
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
    await at.page.keyboard.press('0');
    await at.page.evaluate("document.querySelector('[aria-label=Closer]').click()");
    await at.page.evaluate("window.dispatchEvent(new Event('beforeprint'))");
    await at.page.emulateMediaType('print');
    assert.match(await text('.summary'), /4 namespaces, 6 workloads, 7 pods/);
    assert.match(await text('.summary'), /checkout\tpayments\tTCP 8443 \(some pods\)/);
    const hidden = await at.page.evaluate(
      "['nav', '.ask', '.zoom', '.tabs'].every((each) => document.querySelector(each).getClientRects().length === 0)",
    );
    assert.equal(hidden, true);
    assert.equal(await outside(), 0);
    await at.page.emulateMediaType('screen');
    await at.page.evaluate("window.dispatchEvent(new Event('afterprint'))");
    assert.equal(await at.page.evaluate("document.querySelector('.graph').hasAttribute('viewBox')"), false);
  });

  it('draws a hundred namespaces and a thousand workloads', async () => {
    const large = largeReach(100, 10);
    await open(large);
    assert.equal(await count('.card'), 101);
    await at.page.waitForFunction("document.querySelector('.graph > g').hasAttribute('transform')");
    const overlaps = await at.page.evaluate(`(() => {
      const boxes = [...document.querySelectorAll('.card .frame')].map((each) => each.getBoundingClientRect());
      return boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length;
    })()`);
    assert.equal(overlaps, 0);
    assert.equal(await outside(), 0);
    await open(large, { view: 'matrix', level: 'workloads' });
    assert.match(await text('.hint'), /1001 workloads are too many for a matrix\. Choose namespaces/);
    await open(large, { view: 'matrix', level: 'workloads', namespace: 'team-3', addresses: 'no' });
    assert.equal(await count('td.cell'), 50 * 50);
    assert.deepEqual(at.trouble, []);
  });

  for (const theme of ['light', 'dark']) {
    it(`passes the checks of axe in ${theme}`, async () => {
      await at.page.setBypassCSP(true);
      await at.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      for (const view of ['graph', 'matrix', 'list']) {
        await open(SHOP_REACH, { view, from: CHECKOUT, to: PAYMENTS });
        assert.deepEqual(await at.violations(), [], view);
      }
    });
  }

  it('follows the colour scheme of the system until another is chosen', async () => {
    const back = () => at.page.evaluate('getComputedStyle(document.body).backgroundColor');
    const [light, dark] = ['rgb(246, 247, 249)', 'rgb(17, 21, 28)'];
    for (const [theme, own, other] of [
      ['light', light, dark],
      ['dark', dark, light],
    ] as const) {
      await at.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: theme }]);
      await open(SHOP_REACH);
      assert.equal(await back(), own, theme);
      for (const expected of [other, own]) {
        await at.page.click('button.theme');
        assert.equal(await back(), expected, theme);
      }
    }
  });

  it('is drawn, not blank', async () => {
    // The screenshots are for people; an empty page would be smaller than this.
    for (const view of ['graph', 'matrix', 'list']) {
      await open(SHOP_REACH, { view, from: CHECKOUT, to: PAYMENTS });
      const path = at.file(`${view}.png`);
      await at.page.screenshot({ path });
      assert.ok(statSync(path).size > 20_000, view);
    }
  });

  it('is a flowchart that Mermaid parses', async () => {
    await at.page.setContent('<p>mermaid</p>');
    await at.page.addScriptTag({ path: at.tools.path('mermaid/dist/mermaid.min.js') });
    for (const reach of [SHOP_REACH, withNames(EVIL)]) {
      const parsed = await at.page.evaluate(
        `mermaid.parse(${JSON.stringify(toMermaid(reach))}).then(({ diagramType }) => diagramType)`,
      );
      assert.match(String(parsed), /^flowchart/);
    }
  });

  it('is a graph that Graphviz draws, with every name unchanged', async () => {
    interface Viz {
      instance(): Promise<{ renderJSON(dot: string): { objects: { label?: string }[]; edges: unknown[] } }>;
    }
    const viz = await (await at.tools.load<Viz>('@viz-js/viz')).instance();
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
