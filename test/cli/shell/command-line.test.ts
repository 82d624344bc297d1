/** Command lines of the plugin: help, errors, and the forms of flags. */
import assert from 'node:assert/strict';
import { COMMANDS } from '../../../src/cli/commands/registry.ts';
import { flagsOf } from '../../../src/cli/shell/help.ts';
import { cli } from '../cli.ts';

const SHOP = 'config/samples/shop';

describe('kubectl segmentation', () => {
  it('lists the commands if it is called without one', async () => {
    const { code, stdout } = await cli('');
    assert.equal(code, 0);
    for (const { name, summary } of COMMANDS)
      assert.match(stdout, new RegExp(`^ {2}${name} +${escaped(summary)}$`, 'm'));
  });

  for (const command of COMMANDS) {
    it(`prints the same help for ${command.name}, with examples and every flag, on --help, -h and help`, async () => {
      const { code, stdout } = await cli(`${command.name} --help`);
      assert.equal(code, 0);
      assert.ok(command.examples.length >= 2, 'too few examples');
      for (const { line } of command.examples) assert.ok(stdout.includes(line), line);
      for (const { name } of flagsOf(command)) assert.ok(stdout.includes(`--${name}`), name);
      assert.equal((await cli(`help ${command.name}`)).stdout, stdout);
      assert.equal((await cli(`${command.name} -h`)).stdout, stdout);
    });

    it(`prints help for ${command.name} that fits 120 columns`, async () => {
      const { stdout } = await cli(`${command.name} --help`);
      assert.deepEqual(
        stdout.split('\n').filter((line) => line.length > 120),
        [],
      );
    });
  }

  const REFUSED: readonly [what: string, line: string, answer: RegExp][] = [
    [
      'an unknown command',
      'rendr',
      /unknown command rendr \(did you mean "render"\?\)\nSee 'kubectl segmentation --help'/,
    ],
    [
      'a flag before the command',
      '-n shop render',
      /write the command first: kubectl segmentation COMMAND -n/,
    ],
    [
      'an unknown flag',
      'render --filenam x',
      /unknown flag --filenam \(did you mean "filename"\?\)\nSee 'kubectl segmentation render --help'/,
    ],
    ['an unknown short flag', 'render -x', /unknown flag -x/],
    ['a flag without its value', 'render -f', /--filename needs a value: PATH/],
    [
      'a value for a flag that takes none',
      'render --cluster=yes',
      /--cluster takes no value, but was given "yes"/,
    ],
    [
      'an unknown format',
      'render -o jsn',
      /--output jsn: not one of yaml, json, table, wide, name \(did you mean "json"\?\)/,
    ],
    ['a flag twice', 'render -n a -n b', /--namespace is given twice/],
    ['one namespace and all', `render -f ${SHOP} -n a -A`, /-n and -A contradict each other/],
    ['too many arguments', 'status shop', /status takes no argument: shop is too much/],
    [
      '--cluster without manifests',
      'render --cluster',
      /--cluster lays manifests over the cluster: name them with -f or -k/,
    ],
    [
      'a context together with manifests',
      `render -f ${SHOP} --context dev`,
      /no cluster is read: add --cluster, or leave --context out/,
    ],
    ['a kubeconfig that does not exist', 'status --kubeconfig none', /--kubeconfig none: no such file/],
    [
      'a profile that does not exist',
      `render -f ${SHOP} shp`,
      /no SegmentationProfile "shp" in the manifests \(did you mean "shop"\?\)/,
    ],
    [
      'a namespace that does not exist',
      `render -f ${SHOP} -n shop-payment`,
      /no namespace "shop-payment" in the manifests \(did you mean "shop-payments"\?\)/,
    ],
    [
      'a configuration file that does not exist',
      `render -f ${SHOP} --config none.yaml`,
      /configuration file none\.yaml cannot be read: there is no such file/,
    ],
  ];
  for (const [what, line, answer] of REFUSED) {
    it(`refuses ${what} with exit code 2, and says what to write instead`, async () => {
      const { code, stdout, stderr } = await cli(line);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
      assert.match(stderr, answer);
    });
  }

  it('takes the value of -o in every form that kubectl does', async () => {
    const expected = await cli(`render -f ${SHOP} -o name`);
    assert.equal(expected.code, 0);
    for (const output of ['-oname', '-o=name', '--output name', '--output=name']) {
      assert.deepEqual(await cli(`render -f ${SHOP} ${output}`), expected, output);
    }
  });

  it('colours a terminal, but no pipe, and obeys NO_COLOR and --colour', async () => {
    const coloured = (text: string) => text.includes('\u001b[3');
    assert.ok(coloured((await cli(`status -f ${SHOP}`, { terminal: true })).stdout));
    assert.ok(!coloured((await cli(`status -f ${SHOP}`)).stdout));
    assert.ok(!coloured((await cli(`status -f ${SHOP}`, { terminal: true, env: { NO_COLOR: '1' } })).stdout));
    assert.ok(coloured((await cli(`status -f ${SHOP} --colour always`)).stdout));
    assert.ok(!coloured((await cli(`status -f ${SHOP} --colour never`, { terminal: true })).stdout));
  });

  it('exits with 3 on a fault of its own, and says how to report it', async () => {
    const { code, stdout, stderr } = await cli('render -f x', { fault: new TypeError('boom') });
    assert.deepEqual({ code, stdout }, { code: 3, stdout: '' });
    assert.match(stderr, /^error: unexpected: TypeError: boom\n +at /);
    assert.match(
      stderr,
      /This is a fault of kubectl-segmentation \d.*Please report it as an issue of the project/,
    );
  });
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
