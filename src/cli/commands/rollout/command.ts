/** `rollout`: shows and steers the rollout of a profile, as `kubectl rollout` does for workloads. The only command that writes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ANNOTATION_PROMOTE, ANNOTATION_RETRY } from '../../../api/names.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { PROTECTED_NAMESPACES } from '../../../options/cluster-defaults.ts';
import { isStopped } from '../../../rollout/advance.ts';
import type { RolloutState } from '../../../rollout/assign.ts';
import { intentOf } from '../../../rollout/revision.ts';
import { replacing } from '../../../util/merge-patch.ts';
import type { Call, Command } from '../../shell/command.ts';
import { CliError, EXIT, UsageError } from '../../shell/failure.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import { CLUSTER_FLAGS } from '../../snapshot/load.ts';
import { RolloutCluster } from './cluster.ts';
import { changedFields, revisionBefore, wavesOf } from './view.ts';

/** Time between two looks of `status --wait`, in milliseconds. */
const POLL_MS = 1000;

type Action = (profile: SegmentationProfile, cluster: RolloutCluster, call: Call) => Promise<number>;

const ACTIONS: Readonly<Record<string, Action>> = { status, history, pause, resume, promote, undo };

export const rollout: Command = {
  name: 'rollout',
  summary: 'shows, pauses, promotes and undoes the rollout of a profile in waves',
  usage: `${Object.keys(ACTIONS).join('|')} PROFILE`,
  words: [2, 2],
  description: [
    'status shows which revision of the profile the namespaces of each wave have, and the flows that the latest one\n' +
      'closed; history shows the recorded revisions.\n' +
      'The others change the profile, with your permissions: pause and resume set spec.rollout.paused, promote ends the wait\n' +
      'for the wave that is under way, resume also begins a failed revision again, and undo writes an earlier revision into\n' +
      'the spec.',
    'status exits with 0 if every namespace has the latest revision, and with 1 otherwise.',
  ],
  examples: [
    { what: 'how far it is', line: 'rollout status shop' },
    { what: 'in a pipeline: until it is complete, or has failed', line: 'rollout status shop --wait' },
    { what: 'the next wave, now', line: 'rollout promote shop' },
    { what: 'back to the revision before', line: 'rollout undo shop' },
  ],
  flags: [
    { name: 'wait', help: 'status: wait until the rollout is complete, has failed or is paused' },
    { name: 'full', help: 'promote: wait for no wave of this revision' },
    { name: 'to-revision', value: 'NUMBER', help: 'undo: this revision of history [the one before]' },
    ...CLUSTER_FLAGS.filter(({ name }) => name !== 'config'),
  ],
  formats: ['table', 'json', 'yaml'],
  takes: { cluster: false, namespaces: false },
  run(call) {
    const [verb = '', name = ''] = call.words;
    const action = Object.hasOwn(ACTIONS, verb) ? ACTIONS[verb] : undefined;
    if (action === undefined)
      throw new UsageError(`rollout has no ${verb}: write one of ${Object.keys(ACTIONS).join(', ')}`);
    return RolloutCluster.with(call, async (cluster) => action(await cluster.profile(name), cluster, call));
  },
};

async function status(first: SegmentationProfile, cluster: RolloutCluster, call: Call): Promise<number> {
  const { flags, format, terminal } = call;
  let profile = first;
  while (flags.has('wait') && isUnderWay(profile)) {
    terminal.progress(`revision ${profile.status?.rollout?.revision ?? 0}: ${summaryOf(profile)}`);
    await sleep(POLL_MS);
    profile = await cluster.profile(profile.metadata.name);
  }
  const namespaces = await cluster.namespaces();
  const isProtected = new Set([...PROTECTED_NAMESPACES, cluster.operatorNamespace]);
  const waves = wavesOf(profile, await cluster.revisions(profile), namespaces, isProtected);
  const { rollout: state } = profile.status ?? {};
  const isComplete = state?.phase === 'Complete' && isCurrent(profile);
  if (format !== 'table') {
    const document = { profile: profile.metadata.name, complete: isComplete, rollout: state ?? null, waves };
    terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    return isComplete ? EXIT.yes : EXIT.no;
  }
  const condition = profile.status?.conditions?.find(({ type }) => type === 'RolloutReady');
  terminal.print(
    `profile ${profile.metadata.name}, revision ${state?.revision ?? 0}: ${summaryOf(profile)}`,
    condition === undefined ? [] : [condition.message],
  );
  const rows = waves.map(({ name, state: at, soak, namespaces: members, revisions }) => [
    name,
    at,
    soak || '-',
    String(members.length),
    Object.entries(revisions)
      .map(([revision, count]) => `${revision} (${count})`)
      .join(', ') || '-',
  ]);
  if (rows.length > 0) terminal.print('', table(['WAVE', 'STATE', 'SOAK', 'NAMESPACES', 'REVISIONS'], rows));
  if (state?.closed !== undefined)
    terminal.print('', table(['NAMESPACE', 'CLOSED'], closedRows(state.closed)));
  return isComplete ? EXIT.yes : EXIT.no;
}

/** A row for each flow that the latest revision closed, as far as the operator has seen. */
function closedRows(closed: NonNullable<RolloutState['closed']>): string[][] {
  return closed.flatMap(({ namespace, flows }) =>
    flows.map((flow, index) => [index === 0 ? namespace : '', flow]),
  );
}

async function history(profile: SegmentationProfile, cluster: RolloutCluster, call: Call): Promise<number> {
  const { format, terminal } = call;
  const revisions = [...(await cluster.revisions(profile)).values()];
  const inForce = new Set(profile.status?.rollout?.inForce.map(({ revision }) => revision));
  const entries = revisions.map(({ number, recorded, intent }, index) => ({
    revision: number,
    recorded,
    inForce: inForce.has(number),
    changed: index === 0 ? [] : changedFields(revisions[index - 1]?.intent, intent),
    ...(format !== 'table' && { intent }),
  }));
  if (format !== 'table') {
    terminal.write(format === 'json' ? toJson(entries) : toYaml(entries));
    return EXIT.yes;
  }
  const rows = entries.map((each) => [
    String(each.revision),
    each.recorded,
    each.inForce ? 'yes' : '-',
    each.changed.join(', ') || '-',
  ]);
  terminal.print(table(['REVISION', 'RECORDED', 'IN FORCE', 'CHANGED'], rows));
  return EXIT.yes;
}

async function pause(
  profile: SegmentationProfile,
  cluster: RolloutCluster,
  { terminal }: Call,
): Promise<number> {
  await cluster.change(profile, { spec: { rollout: { paused: true } } });
  terminal.print(`profile ${profile.metadata.name}: paused; no further namespace gets the revision`);
  return EXIT.yes;
}

async function resume(
  profile: SegmentationProfile,
  cluster: RolloutCluster,
  { terminal }: Call,
): Promise<number> {
  const { rollout: state } = profile.status ?? {};
  const isRetried = state !== undefined && isStopped(state);
  const metadata = isRetried && { metadata: { annotations: { [ANNOTATION_RETRY]: String(state.revision) } } };
  await cluster.change(profile, { spec: { rollout: { paused: false } }, ...metadata });
  const what = isRetried ? `revision ${state.revision} begins again, as a new one` : 'resumed';
  terminal.print(`profile ${profile.metadata.name}: ${what}`);
  return EXIT.yes;
}

async function promote(
  profile: SegmentationProfile,
  cluster: RolloutCluster,
  { flags, terminal }: Call,
): Promise<number> {
  const { name } = profile.metadata;
  const { rollout: state } = profile.status ?? {};
  if (profile.spec.rollout?.paused === true)
    throw new CliError(`the rollout of profile ${name} is paused: resume it first`);
  if (state === undefined || !(isUnderWay(profile) || state.phase === 'Failed') || state.wave === undefined)
    throw new CliError(`no wave of profile ${name} is under way: ${summaryOf(profile)}`);
  const wave = flags.has('full') ? '*' : state.wave;
  const annotations = { [ANNOTATION_PROMOTE]: `${state.revision}/${wave}` };
  await cluster.change(profile, { metadata: { annotations } });
  const what = wave === '*' ? 'every namespace gets it' : `the rollout does not wait for wave ${wave}`;
  terminal.print(`profile ${name}: revision ${state.revision}: ${what}`);
  return EXIT.yes;
}

async function undo(
  profile: SegmentationProfile,
  cluster: RolloutCluster,
  { flags, terminal }: Call,
): Promise<number> {
  const { name } = profile.metadata;
  const revisions = await cluster.revisions(profile);
  const asked = flags.get('to-revision');
  const revision = asked === undefined ? revisionBefore(profile, revisions) : revisions.get(Number(asked));
  if (revision === undefined) {
    const known = [...revisions.keys()].join(', ') || 'none';
    throw new CliError(
      asked === undefined
        ? `profile ${name} has no earlier revision; to take its policies away, write mode: Audit or delete it`
        : `profile ${name} has no revision ${asked}; recorded: ${known}`,
    );
  }
  await cluster.change(profile, { spec: replacing(intentOf(profile.spec), revision.intent) });
  terminal.print(`profile ${name}: the spec is that of revision ${revision.number} again`);
  return EXIT.yes;
}

/** True if the status is about the profile as it is. */
function isCurrent({ metadata, status }: SegmentationProfile): boolean {
  return status?.observedGeneration === metadata.generation;
}

function isUnderWay(profile: SegmentationProfile): boolean {
  const { phase } = profile.status?.rollout ?? {};
  if (!isCurrent(profile) || phase === undefined) return true;
  return phase === 'Recording' || phase === 'Applying' || phase === 'Soaking';
}

function summaryOf({ status }: SegmentationProfile): string {
  return status?.rollout?.summary ?? 'not recorded yet';
}
