/** Each alert of config/prometheus has a severity, a waiting time, texts and a runbook. */
import assert from 'node:assert/strict';
import { alerts } from '../support/monitoring/prometheus.ts';
import { anchors, page, samples } from './pages.ts';

const runbooks = page('docs/runbooks.md');
const SECTION = /^### (\S+)\n(.*?)(?=^##|$(?![\s\S]))/gms;
const sections = new Map(
  [...runbooks.text.matchAll(SECTION)].map(([, name = '', text = '']) => [name, text]),
);

describe('docs/runbooks.md', () => {
  it('has a section for each alert, in their order, and no other', () => {
    assert.ok(alerts().length >= 20);
    assert.deepEqual(
      [...sections.keys()],
      alerts().map(({ alert }) => alert),
    );
  });

  for (const [name, text] of sections) {
    it(`has meaning, impact, cause and cure of ${name}`, () => {
      const parts = text.split(/^\*\*(\w+)\.\*\* /m).slice(1);
      const titles = parts.filter((_, index) => index % 2 === 0);
      assert.deepEqual(titles, ['Meaning', 'Impact', 'Cause', 'Cure']);
      const [, meaning = '', , impact = '', , cause = '', , cure = ''] = parts;
      for (const each of [meaning, impact, cure]) assert.ok(each.trim().length > 30, each);
      const languages = samples({ path: name, text: cause }).map(({ language }) => language);
      assert.ok(
        languages.includes('promql') || languages.includes('sh'),
        'no command or query that finds the cause',
      );
    });
  }
});

describe('alert', () => {
  for (const { alert, for: wait, labels = {}, annotations = {} } of alerts()) {
    it(`${alert} has a severity, a waiting time, a summary and a description`, () => {
      assert.match(wait ?? '', /^\d+[mh]$/);
      assert.match(labels['severity'] ?? '', /^(critical|warning|info)$/);
      assert.deepEqual(Object.keys(annotations).sort(), ['description', 'runbook_url', 'summary']);
      assert.match(annotations['summary'] ?? '', /^[A-Z][^{]+\.$/);
      assert.match(annotations['description'] ?? '', /\.$/);
    });

    it(`${alert} links to its runbook`, () => {
      const [base, anchor = ''] = annotations['runbook_url']?.split('#') ?? [];
      assert.equal(base, 'https://segmentation.dev/docs/runbooks.md');
      assert.equal(anchor, alert.toLowerCase());
      assert.ok(anchors(runbooks).has(anchor));
    });
  }
});
