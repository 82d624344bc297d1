/** `audit`: checks a cluster or manifests for misconfiguration, and reports findings to people and to CI. */
import { audit as runAudit, type AuditResult } from '../../../audit/audit.ts';
import {
  CATEGORIES,
  type Finding,
  findingKey,
  isAtLeast,
  SEVERITIES,
  type Severity,
} from '../../../audit/finding.ts';
import { CHECKS } from '../../../audit/registry.ts';
import { applyWaivers, type WaivedFinding } from '../../../audit/waivers/apply.ts';
import { WAIVER_CHECKS } from '../../../audit/waivers/checks.ts';
import { annotatedWaivers } from '../../../audit/waivers/collect.ts';
import { didYouMean } from '../../../util/suggest.ts';
import type { Call, Command } from '../../shell/command.ts';
import { EXIT, UsageError } from '../../shell/failure.ts';
import type { Flag, Flags } from '../../shell/flags.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { namespacesNamed } from '../../snapshot/select.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { readBaseline, readWaivers } from './files.ts';
import { junit, type ReportInput, sarif } from './reports.ts';
import { auditSnapshot } from '../../../snapshot/audit-snapshot.ts';
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
    { what: 'only what is new since last week', line: 'audit --baseline last-week.json --fail-on medium' },
  ],
  flags: FLAGS,
  formats: ['table', 'wide', 'json', 'yaml', 'junit', 'sarif'],
  takes: { cluster: true, namespaces: true },
  async run(call) {
    const { flags, terminal, process } = call;
    const [only, skip] = [checksNamed(flags, 'only'), checksNamed(flags, 'skip')];
    if (flags.has('list')) return list(terminal);
    const files = await Promise.all(flags.all('waivers').map((file) => readWaivers(file, process)));
    const baseline = flags.get('baseline');
    const known = baseline === undefined ? new Set<string>() : await readBaseline(baseline, process);
    const snapshot = await call.load({ forAudit: true });
    const input = auditSnapshot(snapshot);
    const chosen = call.namespace === undefined ? undefined : namespacesNamed(snapshot, call.namespace);
    const result = runAudit(input, {
      ...(only.length > 0 && { only }),
      skip,
      ...(chosen && { namespaces: chosen.map(({ name }) => name) }),
      registries: flags.all('registry'),
    });
    const annotated = flags.has('ignore-annotations')
      ? { waivers: [], invalid: [] }
      : annotatedWaivers(input);
    const { findings, waived } = applyWaivers(result.findings, {
      waivers: [...files.flat(), ...annotated.waivers],
      invalid: annotated.invalid,
      today: new Date().toISOString().slice(0, 10),
      isComplete: only.length === 0 && skip.length === 0 && chosen === undefined,
    });
    const fresh = findings.filter((finding) => !known.has(findingKey(finding)));
    noteSkipped(result, snapshot, terminal);
    print({ call, snapshot, result, findings: fresh, waived, known: findings.length - fresh.length });
    const failOn = failureSeverity(flags);
    return failOn !== undefined && fresh.some(({ severity }) => isAtLeast(severity, failOn))
      ? EXIT.no
      : EXIT.yes;
  },
};

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
  terminal.print(...table(['CHECK', 'SEVERITY', 'CATEGORY', 'ASKS THAT'], rows));
  return EXIT.yes;
}

function noteSkipped({ skipped }: AuditResult, snapshot: Snapshot, terminal: Terminal): void {
  for (const [kind, list] of Map.groupBy(skipped, ({ unread, unknown }) => unread[0] ?? unknown ?? '')) {
    const ids = list.map(({ check }) => check.id);
    const reason = list[0]?.unknown ?? `${kind} could not be read`;
    terminal.warn(`${snapshot.unread.get(kind) ?? reason}; not run: ${ids.join(', ')}`);
  }
}

interface Printed {
  readonly call: Call;
  readonly snapshot: Snapshot;
  readonly result: AuditResult;
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  /** Number of findings that the baseline has. */
  readonly known: number;
}

function print({ call, snapshot, result, findings, waived, known }: Printed): void {
  const { format, terminal, process, flags } = call;
  const checks = [...result.checks, ...WAIVER_CHECKS];
  const report: ReportInput = {
    checks,
    findings,
    failOn: failureSeverity(flags),
    placeOf: ({ object: { kind, namespace, name } }) => snapshot.objects.placeOf(kind, name, namespace),
    cwd: process.cwd,
  };
  switch (format) {
    case 'junit':
      return terminal.write(junit(report));
    case 'sarif':
      return terminal.write(sarif(report));
    case 'json':
    case 'yaml': {
      const document = {
        source: snapshot.origin,
        summary: Object.fromEntries(
          SEVERITIES.toReversed().map((severity) => [
            severity,
            findings.filter((finding) => finding.severity === severity).length,
          ]),
        ),
        findings,
        waived: waived.map(({ finding, waiver: { reason, by, until } }) => ({
          ...finding,
          waiver: { reason, by, until },
        })),
        skipped: result.skipped.map(({ check, unread, unknown }) => ({
          check: check.id,
          unread,
          ...(unknown && { unknown }),
        })),
      };
      return terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    }
    default:
      return show({ findings, waived: waived.length, known, checks }, format === 'wide', terminal);
  }
}
