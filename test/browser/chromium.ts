/** A headless Chromium for tests of pages: the one of the browser tools, or the one that CHROME_PATH names. */
import type { NpmTools } from '../env/tooling/npm-tool.ts';

/** What the tests use of Puppeteer's Page (https://pptr.dev/api/puppeteer.page). */
export interface Page {
  goto(url: string): Promise<unknown>;
  setContent(html: string): Promise<unknown>;
  setViewport(size: { readonly width: number; readonly height: number }): Promise<void>;
  emulateMediaFeatures(features: readonly { readonly name: string; readonly value: string }[]): Promise<void>;
  addScriptTag(script: { readonly path: string }): Promise<unknown>;
  setBypassCSP(bypass: boolean): Promise<void>;
  evaluate(expression: string): Promise<unknown>;
  waitForFunction(expression: string): Promise<unknown>;
  click(selector: string): Promise<void>;
  type(selector: string, text: string): Promise<void>;
  screenshot(options: { readonly path: string }): Promise<unknown>;
  close(): Promise<void>;
  readonly keyboard: { press(key: string): Promise<void> };
  on(event: 'console', listener: (message: { text(): string }) => void): unknown;
  on(event: 'pageerror', listener: (error: Error) => void): unknown;
  on(event: 'request', listener: (request: { url(): string }) => void): unknown;
}

export interface Browser {
  newPage(): Promise<Page>;
  close(): Promise<void>;
}

interface Chromium {
  readonly default: { readonly args: readonly string[]; executablePath(): Promise<string> };
}

interface Puppeteer {
  readonly default: {
    launch(options: {
      readonly executablePath: string;
      readonly args: readonly string[];
      readonly headless: 'shell' | true;
    }): Promise<Browser>;
  };
}

const given = process.env['CHROME_PATH'];

/** Whether a browser can run here; the package of the browser tools holds one for Linux on x64. */
export const browserIsThere = given !== undefined || (process.platform === 'linux' && process.arch === 'x64');

export async function launchBrowser(tools: NpmTools): Promise<Browser> {
  const puppeteer = await tools.load<Puppeteer>('puppeteer-core');
  // Tests open only pages that they made, and some machines allow no sandbox.
  if (given !== undefined) {
    return puppeteer.default.launch({ executablePath: given, args: ['--no-sandbox'], headless: true });
  }
  const chromium = await tools.load<Chromium>('@sparticuz/chromium');
  const executablePath = await chromium.default.executablePath();
  return puppeteer.default.launch({
    executablePath,
    args: [...chromium.default.args, '--no-sandbox'],
    headless: 'shell',
  });
}
