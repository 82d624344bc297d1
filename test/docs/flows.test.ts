/** docs/flows.md shows the plugin's real output on the sample log, and names every format and field. */
import assert from 'node:assert/strict';
import { FORMATS, formatOf } from '../../src/flows/formats/index.ts';
import { page, samples } from './pages.ts';
import { assertShows, consoleOf, directoryForPage } from './session.ts';

const flowsPage = page('docs/flows.md');

describe('docs/flows.md', () => {
  let directory: ReturnType<typeof directoryForPage>;
  before(() => {
    directory = directoryForPage();
  });
  after(() => directory.remove());

  for (const sample of samples(flowsPage).filter(({ language }) => language === 'console')) {
    it(`shows the output of the commands at ${sample.at}`, async () => {
      assertShows(flowsPage, sample, await consoleOf(sample.text, directory.path));
    });
  }

  it('names every format', () => {
    for (const { name } of FORMATS) assert.ok(flowsPage.text.includes(`\`${name}\``), name);
  });

  it('has a sample of the format json that is a flow', () => {
    const [sample] = samples(flowsPage).filter(({ language }) => language === 'json');
    const text = sample?.text.trim() ?? '';
    const line = { text, json: JSON.parse(text) as Readonly<Record<string, unknown>> };
    const format = formatOf(line);
    assert.equal(format?.name, 'json');
    assert.equal(format.reader()(line).kind, 'flows');
  });
});
