/** The reader and the writer of Calico's selectors, compared with Calico's own parser, on generated texts and labels. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import type { LabelSelector, StringMap } from '../../../src/api/meta.ts';
import { parseCalicoSelector } from '../../../src/engines/calico/parse-selector.ts';
import { calicoSelector } from '../../../src/engines/calico/selector.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { cases, SEED } from './scale.ts';

const SELECTORS = cases(20_000);
const WRITTEN = cases(5000);

const CALICO = {
  name: 'calico-selector',
  module: 'calico-selector',
  package: '.',
  title: "Calico's parser of selectors",
  usualTime: 'a few seconds',
};

interface Answer {
  readonly valid: boolean;
  readonly selects: readonly boolean[];
}

const key = fc.constantFrom('app', 'tier', 'example.com/team', 'in', 'not', 'has', 'a_b-c.d');
const value = fc.constantFrom('', 'web', 'we', 'b', 'a b', 'in', 'é', 'x.y/z');
const labels = fc.dictionary(key, value, { maxKeys: 4 });
const space = fc.constantFrom('', ' ', '  ', '\t');

const literal = fc.tuple(value, fc.constantFrom("'", '"')).map(([text, quote]) => `${quote}${text}${quote}`);
const set = fc
  .tuple(fc.array(literal, { maxLength: 3 }), space)
  .map(([list, gap]) => `{${gap}${list.join(`${gap},${gap}`)}${gap}}`);

const term = fc.oneof(
  fc.tuple(key, space, fc.constantFrom('==', '!='), space, literal).map((parts) => parts.join('')),
  fc
    .tuple(key, fc.constantFrom('contains', 'starts with', 'ends with', 'starts  with'), literal)
    .map((parts) => parts.join(' ')),
  fc.tuple(key, fc.constantFrom('in', 'not in', 'not  in'), set).map((parts) => parts.join(' ')),
  fc.tuple(key, space).map(([name, gap]) => `has(${gap}${name}${gap})`),
  fc.constantFrom('all()', 'all( )'),
);

const { selector } = fc.letrec<{ selector: string }>((tie) => ({
  selector: fc.oneof(
    { maxDepth: 4 },
    term,
    tie('selector').map((inner) => `!${inner}`),
    fc.tuple(space, tie('selector'), space).map(([before, inner, after]) => `(${before}${inner}${after})`),
    fc
      .tuple(tie('selector'), space, fc.constantFrom('&&', '||'), space, tie('selector'))
      .map((parts) => parts.join('')),
  ),
}));

/** Texts that are nearly selectors: a piece is missing, doubled or in another place. */
const token = fc.oneof(
  fc.constantFrom('(', ')', '{', '}', '!', '&&', '||', '==', '!=', '=', ',', 'has(', 'in', 'not in', 'all()'),
  key,
  literal,
);
const soup = fc
  .tuple(fc.array(token, { maxLength: 7 }), space)
  .map(([tokens, gap]) => tokens.join(gap || ' '));

const asked = fc.array(
  fc.record({
    selector: fc.oneof({ weight: 3, arbitrary: selector }, { weight: 1, arbitrary: soup }),
    labels: fc.array(labels, { minLength: 1, maxLength: 5 }),
  }),
  { minLength: SELECTORS, maxLength: SELECTORS },
);

/** The answers of Calico's parser, in order. */
async function ask(
  given: readonly { readonly selector: string; readonly labels: readonly StringMap[] }[],
): Promise<readonly Answer[]> {
  const binary = await goTool(CALICO);
  const input = given.map((each) => JSON.stringify(each)).join('\n');
  const { stdout } = spawnSync(binary, { input, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
  assert.equal(answers.length, given.length);
  return answers;
}

/** Label selectors of Kubernetes, whose values have no quotes. */
const plainValue = fc.constantFrom('', 'web', 'we', 'b', 'in', 'x.y-z_1');
const plainValues = fc.uniqueArray(plainValue, { minLength: 1, maxLength: 3 });
const labelSelector: fc.Arbitrary<LabelSelector> = fc.record(
  {
    matchLabels: fc.dictionary(key, plainValue, { maxKeys: 2 }),
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({ key, operator: fc.constantFrom('In' as const, 'NotIn' as const), values: plainValues }),
        fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
      ),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);
const written = fc.array(
  fc.record({
    wanted: labelSelector,
    labels: fc.array(fc.dictionary(key, plainValue, { maxKeys: 4 }), { minLength: 1, maxLength: 5 }),
  }),
  { minLength: WRITTEN, maxLength: WRITTEN },
);

(goIsThere ? describe : describe.skip)(`Calico's own parser${skippedWithoutGo}`, function () {
  this.timeout('10m');

  it('takes the same selectors, which select the same labels', async () => {
    const [given = []] = fc.sample(asked, { seed: SEED, numRuns: 1 });
    const answers = await ask(given);
    const counts = { selected: 0, passedOver: 0, refused: 0 };
    for (const [index, { selector, labels }] of given.entries()) {
      const { valid, selects } = answers[index] as Answer;
      const own = parseCalicoSelector(selector);
      assert.equal(
        own !== undefined,
        valid,
        `${JSON.stringify(selector)} is ${valid ? '' : 'not '}a selector`,
      );
      assert.deepEqual(
        own === undefined ? [] : labels.map(own),
        selects,
        JSON.stringify({ selector, labels }),
      );
      if (!valid) counts.refused++;
      for (const isSelected of selects) counts[isSelected ? 'selected' : 'passedOver']++;
    }
    // Agreement proves something only if each answer is frequent.
    for (const count of Object.values(counts)) assert.ok(count > SELECTORS / 10, JSON.stringify(counts));
  });

  it('selects by a written label selector what Kubernetes selects by it', async () => {
    const [given = []] = fc.sample(written, { seed: SEED, numRuns: 1 });
    const answers = await ask(
      given.map(({ wanted, labels }) => ({ selector: calicoSelector(wanted), labels })),
    );
    for (const [index, { wanted, labels }] of given.entries())
      assert.deepEqual(
        answers[index],
        { valid: true, selects: labels.map((each) => matches(wanted, each)) },
        JSON.stringify({ wanted, selector: calicoSelector(wanted), labels }),
      );
  });
});
