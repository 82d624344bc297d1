/** The findings of an audit as the page's data: what is in it, and what bounds it. */
import assert from 'node:assert/strict';
import { pageAudit } from '../../../src/cli/findings/encode.ts';
import { FINDING_NUMBERS } from '../../../src/cli/findings/page-audit.ts';
import { finding, largeReport, report, SHOP_REPORT } from './fixture.ts';

describe('the page data of an audit', () => {
  it('has each text once, and the remedy of a finding only if it is not that of the check', () => {
    const { texts, findings, checks } = pageAudit(SHOP_REPORT);
    assert.equal(new Set(texts).size, texts.length);
    assert.equal(findings.length, 7 * FINDING_NUMBERS);
    const remedies = findings.filter((_, index) => index % FINDING_NUMBERS === FINDING_NUMBERS - 1);
    assert.deepEqual(
      remedies.map((index) => texts[index]),
      ['', '', '', 'Name the Secrets.', '', '', ''],
    );
    assert.deepEqual(checks.map(({ id, findings: count }) => `${id} ${count}`).sort(), [
      'account-reads-secrets 1',
      'namespace-without-policy 1',
      'pod-host-path 0',
      'pod-privileged 2',
      'pod-resources 1',
      'policy-selects-nothing 1',
      'service-selects-nothing 1',
    ]);
  });

  it('counts by severity and namespace, a Namespace as its own namespace', () => {
    const { severities, namespaces } = pageAudit(SHOP_REPORT);
    assert.equal(
      severities.reduce((sum, count) => sum + count),
      7,
    );
    assert.deepEqual(
      namespaces.map(([name, counts]) => [name, counts.reduce((sum, count) => sum + count)]),
      [
        ['', 1],
        ['checkout', 2],
        ['empty', 1],
        ['monitoring', 1],
        ['old', 2],
      ],
    );
  });

  it('has no more findings than its bound, and counts all of them', () => {
    const { findings, severities, namespaces, checks } = pageAudit(largeReport(1000), 100);
    assert.equal(findings.length, 100 * FINDING_NUMBERS);
    assert.deepEqual(severities, [200, 200, 200, 200, 200]);
    assert.equal(
      namespaces.flatMap(([, counts]) => counts).reduce((sum, count) => sum + count),
      1000,
    );
    assert.equal(
      checks.reduce((sum, check) => sum + check.findings, 0),
      1000,
    );
  });

  it('cuts a text that is too long', () => {
    const { texts } = pageAudit(
      report([finding('pod-privileged', 'Pod a/b', { message: 'x'.repeat(100_000) })]),
    );
    assert.ok(texts.every((text) => text.length <= 1001));
  });

  it('is less than two megabytes for twenty thousand findings', () => {
    assert.ok(JSON.stringify(pageAudit(largeReport(20_000))).length < 2_000_000);
  });
});
