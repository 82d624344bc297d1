import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { issueFormProblems } from '../../scripts/github/issue-forms.ts';
import { workflowProblems } from '../../scripts/github/language-service.ts';
import { pinProblems } from '../../scripts/github/pins.ts';

const root = join(import.meta.dirname, '../..');
const SHA = '0123456789abcdef0123456789abcdef01234567';

function workflow(step: string): { path: string; text: string } {
  const text = `on: push\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - ${step}\n`;
  return { path: '.github/workflows/w.yml', text };
}

function form(body: string): { path: string; text: string } {
  return { path: '.github/ISSUE_TEMPLATE/f.yml', text: `name: n\ndescription: d\nbody:\n${body}` };
}

describe('the check of workflows', () => {
  it('accepts a step that runs a command', async () => {
    assert.deepEqual(await workflowProblems(workflow('run: npm test')), []);
  });

  it('refuses a key that a step does not have, and names its line', async () => {
    const [problem = ''] = await workflowProblems(workflow('runs: npm test'));
    assert.match(problem, /^\.github\/workflows\/w\.yml:6: Unexpected value 'runs'/);
  });

  it('refuses an expression that refers to nothing', async () => {
    const problems = await workflowProblems(workflow('run: echo ${{ steps.absent.outputs.a }}'));
    assert.match(problems.join('\n'), /Context access might be invalid: absent/);
  });

  it('refuses an action whose steps lack their shell', async () => {
    const text = 'name: n\ndescription: d\nruns:\n  using: composite\n  steps:\n    - run: ls\n';
    const problems = await workflowProblems({ path: '.github/actions/a/action.yml', text });
    assert.match(problems.join('\n'), /shell/);
  });
});

describe('the check of pins', () => {
  const PINS: readonly (readonly [step: string, problem: RegExp | undefined])[] = [
    [`uses: actions/checkout@${SHA} # v4.2.0`, undefined],
    ['uses: ./.github/actions/set-up', undefined],
    ['uses: actions/checkout@v4', /w\.yml:6: actions\/checkout@v4: pin it by the full SHA of a commit$/],
    [`uses: actions/checkout@${SHA.slice(0, 7)} # v4`, /pin it by the full SHA/],
    [`uses: actions/checkout@${SHA}`, /name its version behind it/],
  ];
  for (const [step, problem] of PINS) {
    it(`${problem === undefined ? 'accepts' : 'refuses'} ${step}`, () => {
      const problems = pinProblems(workflow(step));
      if (problem === undefined) assert.deepEqual(problems, []);
      else assert.match(problems.join('\n'), problem);
    });
  }
});

describe('the check of issue forms', () => {
  const FORMS: readonly (readonly [title: string, body: string, problem: RegExp | undefined])[] = [
    ['accepts a text area', '- type: textarea\n  attributes: {label: l}\n', undefined],
    ['refuses an element without a label', '- type: input\n  attributes: {}\n', /required property 'label'/],
    ['refuses an unknown type', '- type: text\n  attributes: {label: l}\n', /\/body\/0/],
    [
      'refuses an unknown attribute',
      '- type: input\n  attributes: {label: l, hint: h}\n',
      /additional properties/,
    ],
    ['refuses a form without a question', '- type: markdown\n  attributes: {value: v}\n', /contain/],
    [
      'refuses an id that is given twice',
      '- type: input\n  id: a\n  attributes: {label: l}\n- type: input\n  id: a\n  attributes: {label: m}\n',
      /id a is given twice/,
    ],
  ];
  for (const [title, body, problem] of FORMS) {
    it(title, () => {
      const problems = issueFormProblems(form(body));
      if (problem === undefined) assert.deepEqual(problems, []);
      else assert.match(problems.join('\n'), problem);
    });
  }
});

describe('the workflows', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  for (const path of globSync('.github/workflows/*.yml', { cwd: root })) {
    it(`of ${path} run npm scripts that exist`, () => {
      const text = readFileSync(join(root, path), 'utf8');
      const used = [...text.matchAll(/npm (?:run )?(\w[\w:]*)/g)].map(([, name = '']) => name);
      assert.deepEqual(
        used.filter((name) => !(name in scripts)),
        [],
      );
    });
  }
});
