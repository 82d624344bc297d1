/** The output of `check` and `workloads` with `-o sarif`, checked by the SARIF multitool of the standard's editors. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cli, directoryOf } from '../cli/cli.ts';
import { npmTools } from '../env/tooling/npm-tool.ts';

const ROOT = join(import.meta.dirname, '../..');
const CHECKS = `
- {name: a "quoted" & <marked> name, from: shop-checkout/cart, to: shop-payments/payments, expect: allow}
- {from: shop-checkout/checkout, to: shop-payments/payments, port: 8443, expect: deny}
- {from: shop-checkout/chekout, to: shop-payments/payments, expect: allow}
`;

interface Finding {
  readonly ruleId: string;
  readonly level?: 'none' | 'note' | 'warning' | 'error';
}

describe('the validator of SARIF', function () {
  this.timeout('5m'); // the first run downloads it
  const directory = directoryOf({ 'checks.yaml': CHECKS, 'sub dir/ß.yaml': CHECKS });
  let validator: string;

  before(async () => {
    const tools = await npmTools('sarif', 'a validator of SARIF for tests');
    validator = tools.path(`@microsoft/sarif-multitool-${process.platform}/Sarif.Multitool`);
    chmodSync(validator, 0o755); // npm did not run the package's installation script
  });

  /** The errors. Warnings are left out: one, for instance, asks for a public page about the tool. */
  async function findings(sarif: string): Promise<string[]> {
    const [input, output] = [join(directory, 'in.sarif'), join(directory, 'out.sarif')];
    writeFileSync(input, sarif);
    const rules = ['--rule-kind', 'Sarif;Ghas', '--level', 'Error;Warning;Note', '--kind', 'Fail'];
    await promisify(execFile)(
      validator,
      ['validate', input, '--output', output, '--log', 'ForceOverwrite', ...rules],
      {
        env: {
          ...process.env,
          DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: '1',
          DOTNET_BUNDLE_EXTRACT_BASE_DIR: directory,
        },
      },
    ).catch(() => {}); // exits with 1 if it finds anything
    const { runs } = JSON.parse(readFileSync(output, 'utf8')) as { runs: { results: Finding[] }[] };
    return runs
      .flatMap(({ results }) => results)
      .map(({ ruleId, level = 'warning' }) => `${level} ${ruleId}`)
      .filter((each) => each.startsWith('error '));
  }

  const CHECKED = [
    ['a file in the working directory', 'checks.yaml', directory, 'checks.yaml'],
    [
      'one below it, by its whole path',
      join(directory, 'sub dir/ß.yaml'),
      directory,
      'sub%20dir/%C3%9F.yaml',
    ],
    ['one elsewhere', join(directory, 'checks.yaml'), ROOT, `file://${directory}/checks.yaml`],
    ['standard input', '-', directory, 'standard%20input'],
  ] as const;

  /** The output of `check` for each of CHECKED. */
  const checked = () =>
    Promise.all(
      CHECKED.map(async ([, file, cwd]) => {
        const argv = ['check', file, '-f', join(ROOT, 'config/samples/shop'), '-o', 'sarif'];
        return (await cli(argv, { cwd, stdin: CHECKS })).stdout;
      }),
    );

  /** The output of `workloads` for a pod on the host network. */
  async function limited(): Promise<string> {
    const manifests = `apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {segmentation.dev/restricted-tenant: a}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {hostNetwork: true, containers: [{name: c, image: 'a "quoted" & <marked> name'}]}
`;
    const profile = join(ROOT, 'config/samples/restricted-tenant.yaml');
    const argv = ['workloads', '-f', 'pod.yaml', '-f', profile, '-o', 'sarif'];
    return (await cli(argv, { cwd: directoryOf({ 'pod.yaml': manifests }) })).stdout;
  }

  it('accepts the outputs of check and of workloads, as the runs of one log', async () => {
    const workloads = await limited();
    assert.match(workloads, /"level": "error"/);
    const logs = [...(await checked()), workloads].map((text) => JSON.parse(text) as { runs: object[] });
    const merged = { ...logs[0], runs: logs.flatMap(({ runs }) => runs) };
    assert.equal(merged.runs.length, CHECKED.length + 1);
    assert.deepEqual(await findings(JSON.stringify(merged)), []);
  });

  it('would read the address of each file as check writes it', async () => {
    const found = (await checked()).map((text) => [...text.matchAll(/"uri": "(.*)"/g)].map(([, uri]) => uri));
    for (const [index, [what, , , uri]] of CHECKED.entries())
      assert.deepEqual(found[index], [uri, uri, uri], what);
  });

  it('refuses a line number below 1', async () => {
    const { stdout } = await cli(
      ['check', 'checks.yaml', '-f', join(ROOT, 'config/samples/shop'), '-o', 'sarif'],
      {
        cwd: directory,
      },
    );
    assert.ok((await findings(stdout.replace('"startLine": 2', '"startLine": -2'))).length > 0);
  });
});
