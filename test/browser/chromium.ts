/** A headless Chromium for tests of pages: that of the browser tools, or the executable at CHROME_PATH. */
import type { NpmTools } from '../env/tooling/npm-tool.ts';

/** The methods of Puppeteer's Page that the tests use (https://pptr.dev/api/puppeteer.page). */
export interface Page {
  goto(url: string): Promise<unknown>;
  setContent(html: string): Promise<unknown>;
  setViewport(size: { readonly width: number; readonly height: number }): Promise<void>;
  emulateMediaFeatures(features: readonly { readonly name: string; readonly value: string }[]): Promise<void>;
  emulateMediaType(type: 'screen' | 'print'): Promise<void>;
  addScriptTag(script: { readonly path: string }): Promise<unknown>;
  setBypassCSP(bypass: boolean): Promise<void>;
  evaluate(expression: string): Promise<unknown>;
  waitForFunction(expression: string): Promise<unknown>;
  click(selector: string): Promise<void>;
  select(selector: string, value: string): Promise<unknown>;
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

/** True if a browser can run here. The package of the browser tools has one for Linux on x64. */
export const browserIsThere = given !== undefined || (process.platform === 'linux' && process.arch === 'x64');

export async function launchBrowser(tools: NpmTools): Promise<Browser> {
  const puppeteer = await tools.load<Puppeteer>('puppeteer-core');
  // Some machines allow no sandbox, and the tests open no pages but their own.
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
