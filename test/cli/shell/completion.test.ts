/** Shell completion, in cobra's protocol. */
import assert from 'node:assert/strict';
import { COMMANDS } from '../../../src/cli/commands/registry.ts';
import { flagsOf } from '../../../src/cli/shell/help.ts';
import { SHELLS } from '../../../src/cli/shell/shells.ts';
import { cli, directoryOf } from '../cli.ts';

const NOTHING = 4;
const FILES = 0;
const DIRECTORIES = 16;
const SHOP = 'config/samples/shop';

async function complete(...words: string[]): Promise<{ values: string[]; directive: number }> {
  const { code, stdout, stderr } = await cli(['__complete', ...words]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  const lines = stdout.trimEnd().split('\n');
  return {
    values: lines.slice(0, -1).map((line) => line.split('\t')[0] ?? ''),
    directive: Number(lines.at(-1)?.slice(1)),
  };
}

describe('completion', () => {
  it('offers every command, narrowed by the prefix that is typed', async () => {
    assert.deepEqual(
      (await complete('')).values,
      COMMANDS.map(({ name }) => name),
    );
    assert.deepEqual((await complete('re')).values, ['render']);
    assert.deepEqual((await complete('help', 'ex')).values, ['explain', 'exception']);
  });

  it('offers the flags of a command that are not given yet', async () => {
    const explain = COMMANDS.find(({ name }) => name === 'explain');
    assert.ok(explain);
    assert.deepEqual(
      (await complete('explain', '-')).values,
      flagsOf(explain).map(({ name }) => `--${name}`),
    );
    const { values } = await complete('explain', '--port', '80', '-f', 'a', '--');
    assert.ok(!values.includes('--port') && values.includes('--filename'), values.join());
  });

  it('offers the values of a flag in both forms, -o VALUE and --output=VALUE', async () => {
    assert.deepEqual(await complete('render', '-o', ''), {
      values: ['yaml', 'json', 'table', 'wide', 'name'],
      directive: NOTHING,
    });
    assert.deepEqual((await complete('render', '--output=j')).values, ['json']);
    assert.deepEqual((await complete('render', '-f', SHOP, '-n', 'shop-p')).values, ['shop-payments']);
    assert.deepEqual(await complete('render', '-f', ''), { values: [], directive: FILES });
    assert.deepEqual(await complete('render', '-k', ''), { values: [], directive: DIRECTORIES });
    assert.deepEqual(await complete('render', '--operator-namespace', ''), {
      values: [],
      directive: NOTHING,
    });
  });

  it('offers the contexts of the kubeconfig', async () => {
    const directory = directoryOf({ config: 'contexts: [{name: dev}, {name: prod}]' });
    assert.deepEqual(
      (await complete('status', '--kubeconfig', `${directory}/config`, '--context', '')).values,
      ['dev', 'prod'],
    );
  });

  it('offers profiles, ends of flows, files and shells for arguments', async () => {
    assert.deepEqual((await complete('render', '-f', SHOP, '')).values, ['shop']);
    assert.deepEqual((await complete('explain', '-f', SHOP, 'shop-payments/')).values, [
      'shop-payments/deploy/ledger',
      'shop-payments/deploy/payments',
      'shop-payments/svc/ledger',
      'shop-payments/svc/payments',
    ]);
    assert.deepEqual((await complete('explain', '-f', SHOP, '-n', 'shop-checkout', 'c')).values, [
      'cart',
      'checkout',
    ]);
    assert.deepEqual(await complete('check', ''), { values: [], directive: FILES });
    assert.deepEqual((await complete('completion', '')).values, [...SHELLS]);
  });

  it('offers nothing, and prints no error, if candidates can not be read', async () => {
    for (const words of [
      ['none', ''],
      ['status', ''],
      ['render', '-f', 'nowhere', ''],
      ['render', '--kubeconfig', 'nowhere', ''],
    ]) {
      assert.deepEqual(await complete(...words), { values: [], directive: NOTHING }, words.join(' '));
    }
  });

  it('has a script for each shell, and lists the shells for an unknown one', async () => {
    for (const shell of SHELLS) {
      const { code, stdout } = await cli(`completion ${shell}`);
      assert.equal(code, 0);
      assert.match(stdout, /kubectl-segmentation __complete/);
    }
    const { code, stderr } = await cli('completion zhs');
    assert.equal(code, 2);
    assert.match(stderr, /no completion for zhs; there is bash, zsh, fish, kubectl \(did you mean "zsh"\?\)/);
  });
});
