/** The controls that users expect of an audit: a check stands for each, or the page says why none does. */
import assert from 'node:assert/strict';
import { ABSENT_CONTROLS } from '../../src/audit/controls.ts';
import { CHECKS } from '../../src/audit/registry.ts';

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const kubescape = (number: number) => `C-${String(number).padStart(4, '0')}`;

/** Controls of kubescape's library about networks, pods, accounts and images. */
const KUBESCAPE = [
  [13, 16, 17, 30, 34, 38, 41, 44, 46, 48, 54, 57, 78],
  [236, 237, 256, 260, 261, 263, 266, 270, 271, 298, 299, 306],
]
  .flat()
  .map(kubescape);

/** Section 5 of the CIS Kubernetes Benchmark 1.10, with the numbers that kubescape gives its recommendations. */
const CIS: readonly (readonly [cis: string, ...kubescape: string[]])[] = [
  ...range(1, 6).map((number) => [`CIS 5.1.${number}`, kubescape(184 + number)] as const),
  ['CIS 5.1.7', 'C-0246'],
  ['CIS 5.1.8', 'C-0191'],
  ...range(9, 13).map((number) => [`CIS 5.1.${number}`, kubescape(269 + number)] as const),
  ['CIS 5.2.1', 'C-0192'],
  ['CIS 5.2.2', 'C-0193'],
  ['CIS 5.2.3', 'C-0194', 'C-0275'],
  ['CIS 5.2.4', 'C-0195', 'C-0276'],
  ['CIS 5.2.5', 'C-0041', 'C-0196'],
  ...range(6, 13).map((number) => [`CIS 5.2.${number}`, kubescape(191 + number)] as const),
  ['CIS 5.3.1', 'C-0205'],
  ['CIS 5.3.2', 'C-0206'],
  ['CIS 5.4.1', 'C-0207'],
  ['CIS 5.4.2', 'C-0208'],
  ['CIS 5.5.1', 'C-0289'],
  ...range(1, 4).map((number) => [`CIS 5.7.${number}`, kubescape(208 + number)] as const),
];

describe('controls of the checks', () => {
  const carried = new Set(CHECKS.flatMap(({ controls }) => controls));
  const absent = new Set(ABSENT_CONTROLS.flatMap(({ controls }) => controls));

  for (const control of new Set([...KUBESCAPE, ...CIS.flat()])) {
    it(`have a check for ${control}, or a reason on the page why there is none`, () => {
      assert.notEqual(carried.has(control), absent.has(control));
    });
  }

  for (const { id, controls } of CHECKS) {
    it(`of ${id} are written in one form, each once`, () => {
      assert.equal(new Set(controls).size, controls.length);
      for (const control of controls)
        assert.match(
          control,
          /^(C-\d{4}|CIS \d+\.\d+\.\d+|CVE-\d{4}-\d+|NSA\/CISA [A-Za-z ]+|PSS (Baseline|Restricted))$/,
        );
    });
  }

  it('name the recommendation of CIS beside the number that kubescape gives it', () => {
    const alone = CHECKS.flatMap(({ id, controls }) =>
      CIS.flatMap(([cis, ...numbers]) =>
        numbers.some((number) => controls.includes(number)) && !controls.includes(cis)
          ? [`${id} ${cis}`]
          : [],
      ),
    );
    assert.deepEqual(alone, []);
  });
});
