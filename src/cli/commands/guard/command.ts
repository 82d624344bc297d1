/** `guard`: what the guards of profiles pass, and the policies of others that they take something from. */
import { formatPorts } from '../../../analysis/model/ports.ts';
import { TooManyLinksError } from '../../../analysis/reach.ts';
import type { GuardPass, PortRange } from '../../../policy/guard/guard.ts';
import { cutsOf, type GuardCut } from '../../../snapshot/guard-cuts.ts';
import { guardsOf, type SnapshotGuard } from '../../../snapshot/guards.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import { counted } from '../../../util/list-text.ts';
import { groupText } from '../../reach/model.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { peersText } from '../../shell/text.ts';
import { profilesNamed } from '../../snapshot/select.ts';

/** Flows between workloads that a table lists at most. */
const MAX_SHOWN = 20;

export const guard: Command = {
  name: 'guard',
  summary: 'what the guards of profiles pass, and the policies of others that they restrict',
  usage: '[PROFILE ...]',
  words: [0, Number.POSITIVE_INFINITY],
  description: [
    'A guard denies what no profile allows in the selected namespaces, whatever NetworkPolicies of others allow. Shows\n' +
      'what the guard of each profile passes, and the NetworkPolicies of others from which it takes something: under\n' +
      '`guard.mode: Enforce` it does, and otherwise it would. Below are the flows between workloads that this cuts. Read\n' +
      'this before you switch a guard on.',
    'Exits with 0 if no policy of others is restricted, with 1 if some are, or if a guard would deny nothing.',
  ],
  examples: [
    { what: 'what the guards of all profiles would restrict', line: 'guard' },
    { what: 'with all that the guard of a profile passes', line: 'guard shop -o wide' },
    { what: 'the guard of a profile on disk, in the cluster', line: 'guard -f shop.yaml --cluster' },
  ],
  flags: [],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: false },
  completes: 'profiles',
  async run({ words, format, terminal, load }) {
    const snapshot = await load();
    const profiles = profilesNamed(snapshot, words);
    const guards = guardsOf(snapshot).filter(({ profile }) => profiles.includes(profile));
    if (format === 'json' || format === 'yaml') {
      const cuts = cutsIn(guards, snapshot, terminal);
      const document = { guards: guards.map((each) => valueOf(each, cuts?.get(each))) };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { restricted } of guards)
        for (const { namespace, name } of restricted)
          terminal.print(`networkpolicy.networking.k8s.io/${name} -n ${namespace}`);
    } else {
      const cuts = cutsIn(guards, snapshot, terminal);
      for (const [index, each] of guards.entries()) {
        if (index > 0) terminal.print('');
        show(each, { wide: format === 'wide', terminal });
        showCuts(each, cuts?.get(each) ?? [], { wide: format === 'wide', terminal });
      }
    }
    const isClear = guards.every(
      ({ restricted, directions }) => restricted.length === 0 && directions.size > 0,
    );
    return isClear ? EXIT.yes : EXIT.no;
  },
};

function show(
  { profile, mode, guard: { directions }, made, restricted, directions: denied }: SnapshotGuard,
  { wide, terminal }: { readonly wide: boolean; readonly terminal: Terminal },
): void {
  const { paint } = terminal;
  terminal.print(`${paint.bold(`Guard of profile ${profile.metadata.name}`)} (mode ${mode})`);
  if (made.kind === 'too-large') terminal.warn(made.message);
  else
    for (const { direction, rules } of made.open)
      terminal.warn(
        `${direction} is not guarded: ${rules.join(', ')} allow everyone on every port, or on one by its name`,
      );
  for (const { unresolved } of directions)
    for (const { rule, peer, message } of unresolved)
      terminal.warn(
        `rule ${rule}: ${peer} is not resolved, and nothing is denied in its direction: ${message}`,
      );
  if (wide) {
    const rows = directions.flatMap(({ direction, passes }) =>
      passes.map((pass) => [direction, peerText(pass), portsText(pass.ports), pass.rules.join(', ')]),
    );
    terminal.print(table(['DIRECTION', 'PASSES', 'PORTS', 'FOR'], rows).map((line) => `  ${line}`));
  }
  if (restricted.length === 0) {
    if (denied.size > 0) terminal.print('  restricts no policy of others');
    return;
  }
  const verb = mode === 'Enforce' ? 'restricts' : 'would restrict';
  terminal.print(`  ${verb} ${counted(restricted.length, 'policy', 'policies')} of others:`);
  const rows = restricted.map(({ namespace, name, message }) => [namespace, name, message]);
  terminal.print(table(['NAMESPACE', 'NAME', 'WHAT IT ALLOWS BEYOND'], rows).map((line) => `  ${line}`));
}

/** The flows that each guard denies; undefined, after a warning, if they are too many to compare. */
function cutsIn(
  guards: readonly SnapshotGuard[],
  snapshot: Snapshot,
  terminal: Terminal,
): ReturnType<typeof cutsOf> | undefined {
  terminal.progress('working out who may talk to whom');
  try {
    return cutsOf(guards, snapshot);
  } catch (error) {
    if (!(error instanceof TooManyLinksError)) throw error;
    terminal.warn('the flows that guards cut are not listed: so many workloads may talk to each other');
    return undefined;
  } finally {
    terminal.progress('');
  }
}

function showCuts(
  { mode }: SnapshotGuard,
  cuts: readonly GuardCut[],
  { wide, terminal }: { readonly wide: boolean; readonly terminal: Terminal },
): void {
  if (cuts.length === 0) return;
  const verb = mode === 'Enforce' ? 'cuts' : 'would cut';
  terminal.print(`  ${verb} ${counted(cuts.length, 'flow')} between workloads that NetworkPolicies allow:`);
  const shown = wide ? cuts : cuts.slice(0, MAX_SHOWN);
  const rows = shown.map(({ from, to, ports }) => [groupText(from), groupText(to), formatPorts(ports)]);
  terminal.print(...table(['FROM', 'TO', 'PORTS'], rows).map((line) => `  ${line}`));
  const more = cuts.length - shown.length;
  if (more > 0) terminal.print(`  and ${more} more, which -o wide lists`);
}

function peerText({ peer }: GuardPass): string {
  if (peer.kind === 'everyone') return 'everyone';
  if (peer.kind === 'pods') return peersText([peer]);
  const { cidr, except } = peer;
  return peersText([{ ipBlock: { cidr, ...(except.length > 0 && { except }) } }]);
}

function portsText(ports: readonly PortRange[] | undefined): string {
  if (ports === undefined) return 'all';
  return ports
    .map(({ protocol, from, to }) => `${protocol} ${from === to ? from : `${from}-${to}`}`)
    .join(', ');
}

function valueOf(
  { profile, mode, guard: { subject, directions }, made, restricted }: SnapshotGuard,
  cuts: readonly GuardCut[] | undefined,
): object {
  return {
    profile: profile.metadata.name,
    mode,
    subject,
    ...(made.kind === 'too-large' && { problem: made.message }),
    directions: directions.map(({ direction, passes, unresolved }) => ({
      direction,
      isOpen: made.kind === 'compiled' && made.open.some((each) => each.direction === direction),
      passes,
      unresolved,
    })),
    restricted,
    ...(cuts && { cuts }),
  };
}
