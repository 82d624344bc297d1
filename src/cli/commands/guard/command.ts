/** `guard`: what the guards of profiles pass, and the policies of others that they take something from. */
import type { GuardPass, PortRange } from '../../../policy/guard/guard.ts';
import { guardsOf, type SnapshotGuard } from '../../../snapshot/guards.ts';
import { counted } from '../../../util/list-text.ts';
import type { Command } from '../../shell/command.ts';
import { EXIT } from '../../shell/failure.ts';
import { table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { peersText } from '../../shell/text.ts';
import { profilesNamed } from '../../snapshot/select.ts';

export const guard: Command = {
  name: 'guard',
  summary: 'what the guards of profiles pass, and the policies of others that they restrict',
  usage: '[PROFILE ...]',
  words: [0, Number.POSITIVE_INFINITY],
  description: [
    'A guard denies what no profile allows in the selected namespaces, whatever NetworkPolicies of others allow. Shows\n' +
      'what the guard of each profile passes, and the NetworkPolicies of others from which it takes something: under\n' +
      '`guard.mode: Enforce` it does, and otherwise it would. Read this before you switch a guard on.',
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
      const document = { guards: guards.map(valueOf) };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const { restricted } of guards)
        for (const { namespace, name } of restricted)
          terminal.print(`networkpolicy.networking.k8s.io/${name} -n ${namespace}`);
    } else
      for (const [index, each] of guards.entries())
        show(each, { isFirst: index === 0, wide: format === 'wide', terminal });
    const isClear = guards.every(
      ({ restricted, directions }) => restricted.length === 0 && directions.size > 0,
    );
    return isClear ? EXIT.yes : EXIT.no;
  },
};

function show(
  { profile, mode, guard: { directions }, made, restricted, directions: denied }: SnapshotGuard,
  {
    isFirst,
    wide,
    terminal,
  }: { readonly isFirst: boolean; readonly wide: boolean; readonly terminal: Terminal },
): void {
  const { paint } = terminal;
  if (!isFirst) terminal.print('');
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

function valueOf({ profile, mode, guard: { subject, directions }, made, restricted }: SnapshotGuard): object {
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
  };
}
