/** `audit`: checks a cluster or manifests for misconfiguration, and reports findings to people and to CI. */
import { CATEGORIES, isAtLeast, SEVERITIES, type Severity } from '../../../audit/finding.ts';
import { CHECKS } from '../../../audit/registry.ts';
import { counted } from '../../../util/list-text.ts';
import { didYouMean } from '../../../util/text/suggest.ts';
import type { Call, Command } from '../../shell/command.ts';
import { EXIT, UsageError } from '../../shell/failure.ts';
import type { Flag, Flags } from '../../shell/flags.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { pageAudit } from '../../findings/encode.ts';
import { type AuditReport, auditReport } from '../../findings/run.ts';
import { sourceText, toHtml } from '../../reach/html.ts';
import { layerNames, pageReach } from '../../reach/snapshot-reach.ts';
import { refusePageOnTerminal, WRITE_FLAG, writeDocument } from '../../shell/output-file.ts';
import { layersOf } from '../../../snapshot/layers.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { readBaseline, readWaivers } from './files.ts';
import { jsonDocument, junit, type ReportInput, sarif } from './reports.ts';
import { show } from './text.ts';

/** Severity from which a finding makes the command exit with 1. */
const FAIL_ON: Severity = 'high';

const FLAGS: readonly Flag[] = [
  {
    name: 'fail-on',
    value: 'SEVERITY',
    choices: [...SEVERITIES, 'none'],
    help: `exit with 1 if there is a finding of this severity or a worse one [${FAIL_ON}]`,
  },
  { name: 'only', value: 'CHECK', repeated: true, help: 'run only this check, or this category' },
  { name: 'skip', value: 'CHECK', repeated: true, help: 'leave this check, or this category out' },
  {
    name: 'baseline',
    value: 'FILE',
    completes: 'files',
    help: 'report only what is new since this output of audit -o json',
  },
  {
    name: 'waivers',
    value: 'FILE',
    repeated: true,
    completes: 'files',
    help: 'findings that are accepted, until when',
  },
  { name: 'ignore-annotations', help: 'let no annotation waive a finding' },
  {
    name: 'registry',
    value: 'HOST[/PATH]',
    repeated: true,
    help: 'report images from elsewhere; docker.io/library for names such as nginx',
  },
  WRITE_FLAG,
  { name: 'list', help: 'list the checks, and read nothing' },
];

export const audit: Command = {
  name: 'audit',
  summary: 'what is wrong: open namespaces, wide policies, exposed and privileged pods',
  usage: '',
  words: [0, 0],
  description: [
    'Runs checks over the cluster, or over manifests (-f, -k): where policies do not hold, what is exposed, what pods\n' +
      'and service accounts may do. Each finding names the field, and what to write instead (-o wide).',
    'Exits with 0 if no finding is as severe as --fail-on, and with 1 otherwise. Namespaces of the system are left out,\n' +
      'unless -n names one.',
  ],
  examples: [
    { what: 'the whole cluster', line: 'audit' },
    { what: 'one namespace, with fields and remedies', line: 'audit -n shop-checkout -o wide' },
    {
      what: 'manifests, in CI, for code scanning',
      line: 'audit -k overlays/production -o sarif > audit.sarif',
    },
    {
      what: 'a page to filter and print, with the graph of who may talk to whom',
      line: 'audit -o html --write audit.html',
    },
    { what: 'only what is new since last week', line: 'audit --baseline last-week.json --fail-on medium' },
  ],
  flags: FLAGS,
  formats: ['table', 'wide', 'json', 'yaml', 'junit', 'sarif', 'html'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { flags, terminal, process } = call;
    const [only, skip] = [checksNamed(flags, 'only'), checksNamed(flags, 'skip')];
    if (flags.has('list')) return list(terminal);
    const files = await Promise.all(flags.all('waivers').map((file) => readWaivers(file, process)));
    const baseline = flags.get('baseline');
    const known = baseline === undefined ? new Set<string>() : await readBaseline(baseline, process);
    refuseOutput(call);
    const snapshot = await call.load({ forAudit: true });
    terminal.progress(`checking ${snapshot.origin}`);
    const report = auditReport(snapshot, {
      only,
      skip,
      namespace: call.namespace,
      registries: flags.all('registry'),
      waivers: files.flat(),
      ignoresAnnotations: flags.has('ignore-annotations'),
      baseline: known,
      now: new Date(),
    });
    noteSkipped(report, snapshot, terminal);
    print(call, snapshot, report);
    const failOn = failureSeverity(flags);
    return failOn !== undefined && report.findings.some(({ severity }) => isAtLeast(severity, failOn))
      ? EXIT.no
      : EXIT.yes;
  },
};

/** Refuses a page on a terminal, and a table in a file, before anything is read. @throws UsageError */
function refuseOutput({ format, flags, process }: Call): void {
  if (format === 'html') refusePageOnTerminal(flags, process, '-o wide');
  if (flags.has('write') && ['table', 'wide'].includes(format))
    throw new UsageError('--write is for a document: add -o html, json, yaml, junit or sarif');
}

/** Undefined if no finding is a failure. */
function failureSeverity(flags: Flags): Severity | undefined {
  const given = flags.get('fail-on') ?? FAIL_ON;
  return SEVERITIES.find((severity) => severity === given);
}

/** The values of a flag that names checks or categories. @throws UsageError */
function checksNamed(flags: Flags, flag: string): readonly string[] {
  const categories = CATEGORIES.map((category) => category.toLowerCase().replaceAll(' ', '-'));
  const names = [...CHECKS.map(({ id }) => id), ...categories];
  for (const name of flags.all(flag)) {
    if (names.includes(name.toLowerCase())) continue;
    throw new UsageError(
      `--${flag} ${name}: no such check${didYouMean(name, names) || '; audit --list lists them'}`,
    );
  }
  return flags.all(flag).map((name) => name.toLowerCase());
}

function list(terminal: Terminal): number {
  const rows = CHECKS.map(({ id, severity, category, title }) => [id, severity, category, title]);
  terminal.print(table(['CHECK', 'SEVERITY', 'CATEGORY', 'ASKS THAT'], rows));
  return EXIT.yes;
}

function noteSkipped({ skipped }: AuditReport, snapshot: Snapshot, terminal: Terminal): void {
  for (const [kind, list] of Map.groupBy(skipped, ({ unread, unknown }) => unread[0] ?? unknown ?? '')) {
    const ids = list.map(({ check }) => check.id);
    const unknown = list[0]?.unknown;
    if (unknown !== undefined) terminal.note(`${unknown}; not run: ${ids.join(', ')}`);
    else {
      const reason = snapshot.unread.get(kind) ?? `${kind} could not be read`;
      terminal.warn(`${reason}; not run: ${ids.join(', ')}`);
    }
  }
}

/** Prints the table, or writes the document of the format. */
function print(call: Call, snapshot: Snapshot, report: AuditReport): void {
  const { format, terminal } = call;
  const { findings, waived, known, checks } = report;
  const text = documentText(call, snapshot, report);
  if (text !== undefined) return writeDocument(text, counted(findings.length, 'finding'), call);
  show({ findings, waived: waived.length, known, checks }, format === 'wide', terminal);
}

/** The document of a format; undefined for a table. */
function documentText(call: Call, snapshot: Snapshot, report: AuditReport): string | undefined {
  const { format, flags, process } = call;
  const input: ReportInput = {
    checks: report.checks,
    findings: report.findings,
    failOn: failureSeverity(flags),
    placeOf: ({ object: { kind, namespace, name } }) => snapshot.objects.placeOf(kind, name, namespace),
    cwd: process.cwd,
  };
  switch (format) {
    case 'junit':
      return junit(input);
    case 'sarif':
      return sarif(input);
    case 'json':
      return toJson(jsonDocument(snapshot.origin, report));
    case 'yaml':
      return toYaml(jsonDocument(snapshot.origin, report));
    case 'html':
      return page(call, snapshot, report);
    default:
      return undefined;
  }
}

/** The page of `graph`, which begins with the findings. */
function page({ namespace, terminal }: Call, snapshot: Snapshot, report: AuditReport): string {
  const layers = layersOf(snapshot);
  const { reach, ...joined } = pageReach(snapshot, { namespace, layers }, terminal);
  return toHtml(reach, {
    ...joined,
    title: 'Audit',
    layers: layerNames(layers),
    source: sourceText(snapshot.origin, namespace),
    namespaces: snapshot.namespaces,
    view: 'findings',
    audit: pageAudit(report),
  });
}
