/** `workloads`: which objects of manifests the API server would refuse, warn of or record by `spec.workloads` of profiles. */
import type { SegmentationProfile } from '../../../api/profile.ts';
import { counted } from '../../../util/list-text.ts';
import type { Command } from '../../shell/command.ts';
import { CliError, EXIT } from '../../shell/failure.ts';
import { type Cell, table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { AS_ENFORCED } from '../explain/command.ts';
import { type Effect, judgeObjects, type Judgement } from './judge.ts';
import { junit, objectName, type PlacedJudgement, sarif } from './reports.ts';

export const workloads: Command = {
  name: 'workloads',
  summary: 'which pods and workloads of manifests spec.workloads of profiles would refuse, for CI',
  usage: '',
  words: [0, 0],
  description: [
    'Judges the objects of manifests (-f, -k) as the API server does, by the same expressions and in the same words: by the\n' +
      'limits of spec.workloads of the profiles that select their namespaces, and by the Pod Security levels. A workload is\n' +
      'refused if its pods would be. Profiles are those of the manifests, and with --cluster those of the cluster too.',
    'Exits with 0 if nothing is refused, and with 1 otherwise.',
  ],
  examples: [
    { what: 'manifests with their profile, in CI', line: 'workloads -k overlays/production -f profile.yaml' },
    { what: 'manifests against the profiles of the cluster', line: 'workloads -f deploy/ --cluster' },
    { what: 'for code scanning', line: 'workloads -f deploy/ --cluster -o sarif > workloads.sarif' },
    { what: 'before a profile under Audit is enforced', line: 'workloads -f deploy/ --as-enforced' },
  ],
  flags: [AS_ENFORCED],
  formats: ['table', 'wide', 'json', 'yaml', 'name', 'junit', 'sarif'],
  takes: { cluster: true, namespaces: false },
  async run({ flags, format, terminal, process, load }) {
    if (!flags.has('filename') && !flags.has('kustomize'))
      throw new CliError(
        'name the manifests to judge with -f or -k; add --cluster for the profiles of a cluster',
      );
    const snapshot = await load({ forAudit: true });
    const profiles = flags.has('as-enforced') ? snapshot.profiles.map(enforced) : snapshot.profiles;
    const { judgements, judged } = judgeObjects(snapshot, profiles);
    const placed = judgements.map((each): PlacedJudgement => {
      const { kind, namespace, name } = each.object;
      const place = snapshot.objects.placeOf(kind, name, namespace);
      return { ...each, ...(place && { place: { file: place.file, line: place.line } }) };
    });
    const text = documentText(format, { judgements: placed, judged, cwd: process.cwd });
    if (text !== undefined) terminal.write(text);
    else if (format === 'name') {
      for (const name of new Set(judgements.map(({ object }) => objectName(object)))) terminal.print(name);
    } else show(judgements, judged.length, format === 'wide', terminal);
    return judgements.some(({ effect }) => effect === 'refused') ? EXIT.no : EXIT.yes;
  },
};

/** The document of a format; undefined for a table or names. */
function documentText(format: string, input: Parameters<typeof sarif>[0]): string | undefined {
  const { judgements } = input;
  switch (format) {
    case 'json':
      return toJson({ judgements });
    case 'yaml':
      return toYaml({ judgements });
    case 'junit':
      return junit(input);
    case 'sarif':
      return sarif(input);
    default:
      return undefined;
  }
}

function enforced(profile: SegmentationProfile): SegmentationProfile {
  return { ...profile, spec: { ...profile.spec, mode: 'Enforce' } };
}

function show(judgements: readonly Judgement[], judged: number, isWide: boolean, terminal: Terminal): void {
  const { paint } = terminal;
  const paints = { refused: paint.red, warned: paint.yellow, audited: paint.dim };
  const rows = judgements.map(({ object, effect, constraint, message }): Cell[] => [
    objectName(object),
    { text: effect, paint: paints[effect] },
    ...(isWide ? [constraint] : []),
    message,
  ]);
  if (rows.length > 0)
    terminal.print(table(['OBJECT', 'EFFECT', ...(isWide ? ['BY'] : []), 'WHY'], rows), '');
  const objectsWith = (effect: Effect) =>
    new Set(judgements.filter((each) => each.effect === effect).map(({ object }) => objectName(object))).size;
  terminal.print(
    `${counted(judged, 'object')} judged: ${objectsWith('refused')} refused, ${objectsWith('warned')} warned of, ` +
      `${objectsWith('audited')} recorded in the audit log`,
  );
}
