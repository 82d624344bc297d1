/** The command lines of the canary's processes. Their common flags are those of the operator, with the same meaning. */
import { type Options, OptionsError } from '../options/options.ts';
import { parseOptions } from '../options/parse.ts';
import { SETTINGS } from '../options/settings.ts';
import { ipFamily } from '../policy/semantics/cidr.ts';
import { readCommandLine } from '../util/command-line.ts';
import type { AddressTarget } from './model/matrix.ts';

type CommonOptions = Pick<
  Options,
  | 'kubeconfig'
  | 'context'
  | 'metricsBindAddress'
  | 'metricsSecurity'
  | 'healthProbeBindAddress'
  | 'logLevel'
  | 'logFormat'
  | 'resyncPeriod'
>;

export interface CanaryOptions {
  readonly role: 'probe' | 'target';
  readonly common: CommonOptions;
  /** Targets outside of the cluster. */
  readonly addresses: readonly AddressTarget[];
}

/** The operator's settings that each role takes. */
const FLAGS = {
  target: ['logLevel', 'logFormat'],
  probe: [
    'kubeconfig',
    'context',
    'metricsBindAddress',
    'metricsSecure',
    'metricsCertPath',
    'metricsCertName',
    'metricsCertKey',
    'healthProbeBindAddress',
    'logLevel',
    'logFormat',
  ],
} as const;

const HELP = `Tries by packets if the network plugin enforces NetworkPolicies. See docs/enforcement.md.

segmentation-operator canary probe [--address IP ...] [FLAG ...]
    tries the flows of its Pod, answers other probes, and reports to its Lease
segmentation-operator canary target [FLAG ...]
    answers probes, outside of the cluster too; --address names it to the probes

Flags are the operator's: of a probe ${FLAGS.probe.map((name) => `--${SETTINGS[name].flag}`).join(', ')};
of a target ${FLAGS.target.map((name) => `--${SETTINGS[name].flag}`).join(', ')}.`;

/** @throws OptionsError */
export function readCanaryOptions(
  argv: readonly string[],
  version: string,
):
  | { readonly kind: 'options'; readonly options: CanaryOptions }
  | { readonly kind: 'text'; readonly text: string } {
  const [role, ...rest] = argv;
  if (role === undefined || rest.includes('--help') || role === '--help') return { kind: 'text', text: HELP };
  if (role !== 'probe' && role !== 'target')
    throw new OptionsError([`unknown role "${role}": write canary probe, or canary target`]);
  const common = FLAGS[role].map((name) => SETTINGS[name]);
  const known = [
    ...common.map(({ flag, value }) => ({ name: flag, takesValue: value !== undefined })),
    ...(role === 'probe' ? [{ name: 'address', takesValue: true }] : []),
  ];
  const { flags, errors } = readCommandLine(rest, { flags: known, takesWords: false });
  const problems = errors.map((error) => {
    if (error.kind === 'unknown-flag') return `unknown flag ${error.flag} of canary ${role}; see --help`;
    if (error.kind === 'missing-value') return `--${error.name}: a value is needed`;
    return `unexpected argument "${error.argument}"`;
  });
  const addresses = flags.filter(({ name }) => name === 'address').map(({ value = '' }) => value);
  for (const address of addresses)
    if (ipFamily(address) === undefined) problems.push(`--address: "${address}" is not an IP address`);
  if (problems.length > 0) throw new OptionsError(problems);
  const passed = flags
    .filter(({ name }) => name !== 'address')
    .map(({ name, value }) => (value === undefined ? `--${name}` : `--${name}=${value}`));
  const parsed = parseOptions({ argv: passed, env: {}, readFile: () => '', version });
  if (parsed.kind !== 'options') throw new OptionsError(['give flags of the canary only; see --help']);
  return {
    kind: 'options',
    options: { role, common: parsed.options, addresses: addresses.map((address) => ({ address })) },
  };
}
