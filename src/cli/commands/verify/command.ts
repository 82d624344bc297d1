/** `verify`: says if packets show that the network plugin enforces policies, after a new round of every probe. */
import type { PolicyType } from '../../../api/network-policy.ts';
import type { Report } from '../../../canary/model/report.ts';
import {
  flowText,
  nodesOf,
  type Verification,
  verify as verified,
} from '../../../canary/model/verification.ts';
import { loadKubeConfig } from '../../../kube/config/load.ts';
import { isForbidden } from '../../../kube/errors.ts';
import { createTransport } from '../../../kube/http/transport.ts';
import { counted, listText } from '../../../util/list-text.ts';
import { errorMessage } from '../../../util/error-message.ts';
import { version } from '../../../util/version.ts';
import type { Call, Command } from '../../shell/command.ts';
import { CliError, EXIT, UsageError } from '../../shell/failure.ts';
import { type Cell, table, toJson, toYaml } from '../../shell/output.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { CLUSTER_FLAGS } from '../../snapshot/load.ts';
import { type FreshReports, freshReports, type Progress } from './reports.ts';

const TIMEOUT_SECONDS = 60;

export const verify: Command = {
  name: 'verify',
  summary: 'does the network plugin enforce policies? Packets of the canary say it',
  usage: '',
  words: [0, 0],
  description: [
    'Asks every probe of the canary for a round, in which it tries all its flows anew, and shows for each node what\n' +
      'packets have shown: a few seconds, or longer if a flow differs, which later rounds have to confirm. Needs\n' +
      'config/canary and the permissions of its Roles segmentation-canary-verifier. Without that to patch the ConfigMap\n' +
      'by which it asks, it waits for rounds that begin by themselves, up to half a minute.',
    'Exit code 0: enforced on the nodes that are shown. 1: a flow passes that must not, or does not pass that must.\n' +
      '2: there is no proof.',
  ],
  examples: [
    { what: 'the current cluster', line: 'verify' },
    {
      what: 'a gate in a pipeline, after an upgrade of the network plugin',
      line: 'verify --timeout 120 && echo enforced',
    },
  ],
  flags: [
    {
      name: 'timeout',
      value: 'SECONDS',
      help: `how long to wait for the probes [${TIMEOUT_SECONDS}]`,
    },
    ...CLUSTER_FLAGS.filter(({ name }) => name === 'kubeconfig' || name === 'context'),
  ],
  formats: ['table', 'json', 'yaml'],
  takes: { cluster: false, namespaces: false },
  async run(call) {
    const { terminal, format, flags } = call;
    const seconds = flags.get('timeout') ?? String(TIMEOUT_SECONDS);
    if (!/^\d{1,5}$/.test(seconds)) throw new UsageError(`--timeout ${seconds}: not a number of seconds`);
    const { reports, silent } = await read(call, Number(seconds) * 1000);
    if (reports.length === 0)
      throw new CliError('no probe of the canary has reported: install config/canary, and see its Pods');
    const result = verified(reports, { isNew: false, silence: `within ${seconds} s` });
    if (result === 'pending') throw new CliError('no probe of the canary has reported yet; try again');
    const known = reports.flatMap(({ report }) => report ?? []);
    if (format === 'json' || format === 'yaml') {
      const document = { ...result, nodes: nodeRows(known), reports: known };
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else {
      show(result, known, terminal);
    }
    if (silent.length > 0)
      terminal.warn(
        `${counted(silent.length, 'probe')} of ${reports.length} did not answer within ${seconds} s: ${listText(silent)}`,
      );
    const unconfirmed = known.reduce((sum, { counts }) => sum + counts.settling, 0);
    if (unconfirmed > 0)
      terminal.warn(
        `not as the policies say, but too briefly to count: ${counted(unconfirmed, 'flow')}; run verify again`,
      );
    return result.status === 'True' ? EXIT.yes : result.status === 'False' ? EXIT.no : EXIT.failure;
  },
};

async function read({ flags, process, terminal }: Call, timeoutMs: number): Promise<FreshReports> {
  const { env } = process;
  const options = { kubeconfig: flags.get('kubeconfig'), context: flags.get('context'), env };
  try {
    const transport = createTransport(await loadKubeConfig(options), {
      userAgent: `kubectl-segmentation/${version}`,
      env,
    });
    try {
      return await freshReports(transport, {
        timeoutMs,
        onRefused: (reason) =>
          terminal.note(`the probes were not asked for a round, and their next one is awaited: ${reason}`),
        onProgress: (progress) => terminal.progress(progressText(progress)),
      });
    } finally {
      terminal.progress('');
      await transport.close();
    }
  } catch (error) {
    if (isForbidden(error))
      throw new CliError(
        'you may not list Leases in the namespaces of the canary; ask for a RoleBinding of segmentation-canary-verifier in each',
      );
    throw new CliError(errorMessage(error));
  }
}

function progressText({ probes, answered, unconfirmed }: Progress): string {
  const text = `${answered} of ${counted(probes, 'probe')} answered`;
  if (answered < probes || unconfirmed === 0) return text;
  return `${text}; not as the policies say: ${counted(unconfirmed, 'flow')}, waiting for a round to confirm it`;
}

interface NodeRow {
  readonly node: string;
  /** The families by which packets have shown the direction to be enforced, such as `IPv4`. */
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
}

function nodeRows(reports: readonly Report[]): NodeRow[] {
  const shown = (node: string, direction: PolicyType) => {
    const families = reports.flatMap(({ proofs }) =>
      proofs
        .filter((proof) => proof.node === node && proof.direction === direction)
        .flatMap((proof) => proof.families),
    );
    return [...new Set(families)].sort((a, b) => a - b).map((family) => `IPv${family}`);
  };
  return nodesOf(reports).map((node) => ({
    node,
    ingress: shown(node, 'Ingress'),
    egress: shown(node, 'Egress'),
  }));
}

function show(
  { status, reason, message }: Verification,
  reports: readonly Report[],
  terminal: Terminal,
): void {
  const { paint } = terminal;
  const cell = (families: readonly string[]): Cell =>
    families.length === 0
      ? { text: 'not shown', paint: paint.red }
      : { text: families.join(','), paint: paint.green };
  const rows = nodeRows(reports).map(({ node, ingress, egress }) => [node, cell(ingress), cell(egress)]);
  if (rows.length > 0) terminal.print(table(['NODE', 'INGRESS', 'EGRESS'], rows), '');
  const latencies = reports.flatMap(({ latency }) => latency ?? []);
  for (const [what, key] of [
    ['allowed', 'allowMs'],
    ['denied', 'denyMs'],
  ] as const) {
    const worst = Math.max(...latencies.flatMap((latency) => latency[key] ?? []));
    if (Number.isFinite(worst)) terminal.print(`A changed policy ${what} packets after ${worst} ms.`);
  }
  const colour = status === 'True' ? paint.green : status === 'False' ? paint.red : paint.yellow;
  terminal.print(`${colour(reason)}: ${message}`);
  const findings = reports.flatMap((report) => report.findings);
  const different = findings.filter(({ verdict }) => verdict !== 'unproven');
  for (const finding of different) {
    const text = finding.verdict === 'leaked' ? 'passes and must not' : 'does not pass and must';
    terminal.print(`  ${paint.red('•')} ${flowText(finding)} ${text}, since ${finding.since}`);
  }
}
