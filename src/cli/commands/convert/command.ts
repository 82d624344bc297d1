/** `convert`: rewrites pairs of rules of a profile as connections, where that changes no flow. */
import { stat, readFile, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { decodeText } from '../../../manifests/documents.ts';
import { counted, shortList } from '../../../util/list-text.ts';
import { unifiedDiff } from '../../../util/text/unified-diff.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT, UsageError } from '../../shell/failure.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { convertProfile, type Step } from './conversion.ts';
import { editText } from './edit.ts';
import { Proof } from './proof.ts';

export const convert: Command = {
  name: 'convert',
  summary: 'rewrite pairs of rules as connections, where that changes no flow',
  usage: '',
  words: [0, 0],
  description: [
    'Rewrites the profiles of the files named with -f: an egress rule and an ingress rule that allow one flow become a\n' +
      'connection, and a rule for some pods is scoped to the namespaces that have them. It does so only where it can\n' +
      'prove that no flow opens or closes, between the pods that there are and between those that could be by the\n' +
      'selectors. Comments, and the order of what stays, are kept. It prints the difference; --write changes the files.',
    'Name the manifests of Namespaces, workloads and Services too, or add --cluster: what is not known of them counts as\n' +
      'possible.',
    'Exits with 0 if there is nothing to convert, or with --write; with 1 if there is; with 2 if it can not tell.',
  ],
  examples: [
    { what: 'a profile, with the manifests of its namespaces', line: 'convert -f shop.yaml -f namespaces/' },
    { what: 'a profile in the cluster that it is for', line: 'convert -f shop.yaml --cluster --write' },
  ],
  flags: [{ name: 'write', help: 'change the files instead of printing the difference' }],
  formats: [],
  takes: { cluster: true, namespaces: false },
  async run({ flags, process, terminal, load }) {
    const paths = flags.all('filename');
    if (paths.length === 0) throw new UsageError('name the file of the profile with -f');
    const snapshot = await load();
    const proof = new Proof(snapshot);
    const steps = new Map<string, readonly Step[]>();
    for (const profile of snapshot.profiles)
      steps.set(profile.metadata.name, convertProfile(profile, snapshot, proof).steps);
    let changes = 0;
    for (const path of paths) {
      const file = resolve(process.cwd, path);
      if (path === '-' || !(await stat(file)).isFile()) continue;
      const before = decodeText(await readFile(file));
      const after = editText(before, steps);
      const difference = unifiedDiff(path, before, after);
      if (difference === '') continue;
      changes += 1;
      if (flags.has('write')) await writeFile(file, after);
      else terminal.write(difference);
    }
    noteSteps(steps, terminal);
    return changes === 0 || flags.has('write') ? EXIT.yes : EXIT.no;
  },
};

function noteSteps(all: ReadonlyMap<string, readonly Step[]>, terminal: Terminal): void {
  for (const [profile, steps] of all) {
    const connections = steps.filter(({ kind }) => kind === 'connect').length;
    const scoped = steps.flatMap((step) => (step.kind === 'scope' ? [step.rule] : []));
    const parts = [
      ...(connections > 0
        ? [`${counted(2 * connections, 'rule')} became ${counted(connections, 'connection')}`]
        : []),
      ...(scoped.length > 0 ? [`scoped to namespaces: ${shortList(scoped)}`] : []),
    ];
    terminal.note(
      parts.length === 0
        ? `profile ${profile}: no rule can be rewritten without a change of flows`
        : `profile ${profile}: ${parts.join('; ')}; no flow opens or closes`,
    );
  }
}
