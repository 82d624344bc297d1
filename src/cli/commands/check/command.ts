/** `check`: policy tests, which compare expected verdicts with those of manifests or of a cluster. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { type Expectation, readExpectations } from './expectations.ts';
import { type CheckResult, judge, type UnknownTreatment } from './judge.ts';
import { junit, sarif } from './reports.ts';
import type { Command } from '../../shell/command.ts';
import { CliError, EXIT } from '../../shell/failure.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import { Questions } from '../explain/questions.ts';
import { layersFor } from '../../snapshot/layers.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import type { Process, Terminal } from '../../shell/terminal.ts';
import { addressCaveat } from '../explain/caveats.ts';
import { AS_ENFORCED } from '../explain/command.ts';
import { counted } from '../../../util/list-text.ts';

export const check: Command = {
  name: 'check',
  summary: 'test who reaches whom against a file of expectations, for CI',
  usage: 'FILE ...',
  words: [1, Number.POSITIVE_INFINITY],
  description: [
    'Holds expected verdicts to the cluster, or to manifests (-f, -k). A file is YAML:',
    '  checks:\n' +
      '    - name: orders are paid             # what a report calls it\n' +
      '      from: shop-checkout/checkout      # an end, or a list of them, as explain takes them\n' +
      '      to: shop-payments/svc/payments\n' +
      '      port: 8443                        # or a list; without it, every port that TO serves\n' +
      '      expect: allow                     # or deny: not one of the flows may pass, on any port without port',
    'A verdict is unknown if it depends on a policy of a network engine or a mesh that can not be evaluated, such as one\n' +
      'that names hosts. The check then neither passes nor fails, unless --unknown says so.',
    'Exits with 0 if all pass, with 1 if some fail, with 2 if one can not be judged: an end of it does not exist or is left\n' +
      'empty, or a verdict is unknown.\n' +
      'FILE - is standard input.',
  ],
  examples: [
    { what: 'the cluster', line: 'check flows.yaml' },
    {
      what: 'manifests, in CI, with a report',
      line: 'check flows.yaml -k overlays/production -o junit > report.xml',
    },
    { what: 'for code scanning', line: 'check flows.yaml -f deploy/ -o sarif > segmentation.sarif' },
    { what: 'before a profile under Audit is enforced', line: 'check flows.yaml --as-enforced' },
  ],
  flags: [
    AS_ENFORCED,
    ONLY_NETWORK_POLICIES,
    {
      name: 'unknown',
      value: 'OUTCOME',
      choices: ['error', 'fail', 'pass'],
      help: 'what becomes of a check with a flow whose verdict is unknown [error]',
    },
  ],
  formats: ['table', 'wide', 'json', 'yaml', 'name', 'junit', 'sarif'],
  takes: { cluster: true, namespaces: false },
  completes: 'files',
  async run({ words, flags, format, terminal, process, load }) {
    const expectations = (await Promise.all(words.map((file) => read(file, process)))).flat();
    const snapshot = await load({ forLayers: true });
    const policies = snapshot.effective(flags.has('as-enforced'));
    const questions = new Questions(snapshot, policies, layersFor(snapshot, flags));
    const treated = flags.get('unknown') as UnknownTreatment | undefined;
    const results = expectations.map((each) => judge(each, questions, treated));
    print(results, format, process.cwd, terminal);
    const caveat = addressCaveat(snapshot.pods, policies);
    if (caveat !== undefined) terminal.note(caveat);
    if (results.some(({ outcome }) => outcome === 'error')) return EXIT.failure;
    return results.every(({ outcome }) => outcome === 'passed') ? EXIT.yes : EXIT.no;
  },
};

async function read(file: string, process: Process): Promise<Expectation[]> {
  if (file === '-') return readExpectations(await text(process.stdin), 'standard input');
  try {
    return readExpectations(await readFile(resolve(process.cwd, file), 'utf8'), file);
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(
      `${file}: ${code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a directory; name the files' : String(error)}`,
    );
  }
}

function print(results: readonly CheckResult[], format: string, cwd: string, terminal: Terminal): void {
  switch (format) {
    case 'junit':
      return terminal.write(junit(results));
    case 'sarif':
      return terminal.write(sarif(results, cwd));
    case 'json':
    case 'yaml': {
      const document = results.map(({ expectation, ...rest }) => ({ ...expectation, ...rest }));
      return terminal.write(format === 'json' ? toJson({ checks: document }) : toYaml({ checks: document }));
    }
    case 'name':
      for (const { expectation, outcome } of results)
        if (outcome !== 'passed') terminal.print(expectation.name);
      return undefined;
    default:
      return show(results, format === 'wide', terminal);
  }
}

/** Messages of one check that are shown without `-o wide`. */
const MAX_MESSAGES = 5;

function show(results: readonly CheckResult[], wide: boolean, terminal: Terminal): void {
  const { paint } = terminal;
  const signs = { passed: paint.green('✓'), failed: paint.red('✗'), error: paint.yellow('!') };
  for (const { expectation, outcome, messages, flows } of results) {
    const where = wide
      ? paint.dim(`  ${expectation.file}:${expectation.line}, ${counted(flows, 'flow')}`)
      : '';
    terminal.print(`${signs[outcome]} ${expectation.name}${where}`);
    const shown = wide ? messages : messages.slice(0, MAX_MESSAGES);
    for (const message of shown) terminal.print(`    ${message}`);
    if (messages.length > shown.length)
      terminal.print(paint.dim(`    and ${messages.length - shown.length} more (-o wide)`));
  }
  const count = (outcome: CheckResult['outcome']) =>
    results.filter((each) => each.outcome === outcome).length;
  const parts = [
    paint.green(`${count('passed')} passed`),
    ...(count('failed') > 0 ? [paint.red(`${count('failed')} failed`)] : []),
    ...(count('error') > 0 ? [paint.yellow(`${count('error')} could not be judged`)] : []),
  ];
  terminal.print('', parts.join(', '));
}
