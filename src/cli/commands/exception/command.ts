/** `exception`: lists exceptions, approves one in the user's name, or asks for a later end of one. */
import type { SegmentationException } from '../../../api/exception.ts';
import { durationMs } from '../../../policy/exceptions/grant.ts';
import { rfc3339 } from '../../../util/rfc3339.ts';
import type { Call, Command } from '../../shell/command.ts';
import { CliError, EXIT, UsageError } from '../../shell/failure.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import { CLUSTER_FLAGS } from '../../snapshot/load.ts';
import { type ClusterExceptions, withExceptions } from './cluster.ts';
import { exceptionTable, flowLines } from './text.ts';

export const exception: Command = {
  name: 'exception',
  summary: 'lists exceptions, approves one, or asks for a later end',
  usage: 'list | approve NAME | extend NAME',
  words: [1, 2],
  description: [
    'list shows the exceptions of a namespace, or of all: which are in force, until when, by whom, and why.',
    'approve writes your approval of the present end of an exception, after it has printed what the exception opens. You\n' +
      'need the verb approve on segmentationexceptions, and have neither created nor extended it.',
    'extend asks for a later end in your name. Where the profile asks for an approval, the exception ends as it was to end,\n' +
      'unless somebody approves the later one.',
    'approve and extend take the namespace of -n, or else that of the context. They change an exception only as it was read.',
  ],
  examples: [
    { what: 'who has opened what, in the whole cluster', line: 'exception list' },
    { what: 'approve an exception', line: 'exception approve restore-orders -n shop-checkout' },
    {
      what: 'let it end two hours from now',
      line: 'exception extend restore-orders -n shop-checkout --for 2h',
    },
  ],
  flags: [
    { name: 'for', value: 'DURATION', help: 'extend: the time from now to the end, such as 2h or 90m' },
    { name: 'until', value: 'TIME', help: 'extend: the end, such as 2026-12-01T06:00:00Z' },
    ...CLUSTER_FLAGS.filter(({ name }) => name === 'kubeconfig' || name === 'context'),
  ],
  formats: ['table', 'json', 'yaml'],
  takes: { cluster: false, namespaces: true },
  run(call) {
    const [action = '', name] = call.words;
    if (action === 'list' && name === undefined) return withExceptions(call, (each) => list(call, each));
    if (name !== undefined && action === 'approve')
      return withExceptions(call, (each) => approve(call, each, name));
    if (name !== undefined && action === 'extend')
      return withExceptions(call, (each) => extend(call, each, name));
    throw new UsageError(`exception ${call.words.join(' ')}: write list, approve NAME or extend NAME`);
  },
};

async function list({ namespace, terminal, format }: Call, exceptions: ClusterExceptions): Promise<number> {
  const found = await exceptions.list(namespace);
  if (format === 'table') {
    if (found.length === 0)
      terminal.note(`no exceptions${namespace === undefined ? '' : ` in namespace ${namespace}`}`);
    else terminal.print(exceptionTable(found, terminal.paint));
    return EXIT.yes;
  }
  const document = { apiVersion: 'v1', kind: 'List', items: found };
  terminal.write(format === 'json' ? toJson(document) : toYaml(document));
  return EXIT.yes;
}

async function approve(call: Call, exceptions: ClusterExceptions, name: string): Promise<number> {
  const [read, by] = await Promise.all([exceptions.read(name, placeOf(call, exceptions)), exceptions.user()]);
  const { expires, requestedBy, extendedBy, reason } = read.spec;
  const asked = extendedBy === undefined ? requestedBy : `${requestedBy}, extended by ${extendedBy}`;
  const { terminal } = call;
  if (call.format === 'table')
    terminal.print(`${titleOf(read)}, asked for by ${asked}: ${reason}`, flowLines(read));
  const approved = await exceptions.patch(read, { approval: { by, until: expires } });
  show(call, approved, `approved by ${by} until ${expires}`);
  return EXIT.yes;
}

async function extend(call: Call, exceptions: ClusterExceptions, name: string): Promise<number> {
  const expires = endOf(call);
  const [read, extendedBy] = await Promise.all([
    exceptions.read(name, placeOf(call, exceptions)),
    exceptions.user(),
  ]);
  if (Date.parse(expires) <= Date.parse(read.spec.expires))
    throw new CliError(
      `${titleOf(read)} already lasts until ${read.spec.expires}, and ${expires} is not later`,
    );
  const extended = await exceptions.patch(read, { expires, extendedBy });
  show(call, extended, `asked by ${extendedBy} to last until ${expires}`);
  return EXIT.yes;
}

/** @throws UsageError */
function endOf({ flags }: Call): string {
  const [duration, until] = [flags.get('for'), flags.get('until')];
  if ((duration === undefined) === (until === undefined))
    throw new UsageError('extend needs either --for DURATION or --until TIME');
  if (duration !== undefined) {
    const ms = durationMs(duration);
    if (ms <= 0)
      throw new UsageError(`--for ${duration}: not a duration in hours and minutes, such as 2h or 1h30m`);
    return rfc3339(Date.now() + ms);
  }
  const end = Date.parse(until ?? '');
  if (Number.isNaN(end)) throw new UsageError(`--until ${until}: not a time such as 2026-12-01T06:00:00Z`);
  return rfc3339(end);
}

function placeOf({ namespace }: Call, exceptions: ClusterExceptions): string {
  return namespace ?? exceptions.namespace ?? 'default';
}

function titleOf({ metadata }: SegmentationException): string {
  return `exception ${metadata.namespace}/${metadata.name}`;
}

function show({ terminal, format }: Call, changed: SegmentationException, text: string): void {
  if (format === 'table') terminal.print(`${titleOf(changed)} ${text}`);
  else terminal.write(format === 'json' ? toJson(changed) : toYaml(changed));
}
