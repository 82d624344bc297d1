/** `status`: shows which namespaces are segmented, by which profiles, and where there are holes. */
import { coverage, type NamespaceCoverage } from '../../../analysis/coverage.ts';
import type { Condition } from '../../../api/meta.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { connectionText } from '../../../policy/connections/usage.ts';
import { fingerprint } from '../../../policy/semantics/normalize.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import type { WorkloadPod } from '../../../snapshot/pods.ts';
import { type Cell, table, toJson, toYaml } from '../../shell/output.ts';
import { latestRevision } from '../../snapshot/rollout-notes.ts';
import { namespacesNamed } from '../../snapshot/select.ts';
import type {
  AwaitedNamespace,
  ProfileIntent,
  Snapshot,
  SnapshotNamespace,
} from '../../../snapshot/snapshot.ts';
import type { Palette, Terminal } from '../../shell/terminal.ts';
import { unusedConnectionsOf, warnOfUnresolved } from '../render/command.ts';
import { counted, shortList } from '../../../util/list-text.ts';
import { compareText } from '../../../util/order.ts';
import {
  type OpenExceptions,
  openExceptions,
  openExceptionsText,
  rolloutText,
  type RolloutUnderWay,
  rolloutUnderWay,
} from './temporary.ts';

/**
 * How a namespace is segmented.
 * - `Enforced`: every policy of its profiles exists
 * - `Pending`: some of these policies are missing or differ
 * - `Audit`: its profiles compute policies and write none
 * - `Terminating`: it is being deleted, and no profile selects it any more
 * - `Foreign`: no profile selects it, but it has foreign policies
 * - `Open`: neither
 * - `Protected`: no profile ever selects it
 */
type State = 'Enforced' | 'Pending' | 'Audit' | 'Terminating' | 'Foreign' | 'Open' | 'Protected';

interface NamespaceStatus {
  readonly name: string;
  readonly state: State;
  readonly profiles: readonly string[];
  /** By profile, the revisions that are not the latest; null: none has reached the namespace. */
  readonly revisions?: Readonly<Record<string, number | null>>;
  readonly pods: number;
  readonly ingressIsolated: number;
  readonly egressIsolated: number;
  readonly hostNetworkPods: number;
  readonly policies: number;
  /** Holes and differences that a person should look at. */
  readonly findings: readonly string[];
}

interface ProfileStatus {
  readonly name: string;
  readonly mode: string;
  readonly namespaces: string;
  readonly policies: number;
  readonly ready: string;
  readonly reason: string;
  readonly message: string;
  /** Connections of which no end lies in a selected namespace, each with its ends. */
  readonly unusedConnections: readonly string[];
  /** The condition ImagesVerified; absent if the profile limits no images, or no operator reports. */
  readonly imagesVerified?: Verdict;
  /** Absent if no rollout is under way. */
  readonly rollout?: RolloutUnderWay;
}

type Verdict = Pick<Condition, 'status' | 'reason' | 'message'>;

export const status: Command = {
  name: 'status',
  summary: 'which namespaces are segmented, by what, and where there are holes',
  usage: '',
  words: [0, 0],
  description: [
    'Shows which namespaces are segmented and by which profile, how many of their pods are isolated in each\n' +
      'direction, and what needs a look: open pods, rules for everyone, policies that are not as they should be.',
    'States: Enforced (all policies stand), Pending (some do not), Audit (computed only), Terminating (being deleted),\n' +
      'Foreign (only policies of others), Open (no policy), Protected (never segmented: system namespaces).',
  ],
  examples: [
    { what: 'the whole cluster', line: 'status' },
    { what: 'one namespace, with every column', line: 'status -n shop-checkout -o wide' },
    { what: 'what manifests would lead to', line: 'status -k overlays/production' },
    {
      what: 'the open namespaces, for a script',
      line: `kubectl segmentation status -o json | jq -r '.namespaces[] | select(.state == "Open").name'`,
    },
  ],
  flags: [],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: true },
  async run({ format, terminal, namespace, load }) {
    const snapshot = await load();
    const namespaces = namespacesNamed(snapshot, namespace);
    const rows = namespaceRows(snapshot, namespaces);
    const profiles = snapshot.profiles.map((profile) => profileRow(profile, snapshot));
    const enforcement = commonCondition('EnforcementVerified', snapshot);
    const engine = commonCondition('EngineReady', snapshot);
    const mesh = commonCondition('MeshReady', snapshot);
    const exceptions = exceptionsIn(snapshot, namespaces);
    if (format === 'json' || format === 'yaml') {
      const document = {
        source: snapshot.origin,
        ...(enforcement && { enforcement }),
        ...(engine && { engine }),
        ...(mesh && { mesh }),
        ...(exceptions && { exceptions }),
        profiles,
        namespaces: rows,
      };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { name } of rows) terminal.print(`namespace/${name}`);
    } else {
      const { origin } = snapshot;
      show({ origin, enforcement, engine, mesh, exceptions, profiles, rows }, format === 'wide', terminal);
    }
    const shown = new Set(namespaces);
    warnOfUnresolved(
      snapshot.intents().filter((intent) => shown.has(intent.namespace)),
      terminal,
    );
    const unread = snapshot.unread.get('SegmentationProfile');
    if (unread !== undefined) terminal.warn(unread);
    return EXIT.yes;
  },
};

/** The exceptions that open flows in these namespaces of a cluster; undefined if there is none. */
function exceptionsIn(
  snapshot: Snapshot,
  namespaces: readonly SnapshotNamespace[],
): OpenExceptions | undefined {
  if (!snapshot.isObserved) return undefined;
  const names = new Set(namespaces.map(({ name }) => name));
  return openExceptions(
    snapshot.policies.filter(
      (policy) => names.has(policy.metadata.namespace ?? '') && snapshot.ownerOf(policy) !== undefined,
    ),
  );
}

function namespaceRows(snapshot: Snapshot, namespaces: readonly SnapshotNamespace[]): NamespaceStatus[] {
  const covered = coverage({ namespaces, pods: snapshot.pods, policies: snapshot.effective() });
  const intents = Map.groupBy(snapshot.intents(), ({ namespace }) => namespace.name);
  const awaited = Map.groupBy(snapshot.awaited(), ({ namespace }) => namespace.name);
  const policies = Map.groupBy(snapshot.effective(), ({ metadata }) => metadata.namespace ?? '');
  return namespaces.map(({ name, terminating }) => {
    const own = intents.get(name) ?? [];
    const waiting = awaited.get(name) ?? [];
    const cover = covered.get(name) ?? EMPTY;
    const diverging = own.flatMap((intent) => divergingPolicies(intent, snapshot));
    const count = (policies.get(name) ?? []).length;
    const isProtected = snapshot.protectedNamespaces.has(name);
    const state = stateOf({
      isProtected,
      isTerminating: terminating,
      intents: own,
      isAwaited: waiting.length > 0,
      diverging,
      policies: count,
    });
    const revisions = earlierRevisions(own, waiting);
    return {
      name,
      state,
      profiles: [...own, ...waiting].map(({ profile }) => profile.metadata.name).sort(compareText),
      ...(revisions && { revisions }),
      pods: cover.pods.length,
      ingressIsolated: cover.ingress.isolated.length,
      egressIsolated: cover.egress.isolated.length,
      hostNetworkPods: cover.host.length,
      policies: count,
      findings: state === 'Protected' ? [] : findingsOf(cover, diverging),
    };
  });
}

/** The revisions in a namespace that are not the latest of their profile; undefined if there is none. */
function earlierRevisions(
  intents: readonly ProfileIntent[],
  awaited: readonly AwaitedNamespace[],
): Readonly<Record<string, number | null>> | undefined {
  const entries = [
    ...intents
      .filter(({ profile, revision }) => (revision ?? latestRevision(profile)) !== latestRevision(profile))
      .map(({ profile, revision = null }) => [profile.metadata.name, revision] as const),
    ...awaited.map(({ profile }) => [profile.metadata.name, null] as const),
  ];
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

const EMPTY: NamespaceCoverage<WorkloadPod> = {
  pods: [],
  host: [],
  ingress: { isolated: [], open: [] },
  egress: { isolated: [], open: [] },
  unlimited: [],
};

/** Names of desired policies that are missing in the cluster, or that differ there. */
function divergingPolicies({ relation, policies, namespace }: ProfileIntent, snapshot: Snapshot): string[] {
  if (relation !== 'enforce' || !snapshot.isObserved) return [];
  const standing = new Map(
    snapshot.policies
      .filter(({ metadata }) => metadata.namespace === namespace.name)
      .map((policy) => [policy.metadata.name, fingerprint(policy)]),
  );
  return policies
    .filter((policy) => standing.get(policy.metadata.name) !== fingerprint(policy))
    .map(({ metadata }) => metadata.name);
}

interface StateInput {
  readonly isProtected: boolean;
  readonly isTerminating: boolean;
  readonly intents: readonly ProfileIntent[];
  /** True if a rollout has still to bring the first revision of a profile. */
  readonly isAwaited: boolean;
  readonly diverging: readonly string[];
  /** Number of policies in the namespace. */
  readonly policies: number;
}

function stateOf(input: StateInput): State {
  const { isProtected, isTerminating, intents, isAwaited, diverging, policies } = input;
  if (isProtected) return 'Protected';
  if (isTerminating) return 'Terminating';
  if (isAwaited) return 'Pending';
  if (intents.some(({ relation }) => relation === 'enforce'))
    return diverging.length > 0 ? 'Pending' : 'Enforced';
  if (intents.length > 0) return 'Audit';
  return policies > 0 ? 'Foreign' : 'Open';
}

function findingsOf(
  { pods, host, ingress, egress, unlimited }: NamespaceCoverage<WorkloadPod>,
  diverging: readonly string[],
): string[] {
  const findings: string[] = [];
  const openBoth = ingress.open.filter((pod) => egress.open.includes(pod));
  const addOpen = (open: readonly WorkloadPod[], what: string) => {
    if (open.length === 0) return;
    const some = `${counted(open.length, 'pod')} of ${pods.length} (${workloadNames(open)})`;
    const who =
      open.length < pods.length ? some : pods.length === 1 ? 'its only pod' : `all ${pods.length} pods`;
    findings.push(`${who} ${open.length === 1 ? 'is' : 'are'} ${what}`);
  };
  if (diverging.length > 0) {
    findings.push(
      `${counted(diverging.length, 'policy', 'policies')} missing or changed: ${shortList(diverging)}`,
    );
  }
  addOpen(openBoth, 'open both ways: anyone reaches in, anything is reached');
  addOpen(
    ingress.open.filter((pod) => !openBoth.includes(pod)),
    'open to everyone: ingress is not isolated',
  );
  addOpen(
    egress.open.filter((pod) => !openBoth.includes(pod)),
    'free to reach everything: egress is not isolated',
  );
  for (const [direction, rules] of Map.groupBy(unlimited, (each) => each.direction)) {
    const names = [...new Set(rules.map(({ policy }) => policy.metadata.name))].sort();
    const what = direction === 'Ingress' ? 'everyone in' : 'everything out';
    findings.push(`${shortList(names)} ${names.length === 1 ? 'allows' : 'allow'} ${what}, on every port`);
  }
  if (host.length > 0) {
    findings.push(
      `${counted(host.length, 'pod')} on the host network (${workloadNames(host)}), which no policy is about`,
    );
  }
  return findings;
}

/** The names of the pods' workloads. */
function workloadNames(pods: readonly WorkloadPod[]): string {
  return shortList([...new Set(pods.map(({ workload }) => workload.name))].sort());
}

function profileRow(profile: SegmentationProfile, snapshot: Snapshot): ProfileStatus {
  const { name, generation } = profile.metadata;
  const intents = snapshot.intents().filter((intent) => intent.profile === profile);
  const desired = intents.reduce((sum, { policies }) => sum + policies.length, 0);
  const unusedConnections = unusedConnectionsOf(profile, snapshot).map(connectionText);
  const condition = profile.status?.conditions?.find(({ type }) => type === 'Ready');
  if (!snapshot.isObserved || condition === undefined) {
    return {
      name,
      mode: profile.spec.mode,
      namespaces: String(intents.length),
      policies: desired,
      ready: snapshot.isObserved ? 'Unknown' : '-',
      reason: snapshot.isObserved ? 'NoStatus' : '-',
      message: snapshot.isObserved ? 'the operator has not reported yet: is it running?' : '',
      unusedConnections,
    };
  }
  const stale = profile.status?.observedGeneration !== generation;
  const rollout = rolloutUnderWay(profile);
  return {
    name,
    mode: profile.spec.mode,
    namespaces: profile.status?.namespaces?.summary ?? String(intents.length),
    policies: profile.status?.policies?.applied ?? 0,
    ready: stale ? 'Unknown' : condition.status,
    reason: stale ? 'Stale' : condition.reason,
    message: stale ? 'the operator has not seen the last change yet' : condition.message,
    unusedConnections,
    ...imagesVerified(profile),
    ...(rollout && { rollout }),
  };
}

function imagesVerified({
  status: { conditions = [] } = {},
}: SegmentationProfile): Pick<ProfileStatus, 'imagesVerified'> {
  const found = conditions.find(({ type }) => type === 'ImagesVerified');
  if (found === undefined) return {};
  return { imagesVerified: { status: found.status, reason: found.reason, message: found.message } };
}

/** A condition about the cluster, from the first profile that has it; undefined where no operator reports it. */
function commonCondition(wanted: string, snapshot: Snapshot): Verdict | undefined {
  if (!snapshot.isObserved) return undefined;
  for (const { status } of snapshot.profiles) {
    const found = status?.conditions?.find(({ type }) => type === wanted);
    if (found !== undefined) return { status: found.status, reason: found.reason, message: found.message };
  }
  return undefined;
}

interface StatusReport {
  /** Where the snapshot was read from. */
  readonly origin: string;
  readonly enforcement: Verdict | undefined;
  readonly engine: Verdict | undefined;
  readonly mesh: Verdict | undefined;
  readonly exceptions: OpenExceptions | undefined;
  readonly profiles: readonly ProfileStatus[];
  readonly rows: readonly NamespaceStatus[];
}

function show(
  { origin, enforcement, engine, mesh, exceptions, profiles, rows }: StatusReport,
  wide: boolean,
  terminal: Terminal,
): void {
  const { paint } = terminal;
  const counts = rows.filter(({ state }) => state !== 'Protected');
  const total = (key: 'pods' | 'ingressIsolated' | 'egressIsolated') =>
    counts.reduce((sum, row) => sum + row[key], 0);
  const pods = total('pods');
  terminal.print(
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
    '',
  );
  if (profiles.length > 0) terminal.print(...profileTable(profiles, wide, paint), '');
  terminal.print(...namespaceTable(rows, wide, paint));
  const attention = rows.flatMap(({ name, findings }) => findings.map((finding) => ({ name, finding })));
  const unready = profiles.filter(({ ready, message }) => ready !== 'True' && message !== '');
  const unused = profiles.flatMap(({ name, unusedConnections }) =>
    unusedConnections.map((connection) => ({ name, connection })),
  );
  const unverified = profiles.filter(
    (each) => each.imagesVerified !== undefined && each.imagesVerified.status !== 'True',
  );
  if (attention.length + unready.length + unused.length + unverified.length === 0) return;
  terminal.print('', paint.bold('Needs a look'));
  for (const { name, message } of unready) terminal.print(`  ${paint.red('•')} profile ${name}: ${message}`);
  for (const { name, connection } of unused) {
    const text = `no end of connection ${connection} lies in a selected namespace`;
    terminal.print(`  ${paint.yellow('•')} profile ${name}: ${text}`);
  }
  for (const { name, imagesVerified: verdict } of unverified)
    terminal.print(`  ${paint.yellow('•')} profile ${name}: ${verdict?.message ?? ''}`);
  for (const { name, finding } of attention) terminal.print(`  ${paint.yellow('•')} ${name}: ${finding}`);
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
