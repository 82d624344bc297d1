/** Calico's selectors, on labels that they select and others that they don't. */
import assert from 'node:assert/strict';
import { parseCalicoSelector } from '../../../src/engines/calico/parse-selector.ts';

const LABELS = { app: 'web', tier: 'front', 'example.com/team': 'shop', empty: '' };

const CASES: readonly (readonly [selector: string, selects: boolean])[] = [
  ['', true],
  ['all()', true],
  ['global()', true],
  ["app == 'web'", true],
  ['app == "web"', true],
  ["app=='web'&&tier=='front'", true],
  ["app != 'web'", false],
  ["missing != 'web'", true],
  ["missing == ''", false],
  ["empty == ''", true],
  ['has(app)', true],
  ['!has(app)', false],
  ['has( example.com/team )', true],
  ["example.com/team in {'shop', 'bank'}", true],
  ["example.com/team not in { 'shop' }", false],
  ["missing not in {'shop'}", true],
  ["missing in {'shop'}", false],
  ["app contains 'e'", true],
  ["app starts with 'we'", true],
  ["app ends  with 'we'", false],
  ["app == 'api' || tier == 'front' && has(app)", true],
  ["(app == 'api' || tier == 'front') && !has(app)", false],
  ["!(app == 'api') && !!has(app)", true],
  ["app notin {'web'}", false],
  ["app startswith 'we' && app endswith 'b'", true],
  ["app in {'web', }", true],
  ["in in {'web'} || has(not)", false],
];

const UNREADABLE = [
  "app = 'web'",
  'app ==',
  "app == 'web",
  "app == 'web' &&",
  'has()',
  'some(app)',
  "(app == 'web'",
  "app in {'web'",
  "app in {'web' 'api'}",
  'has (app)',
  "app ==\n'web'",
];

describe("parser of Calico's selectors", () => {
  for (const [selector, selects] of CASES) {
    it(`reads ${selector || 'the empty selector'} as one that ${selects ? 'selects' : 'does not select'} the pod`, () => {
      assert.equal(parseCalicoSelector(selector)?.(LABELS), selects);
    });
  }

  for (const selector of UNREADABLE) {
    it(`refuses ${selector}`, () => assert.equal(parseCalicoSelector(selector), undefined));
  }
});
