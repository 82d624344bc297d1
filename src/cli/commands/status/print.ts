/** Prints the status of a cluster, or of manifests, for a person. */
import { counted } from '../../../util/list-text.ts';
import { type Cell, table } from '../../shell/output.ts';
import type { Palette, Terminal } from '../../shell/terminal.ts';
import type { NamespaceStatus, State } from './namespaces.ts';
import type { ProfileStatus, Verdict } from './profiles.ts';
import { type OpenExceptions, openExceptionsText, rolloutText } from './temporary.ts';

export interface StatusReport {
  /** Where the snapshot was read from. */
  readonly origin: string;
  readonly enforcement: Verdict | undefined;
  readonly engine: Verdict | undefined;
  readonly mesh: Verdict | undefined;
  readonly exceptions: OpenExceptions | undefined;
  readonly profiles: readonly ProfileStatus[];
  readonly rows: readonly NamespaceStatus[];
}

export function printReport(report: StatusReport, wide: boolean, terminal: Terminal): void {
  const { profiles, rows } = report;
  const { paint } = terminal;
  terminal.print(summary(report, paint), '');
  if (profiles.length > 0) terminal.print(profileTable(profiles, wide, paint), '');
  terminal.print(namespaceTable(rows, wide, paint));
  const attention = attentionLines(report, paint);
  if (attention.length > 0) terminal.print('', paint.bold('Needs a look'), attention);
}

function summary(
  { origin, enforcement, engine, mesh, exceptions, profiles, rows }: StatusReport,
  paint: Palette,
): string[] {
  const counts = rows.filter(({ state }) => state !== 'Protected');
  const total = (key: 'pods' | 'ingressIsolated' | 'egressIsolated') =>
    counts.reduce((sum, row) => sum + row[key], 0);
  const pods = total('pods');
  return [
    `${paint.bold('Pods isolated')} in ${counted(counts.length, 'namespace')} of ${origin} (system namespaces aside)`,
    `  ingress  ${bar(total('ingressIsolated'), pods, paint)}`,
    `  egress   ${bar(total('egressIsolated'), pods, paint)}`,
    ...(enforcement ? [`  packets  ${enforcementText(enforcement, paint)}`] : []),
    ...(engine ? [`  engine   ${engineText(engine, paint)}`] : []),
    ...(mesh ? [`  mesh     ${engineText(mesh, paint)}`] : []),
    ...(exceptions ? [`  opened   ${openExceptionsText(exceptions)}`] : []),
    ...profiles.flatMap(({ name, rollout }) =>
      rollout === undefined ? [] : [`  rollout  of profile ${name}, ${rolloutText(rollout)}`],
    ),
  ];
}

function attentionLines({ profiles, rows }: StatusReport, paint: Palette): string[] {
  const line = (colour: (text: string) => string, subject: string, text: string) =>
    `  ${colour('•')} ${subject}: ${text}`;
  const { red, yellow } = paint;
  return [
    ...profiles
      .filter(({ ready, message }) => ready !== 'True' && message !== '')
      .map(({ name, message }) => line(red, `profile ${name}`, message)),
    ...profiles.flatMap(({ name, unusedConnections }) =>
      unusedConnections.map((connection) =>
        line(yellow, `profile ${name}`, `no end of connection ${connection} lies in a selected namespace`),
      ),
    ),
    ...profiles.flatMap(({ name, imagesVerified: verdict }) =>
      verdict === undefined || verdict.status === 'True'
        ? []
        : [line(yellow, `profile ${name}`, verdict.message)],
    ),
    ...rows.flatMap(({ name, findings }) => findings.map((finding) => line(yellow, name, finding))),
  ];
}

/** Text about enforcement as packets have shown it. The rest of the output is about policies as they are written. */
function enforcementText({ status, reason, message }: Verdict, paint: Palette): string {
  if (status === 'True') return paint.green(message);
  if (status === 'False') return paint.red(`not enforced: ${message}`);
  return paint.dim(`enforcement not verified (${reason})`);
}

/** Text about the network engine or the service mesh, for the profiles that depend on it. */
function engineText({ status, reason, message }: Verdict, paint: Palette): string {
  if (status === 'True') return message;
  return (status === 'False' ? paint.red : paint.yellow)(`${reason}: ${message}`);
}

/** Width of the bar, in characters. */
const BAR = 20;

function bar(part: number, whole: number, paint: Palette): string {
  if (whole === 0) return 'no pods';
  // A full bar means all pods, an empty one none: anything between is rounded to neither.
  const cells =
    part === whole ? BAR : Math.min(BAR - 1, Math.max(part > 0 ? 1 : 0, Math.round((part / whole) * BAR)));
  const colour = part === whole ? paint.green : part === 0 ? paint.red : paint.yellow;
  return `${colour('█'.repeat(cells))}${paint.dim('░'.repeat(BAR - cells))}  ${part} of ${whole} pods`;
}

function profileTable(profiles: readonly ProfileStatus[], wide: boolean, paint: Palette): string[] {
  return table(
    ['PROFILE', 'MODE', 'NAMESPACES', 'POLICIES', 'READY', 'REASON', ...(wide ? ['MESSAGE'] : [])],
    profiles.map(({ name, mode, namespaces, policies, ready, reason, message }) => [
      name,
      mode,
      namespaces,
      String(policies),
      { text: ready, paint: ready === 'True' ? paint.green : ready === '-' ? paint.dim : paint.red },
      reason,
      ...(wide ? [message] : []),
    ]),
  );
}

/** The profile, with its revision in the namespace if that is not the latest. */
function profileCell(name: string, { revisions = {} }: NamespaceStatus): string {
  const revision = revisions[name];
  if (revision === undefined) return name;
  return `${name} (${revision === null ? 'no revision yet' : `revision ${revision}`})`;
}

function namespaceTable(rows: readonly NamespaceStatus[], wide: boolean, paint: Palette): string[] {
  const colours: Readonly<Record<State, (text: string) => string>> = {
    Enforced: paint.green,
    Pending: paint.yellow,
    Audit: paint.cyan,
    Terminating: paint.dim,
    Foreign: paint.cyan,
    Open: paint.red,
    Protected: paint.dim,
  };
  const share = (part: number, { pods, state }: NamespaceStatus): Cell => {
    if (pods === 0) return { text: '-', paint: paint.dim };
    const colour =
      state === 'Protected' ? paint.dim : part === pods ? paint.green : part === 0 ? paint.red : paint.yellow;
    return { text: `${part}/${pods}`, paint: colour };
  };
  return table(
    ['NAMESPACE', 'STATE', 'PROFILES', 'INGRESS', 'EGRESS', ...(wide ? ['POLICIES', 'HOST-NETWORK'] : [])],
    rows.map((row) => [
      row.name,
      { text: row.state, paint: colours[row.state] },
      row.profiles.map((name) => profileCell(name, row)).join(',') || '-',
      share(row.ingressIsolated, row),
      share(row.egressIsolated, row),
      ...(wide ? [String(row.policies), String(row.hostNetworkPods)] : []),
    ]),
  );
}
