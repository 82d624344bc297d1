import assert from 'node:assert/strict';
import { readCanaryOptions } from '../../src/canary/command-line.ts';
import { OptionsError } from '../../src/options/options.ts';

const problemsOf = (...argv: readonly string[]): readonly string[] => {
  try {
    readCanaryOptions(argv, '1');
    return [];
  } catch (error) {
    assert.ok(error instanceof OptionsError);
    return error.problems;
  }
};

describe("canary's command line", () => {
  it("reads the role, addresses and the operator's flags", () => {
    const read = readCanaryOptions(
      [
        'probe',
        '--address=203.0.113.5',
        '--address',
        '2001:db8::1',
        '--log-level=debug',
        '--metrics-bind-address=0',
      ],
      '1',
    );
    assert.ok(read.kind === 'options');
    assert.equal(read.options.role, 'probe');
    assert.deepEqual(read.options.addresses, [{ address: '203.0.113.5' }, { address: '2001:db8::1' }]);
    assert.equal(read.options.common.logLevel, 'debug');
    assert.equal(read.options.common.metricsBindAddress, '0');
  });

  it('shows its help', () => {
    for (const argv of [[], ['--help'], ['probe', '--help']])
      assert.equal(readCanaryOptions(argv, '1').kind, 'text');
  });

  it('refuses what has no effect or no meaning', () => {
    assert.deepEqual(problemsOf('prob'), ['unknown role "prob": write canary probe, or canary target']);
    assert.match(problemsOf('probe', '--concurrency=3').join(), /unknown flag --concurrency of canary probe/);
    assert.match(
      problemsOf('target', '--address=10.0.0.1').join(),
      /unknown flag --address of canary target/,
    );
    assert.deepEqual(problemsOf('probe', '--address=example.com'), [
      '--address: "example.com" is not an IP address',
    ]);
    assert.equal(problemsOf('probe', '--log-level=loud', '--metrics-bind-address=x').length, 2);
  });
});
