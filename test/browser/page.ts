/** The page of the plugin in a Chromium, for tests: opens it, reads it, and collects errors and requests. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type NpmTools, npmTools } from '../env/tooling/npm-tool.ts';
import { type Browser, browserIsThere, launchBrowser, type Page } from './chromium.ts';

const skipped = browserIsThere ? '' : ' (skipped: set CHROME_PATH to a Chrome or Chromium)';

/** Describes a page. Each test has a tab of its own, in `at.page`. */
export function describePage(title: string, define: (at: OpenPage) => void): void {
  (browserIsThere ? describe : describe.skip)(`${title}${skipped}`, () => {
    const at = new OpenPage();
    before(async function () {
      this.timeout('5m');
      await at.start();
    });
    after(() => at.stop());
    beforeEach(() => at.openTab());
    afterEach(() => at.page.close());
    define(at);
  });
}

export class OpenPage {
  #tools: NpmTools | undefined;
  #browser: Browser | undefined;
  #directory = '';
  #page: Page | undefined;
  /** Messages of the console, and errors. */
  trouble: string[] = [];
  /** Addresses that were requested beside the page itself. */
  requests: string[] = [];

  async start(): Promise<void> {
    this.#tools = await npmTools('browser', 'a browser for tests');
    this.#browser = await launchBrowser(this.#tools);
    this.#directory = mkdtempSync(join(tmpdir(), 'page-'));
  }

  async stop(): Promise<void> {
    await this.#browser?.close();
    if (this.#directory !== '') rmSync(this.#directory, { recursive: true });
  }

  async openTab(): Promise<void> {
    this.#page = await this.#browser?.newPage();
    this.trouble = [];
    this.requests = [];
    this.page.on('console', (message) => this.trouble.push(message.text()));
    this.page.on('pageerror', (error) => this.trouble.push(error.message));
    this.page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith('file:') && url !== 'about:blank') this.requests.push(url);
    });
    await this.page.setViewport({ width: 1400, height: 860 });
  }

  get page(): Page {
    if (this.#page === undefined) throw new Error('no tab is open');
    return this.#page;
  }

  get tools(): NpmTools {
    if (this.#tools === undefined) throw new Error('the tools are not there yet');
    return this.#tools;
  }

  /** The path of a file that is removed after the tests. */
  file(name: string): string {
    return join(this.#directory, name);
  }

  /** Opens a page. @param state the fragment of its address */
  async open(html: string, state: Readonly<Record<string, string>> = {}): Promise<void> {
    const file = this.file('page.html');
    writeFileSync(file, html);
    await this.page.goto('about:blank');
    await this.page.goto(`${pathToFileURL(file).href}#${new URLSearchParams(state).toString()}`);
    await this.page.waitForFunction("document.querySelector('main').children.length > 0");
  }

  async text(selector: string): Promise<string> {
    return String(await this.page.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText`));
  }

  focus(selector: string): Promise<unknown> {
    return this.page.evaluate(`document.querySelector(${JSON.stringify(selector)}).focus()`);
  }

  count(selector: string): Promise<unknown> {
    return this.page.evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  }

  async hash(): Promise<URLSearchParams> {
    return new URLSearchParams(String(await this.page.evaluate('location.hash.slice(1)')));
  }

  /** Violations that axe finds of rules for accessibility. The page's policy must be bypassed before it is opened. */
  async violations(): Promise<unknown> {
    await this.page.addScriptTag({ path: this.tools.path('axe-core/axe.min.js') });
    return this.page.evaluate(
      `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html).slice(0, 3).join(' ')))`,
    );
  }
}
