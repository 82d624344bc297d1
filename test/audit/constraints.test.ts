/** The limits of profiles that findings of an audit name. */
import assert from 'node:assert/strict';
import { constraintOf } from '../../src/audit/pods/constraints.ts';
import { CHECKS } from '../../src/audit/registry.ts';
import { cli } from '../cli/cli.ts';

const PSS = /PSS (Baseline|Restricted)/;
const limited = CHECKS.filter(({ id }) => constraintOf(id) !== undefined);

describe('limit of a profile that an audit check names', () => {
  it('is the level of each check of the Pod Security Standards', () => {
    const standard = CHECKS.filter(({ controls }) => controls.some((control) => PSS.test(control)));
    assert.ok(standard.length >= 15);
    for (const { id, controls } of standard) {
      const expected = controls.includes('PSS Baseline') ? 'baseline' : 'restricted';
      assert.equal(constraintOf(id), `workloads: {podSecurity: {enforce: ${expected}}}`, id);
    }
  });

  it('is a field that a profile may have', async () => {
    const texts = [...new Set(limited.map(({ id }) => constraintOf(id)))];
    assert.ok(texts.length >= 5);
    for (const text of texts) {
      const stdin = `apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: p}
spec: {namespaceSelector: {}, ${text}}
`;
      const { code, output } = await cli('workloads -f -', { stdin });
      assert.equal(code, 0, output);
    }
  });
});
