/** The controls that users expect of an audit, and the checks that stand for them. */
import assert from 'node:assert/strict';
import { CHECKS } from '../../src/audit/registry.ts';

const range = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** Controls of kubescape's library. */
const NUMBERS: readonly (readonly number[])[] = [
  [13, 16, 17, 30, 34, 38, 41, 44, 46, 48, 54, 57, 78],
  // CIS 5.2 and 5.3.
  range(192, 206),
  [236, 237, 256, 260, 261, 263, 266, 271, 298, 299, 306],
];
const KUBESCAPE = NUMBERS.flat().map((number) => `C-${String(number).padStart(4, '0')}`);

/** Controls of the CIS Kubernetes Benchmark 1.10: service accounts, pods and networks. */
const CIS = [
  ...[1, 2, 3, 5, 6, 8].map((number) => `5.1.${number}`),
  ...range(1, 13).map((number) => `5.2.${number}`),
  '5.3.1',
  '5.3.2',
].map((number) => `CIS ${number}`);

/** Numbers of kubescape for recommendations of CIS. */
const PAIRS: readonly (readonly [cis: string, kubescape: string])[] = [
  ...range(1, 13).map((number) => [`CIS 5.2.${number}`, `C-0${191 + number}`] as const),
  ['CIS 5.3.1', 'C-0205'],
  ['CIS 5.3.2', 'C-0206'],
];

describe('controls of the checks', () => {
  const known = new Set(CHECKS.flatMap(({ controls }) => controls));

  it('cover those that an audit of networks and pods is expected to cover', () => {
    assert.deepEqual(
      [...KUBESCAPE, ...CIS].filter((control) => !known.has(control)),
      [],
    );
  });

  it('leave out the limit of CPU, which no check asks for', () => {
    assert.ok(!known.has('C-0270'));
  });

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
      PAIRS.filter(([cis, kubescape]) => controls.includes(kubescape) && !controls.includes(cis)).map(
        ([, kubescape]) => `${id} ${kubescape}`,
      ),
    );
    assert.deepEqual(alone, []);
  });
});
