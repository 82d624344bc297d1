import assert from 'node:assert/strict';
import { type Options, OptionsError } from '../../src/options/options.ts';
import { parseOptions } from '../../src/options/parse.ts';

const HEADER = 'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\n';

interface Given {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The text of the file `c.yaml`, after its first two lines. */
  readonly file?: string;
  readonly whole?: string;
}

function parse({ argv = [], env = {}, file, whole }: Given = {}) {
  const text = whole ?? (file === undefined ? undefined : HEADER + file);
  return parseOptions({
    argv: text === undefined ? argv : [...argv, '--config', 'c.yaml'],
    env,
    version: '1.2.3',
    readFile: (path) => {
      if (path === 'c.yaml' && text !== undefined) return text;
      throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    },
  });
}

function options(given?: Given): Options {
  const parsed = parse(given);
  assert.equal(parsed.kind, 'options');
  return parsed.kind === 'options' ? parsed.options : assert.fail();
}

function problems(given: Given): readonly string[] {
  try {
    parse(given);
  } catch (error) {
    assert.ok(error instanceof OptionsError);
    assert.equal(error.message, error.problems.join('\n'));
    return error.problems;
  }
  return [];
}

describe('parseOptions', () => {
  it('returns the defaults without flags, environment and file', () => {
    const { cluster, ...rest } = options();
    assert.deepEqual(rest, {
      kubeconfig: undefined,
      context: undefined,
      kubeApiContentType: 'application/vnd.kubernetes.protobuf',
      audit: undefined,
      prometheus: undefined,
      metricsBindAddress: ':8080',
      metricsSecurity: { enabled: true, certPath: undefined, certName: 'tls.crt', certKey: 'tls.key' },
      healthProbeBindAddress: ':8081',
      canary: false,
      engine: 'None',
      mesh: 'None',
      guard: undefined,
      concurrency: 32,
      resyncPeriod: 36_000_000,
      logLevel: 'info',
      logFormat: 'json',
      leaderElection: {
        enabled: false,
        namespace: undefined,
        leaseDuration: 15_000,
        renewDeadline: 10_000,
        retryPeriod: 2000,
      },
      protectedNamespaces: ['kube-system', 'kube-public', 'kube-node-lease'],
      configurationFile: undefined,
    });
    assert.equal(cluster.clusterDNS.service, 'kube-dns');
    assert.deepEqual(cluster.podCIDRs, []);
  });

  it('selects default ingress controllers and monitoring by namespace, never by labels alone', () => {
    const { ingressControllers, monitoring } = options().cluster;
    for (const { namespaceSelector, podSelector } of [...ingressControllers, ...monitoring]) {
      const [requirement] = namespaceSelector?.matchExpressions ?? [];
      assert.equal(requirement?.key, 'kubernetes.io/metadata.name');
      assert.equal(requirement?.operator, 'In');
      assert.ok(podSelector?.matchLabels ?? podSelector?.matchExpressions);
    }
  });

  it('prefers flags to the environment, the environment to the file, the file to defaults', () => {
    const file = 'concurrency: 3\nlog: {level: error, format: text}\nmetrics: {bindAddress: ":1"}\n';
    const env = { SEGMENTATION_LOG_LEVEL: 'warn', SEGMENTATION_CONCURRENCY: '4' };
    const { concurrency, logLevel, logFormat, metricsBindAddress, healthProbeBindAddress } = options({
      argv: ['--concurrency=5'],
      env,
      file,
    });
    assert.deepEqual(
      { concurrency, logLevel, logFormat, metricsBindAddress, healthProbeBindAddress },
      {
        concurrency: 5,
        logLevel: 'warn',
        logFormat: 'text',
        metricsBindAddress: ':1',
        healthProbeBindAddress: ':8081',
      },
    );
  });

  for (const [address, secure] of [
    [':8080', true],
    ['0.0.0.0:8080', true],
    ['10.0.0.1:8080', true],
    ['[::]:8080', true],
    ['metrics.example.com:8080', true],
    ['127.0.0.1:8080', false],
    ['127.1.2.3:0', false],
    ['[::1]:8080', false],
    ['localhost:8080', false],
  ] as const) {
    it(`${secure ? 'guards' : 'does not guard'} metrics on ${address} by default`, () => {
      const argv = [`--metrics-bind-address=${address}`];
      assert.equal(options({ argv }).metricsSecurity.enabled, secure);
      const told = options({ argv: [...argv, `--metrics-secure=${!secure}`] });
      assert.equal(told.metricsSecurity.enabled, !secure);
      assert.equal(options({ argv, file: `metrics: {secure: ${!secure}}` }).metricsSecurity.enabled, !secure);
    });
  }

  it('lets a flag override the file in both directions', () => {
    assert.equal(
      options({ argv: ['--leader-elect=false'], file: 'leaderElection: {enabled: true}' }).leaderElection
        .enabled,
      false,
    );
    assert.equal(options({ argv: ['--leader-elect'] }).leaderElection.enabled, true);
    assert.equal(options({ env: { SEGMENTATION_LEADER_ELECT: 'true' } }).leaderElection.enabled, true);
  });

  for (const [name, argv] of [
    ['with a space', ['--log-level', 'debug']],
    ['with =', ['--log-level=debug']],
    ['with one dash, as in Go', ['-log-level', 'debug']],
    ['twice, the last one counting', ['--log-level=info', '--log-level=debug']],
  ] as const) {
    it(`reads a flag ${name}`, () => assert.equal(options({ argv }).logLevel, 'debug'));
  }

  it('reads the file that the environment names, and ignores an empty variable', () => {
    const parsed = parseOptions({
      argv: [],
      env: { SEGMENTATION_CONFIG: 'x.yaml', SEGMENTATION_LOG_LEVEL: '' },
      readFile: (path) => (path === 'x.yaml' ? `${HEADER}concurrency: 7` : assert.fail()),
      version: '1',
    });
    assert.ok(
      parsed.kind === 'options' && parsed.options.concurrency === 7 && parsed.options.logLevel === 'info',
    );
  });

  it('reads every key of a file', () => {
    const { leaderElection, resyncPeriod, protectedNamespaces, cluster } = options({
      file: `
resyncPeriod: 1h30m
leaderElection: {enabled: true, namespace: ops, leaseDuration: 1m, renewDeadline: 40s, retryPeriod: 1500ms}
protectedNamespaces: [kube-system, vault]
clusterDNS: {service: coredns, nodeLocalAddresses: [169.254.20.10, "FD00::0A"]}
ingressControllers:
- namespaceSelector: {matchLabels: {team: edge}}
- namespaceSelector: {}
  podSelector: {matchExpressions: [{key: example.com/edge, operator: Exists}]}
engineIngress: true
monitoring: []
nodeCIDRs: [10.0.0.9/8]
podCIDRs: ["fd00:0::/48"]
webhookSourceCIDRs: [192.168.0.0/24]
maxNodeAddresses: 10
`,
    });
    assert.deepEqual(leaderElection, {
      enabled: true,
      namespace: 'ops',
      leaseDuration: 60_000,
      renewDeadline: 40_000,
      retryPeriod: 1500,
    });
    assert.equal(resyncPeriod, 5_400_000);
    assert.deepEqual(protectedNamespaces, ['kube-system', 'vault']);
    assert.deepEqual(cluster, {
      clusterDNS: {
        namespace: 'kube-system',
        service: 'coredns',
        podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
        nodeLocalAddresses: ['169.254.20.10', 'fd00::a'],
      },
      ingressControllers: [
        { namespaceSelector: { matchLabels: { team: 'edge' } } },
        {
          namespaceSelector: {},
          podSelector: { matchExpressions: [{ key: 'example.com/edge', operator: 'Exists' }] },
        },
      ],
      engineIngress: true,
      monitoring: [],
      nodeCIDRs: ['10.0.0.0/8'],
      podCIDRs: ['fd00::/48'],
      webhookSourceCIDRs: ['192.168.0.0/24'],
      maxNodeAddresses: 10,
    });
  });

  it('reads a key without a value as absent', () => {
    assert.equal(
      options({ file: 'concurrency:\nclusterDNS:\n  service:\n' }).cluster.clusterDNS.service,
      'kube-dns',
    );
  });

  it('ignores the variables that Kubernetes sets for a Service named segmentation-operator', () => {
    const base = 'SEGMENTATION_OPERATOR';
    const env = Object.fromEntries(
      [
        'SERVICE_HOST',
        'SERVICE_PORT',
        'SERVICE_PORT_METRICS',
        'PORT',
        'PORT_8080_TCP',
        'PORT_8080_TCP_PROTO',
      ].map((name) => [`${base}_${name}`, 'tcp://10.0.0.1:8080']),
    );
    assert.deepEqual(problems({ env }), []);
  });
});

describe('parseOptions with an error', () => {
  for (const [name, given, expected] of [
    [
      'an unknown flag',
      { argv: ['--log-levl', 'debug'] },
      ['unknown flag --log-levl (did you mean "--log-level"?)'],
    ],
    ['an unknown flag like no other', { argv: ['--frobnicate=1'] }, ['unknown flag --frobnicate']],
    ['an unknown short flag', { argv: ['-x'] }, ['unknown flag -x']],
    ['a stray argument', { argv: ['start'] }, ['unexpected argument "start"']],
    ['a flag without its value', { argv: ['--kubeconfig'] }, ['--kubeconfig: a value is needed']],
    [
      'a flag with another flag in place of its value',
      { argv: ['--kubeconfig', '--context', 'a'] },
      ['--kubeconfig: a value is needed'],
    ],
    [
      'an unknown level',
      { argv: ['--log-level=loud'] },
      ['--log-level: "loud" is not one of debug, info, warn, error'],
    ],
    [
      'an invalid number',
      { env: { SEGMENTATION_CONCURRENCY: 'many' } },
      ['SEGMENTATION_CONCURRENCY: "many" is not a whole number from 1 to 256'],
    ],
    [
      'a number out of range',
      { argv: ['--concurrency=0'] },
      ['--concurrency: 0 is not a whole number from 1 to 256'],
    ],
    [
      'an invalid boolean',
      { argv: ['--leader-elect=maybe'] },
      ['--leader-elect: "maybe" is not true or false'],
    ],
    [
      'an invalid address',
      { argv: ['--metrics-bind-address=8080'] },
      [
        '--metrics-bind-address: "8080" is not an address to listen on, as ":8080", "127.0.0.1:8080", "[::1]:8080", or "0" for off',
      ],
    ],
    [
      'a certificate for an endpoint without TLS',
      { argv: ['--metrics-secure=false', '--metrics-cert-path=/certs'] },
      ['--metrics-cert-path (/certs) has no use without --metrics-secure: add that, or leave it out'],
    ],
    [
      'the same port twice',
      { argv: ['--metrics-bind-address=:9000', '--health-probe-bind-address=127.0.0.1:9000'] },
      [
        '--metrics-bind-address and --health-probe-bind-address both ask for port 9000; give them different ports',
      ],
    ],
    [
      'an unknown variable',
      { env: { SEGMENTATION_LOGLEVEL: 'x' } },
      ['unknown environment variable SEGMENTATION_LOGLEVEL (did you mean "SEGMENTATION_LOG_LEVEL"?)'],
    ],
    [
      'a missing file',
      { argv: ['--config=d.yaml'] },
      ['the configuration file d.yaml cannot be read: there is no such file'],
    ],
    [
      'an unknown key',
      { file: 'concurency: 3' },
      ['c.yaml: concurency: unknown key (did you mean "concurrency"?)'],
    ],
    [
      'an unknown inner key',
      { file: 'clusterDNS: {podselector: {}}' },
      ['c.yaml: clusterDNS.podselector: unknown key (did you mean "podSelector"?)'],
    ],
    [
      'a key of Object.prototype',
      { file: 'constructor: 1\n__proto__: 2' },
      ['c.yaml: constructor: unknown key', 'c.yaml: __proto__: unknown key'],
    ],
    [
      'a file of another kind',
      { whole: 'apiVersion: v1\nkind: Pod' },
      [
        'c.yaml: apiVersion: "v1" is not one of config.segmentation.dev/v1alpha1',
        'c.yaml: kind: "Pod" is not one of OperatorConfiguration',
      ],
    ],
    [
      'an empty file',
      { whole: '' },
      [
        'c.yaml: must begin with "apiVersion: config.segmentation.dev/v1alpha1" and "kind: OperatorConfiguration"',
      ],
    ],
    ['two documents', { file: '---\na: 1' }, ['c.yaml: has 2 YAML documents; only one is read']],
    [
      'a duration without a unit',
      { file: 'resyncPeriod: 30' },
      ['c.yaml: resyncPeriod: 30 is not a duration from 1m to 168h, such as "15s" or "1m30s"'],
    ],
    [
      'a duration out of range',
      { file: 'resyncPeriod: 5s' },
      ['c.yaml: resyncPeriod: "5s" is not a duration from 1m to 168h, such as "15s" or "1m30s"'],
    ],
    [
      'an audit too often, of an unknown severity',
      { file: 'audit: {interval: 1m, minSeverity: severe}' },
      [
        'c.yaml: audit.interval: "1m" is not a duration from 5m to 168h, such as "15s" or "1m30s"',
        'c.yaml: audit.minSeverity: "severe" is not one of info, low, medium, high, critical',
      ],
    ],
    [
      'a Prometheus without a URL',
      { file: 'prometheus: {caFile: /ca.crt}' },
      ['c.yaml: prometheus: url is required, such as "https://prometheus.monitoring:9090"'],
    ],
    [
      'a Prometheus whose URL has a query',
      { file: 'prometheus: {url: "http://prometheus:9090?x=1"}' },
      [
        'c.yaml: prometheus.url: "http://prometheus:9090?x=1" is not the URL of a server, such as "https://prometheus.monitoring:9090"',
      ],
    ],
    [
      'a token and authorities for a Prometheus without TLS',
      { file: 'prometheus: {url: "http://prometheus:9090", caFile: /ca.crt, tokenFile: /token}' },
      [
        'prometheus.tokenFile: the token would be readable on its way to an http server: write an https URL',
        'prometheus.caFile has no use for an http server: write an https URL, or leave it out',
      ],
    ],
    [
      'an invalid namespace',
      { file: 'protectedNamespaces: [Kube_System]' },
      [
        'c.yaml: protectedNamespaces[0]: "Kube_System" is not the name of a namespace (lower-case letters, digits and "-", at most 63)',
      ],
    ],
    [
      'a value in place of a list',
      { file: 'nodeCIDRs: 10.0.0.0/8' },
      ['c.yaml: nodeCIDRs: "10.0.0.0/8" is not a list'],
    ],
    [
      'an invalid CIDR',
      { file: 'podCIDRs: [10.0.0.0/33]' },
      ['c.yaml: podCIDRs[0]: "10.0.0.0/33" is not a CIDR such as "10.0.0.0/8" or "fd00::/8"'],
    ],
    [
      'a number for a label',
      { file: 'clusterDNS: {podSelector: {matchLabels: {a: 1}}}' },
      [
        'c.yaml: clusterDNS.podSelector.matchLabels.a: 1 is not the value of a label (a text; put a number, true or false in quotes)',
      ],
    ],
    [
      'an invalid label key',
      { file: 'clusterDNS: {podSelector: {matchLabels: {"a/b/c": x}}}' },
      ['c.yaml: clusterDNS.podSelector.matchLabels: "a/b/c" is not the key of a label'],
    ],
    [
      'In without values',
      { file: 'monitoring: [{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}]' },
      ['c.yaml: monitoring[0].namespaceSelector.matchExpressions[0]: In needs at least one value'],
    ],
    [
      'Exists with values',
      {
        file: 'monitoring: [{namespaceSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]',
      },
      ['c.yaml: monitoring[0].namespaceSelector.matchExpressions[0]: Exists takes no values'],
    ],
    [
      'a workload without a namespaceSelector',
      { file: 'monitoring: [{podSelector: {}}]' },
      ['c.yaml: monitoring[0]: namespaceSelector is required ({} for every namespace)'],
    ],
    [
      'a lease duration below the renew deadline',
      { file: 'leaderElection: {leaseDuration: 10s}' },
      ['leaderElection.leaseDuration (10s) must be longer than leaderElection.renewDeadline (10s)'],
    ],
    [
      'a renew deadline below the retry period',
      { file: 'leaderElection: {retryPeriod: 9s}' },
      ['leaderElection.renewDeadline (10s) must be longer than 1.2 times leaderElection.retryPeriod (9s)'],
    ],
    [
      'a lease duration that is no whole second',
      { file: 'leaderElection: {leaseDuration: 15500ms}' },
      ['leaderElection.leaseDuration (15s500ms) must be whole seconds, as a Lease holds it'],
    ],
  ] as const satisfies readonly (readonly [string, Given, readonly string[]])[]) {
    it(`reports ${name} in one line`, () => assert.deepEqual(problems(given), expected));
  }

  for (const [name, whole] of [
    ['broken YAML', 'a: [1'],
    ['a repeated key', `${HEADER}concurrency: 1\nconcurrency: 2`],
    ['an alias without its anchor', `${HEADER}nodeCIDRs: *x`],
  ] as const) {
    it(`reports ${name} in one line`, () => {
      const [problem = '', ...more] = problems({ whole });
      assert.deepEqual(more, []);
      assert.match(problem, /^c\.yaml: is not valid YAML: [^\n]+$/);
    });
  }

  it('reads the file by the YAML 1.1 of kubectl', () => {
    const whole = `${HEADER}concurrency: 0x10\nmaxNodeAddresses: 0443\nleaderElection: {enabled: on}`;
    assert.deepEqual(problems({ whole }), []);
    assert.deepEqual(problems({ whole: `${HEADER}protectedNamespaces: [on]` }), [
      'c.yaml: protectedNamespaces[0]: true is not the name of a namespace (lower-case letters, digits and "-", at most 63)',
    ]);
  });

  it('refuses aliases that expand without bound', () => {
    const bomb = Array.from(
      { length: 12 },
      (_, index) => `a${index + 1}: &a${index + 1} [${`*a${index},`.repeat(9)}]`,
    );
    const [problem = ''] = problems({ whole: `${HEADER}a0: &a0 [x]\n${bomb.join('\n')}` });
    assert.match(problem, /^c\.yaml: is not valid YAML: /);
  });

  it('reports every error at once', () => {
    const found = problems({
      argv: ['--bad', '--log-format=xml'],
      env: { SEGMENTATION_X: '1' },
      file: 'x: 1\nconcurrency: 0',
    });
    assert.equal(found.length, 5);
  });
});

describe('flags that print a text', () => {
  it('--help prints every flag with its default, in short lines', () => {
    for (const argv of [['--help'], ['-h'], ['--nonsense', '--help']]) {
      const parsed = parse({ argv });
      assert.ok(parsed.kind === 'help');
      for (const flag of [
        'kubeconfig',
        'context',
        'kube-api-content-type',
        'config',
        'metrics-bind-address',
        'metrics-secure',
        'metrics-cert-path',
        'metrics-cert-name',
        'metrics-cert-key',
        'health-probe-bind-address',
        'leader-elect',
        'leader-election-namespace',
        'concurrency',
        'log-level',
        'log-format',
        'version',
        'help',
        'print-config',
      ]) {
        assert.match(parsed.text, new RegExp(`^  --${flag}( [A-Z]+)? {2,}\\S`, 'm'));
      }
      assert.match(parsed.text, /--concurrency N .*\[32\]/);
      assert.ok(parsed.text.split('\n').every((line) => line.length <= 110));
    }
  });

  it('--version prints the version', () => {
    assert.deepEqual(parse({ argv: ['--version'] }), {
      kind: 'version',
      text: 'segmentation-operator 1.2.3',
    });
  });

  it('--print-config prints a file that gives the same options', () => {
    const given = {
      argv: ['--log-format=text', '--leader-election-namespace=ops'],
      env: { SEGMENTATION_CONCURRENCY: '9' },
      file: 'resyncPeriod: 90m\nprotectedNamespaces: ["on"]\nclusterDNS: {nodeLocalAddresses: [169.254.20.10]}\nleaderElection: {retryPeriod: 1500ms}\naudit: {interval: 2h, skip: [probes]}\nprometheus: {url: "https://prometheus:9090", tokenFile: /token}',
    };
    const printed = parse({ ...given, argv: [...given.argv, '--print-config'] });
    assert.ok(printed.kind === 'print-config');
    const effective = (all: Options) => ({ ...all, configurationFile: undefined });
    assert.deepEqual(effective(options({ whole: printed.text })), effective(options(given)));
    const again = parse({ argv: ['--print-config'], whole: printed.text });
    assert.ok(again.kind === 'print-config' && again.text === printed.text);
  });

  it('returns the Prometheus of the file', () => {
    const url = 'https://prometheus.monitoring:9090/api';
    assert.deepEqual(options({ file: `prometheus: {url: "${url}", caFile: /ca.crt}` }).prometheus, {
      url,
      caFile: '/ca.crt',
      tokenFile: undefined,
    });
  });

  it('returns the priorities of guards with their defaults, and refuses a range that is none', () => {
    const guard = (rest = '') => ({ file: `guard: {kind: ClusterNetworkPolicy${rest}}` });
    const kind = 'ClusterNetworkPolicy';
    assert.deepEqual(options(guard()).guard, { kind, firstPriority: 500, lastPriority: 890 });
    assert.deepEqual(problems(guard(', firstPriority: 900')), [
      'guard.lastPriority (890) must not be below guard.firstPriority (900): set both',
    ]);
  });

  it('returns an audit with its defaults if the file has one', () => {
    const defaults = {
      enabled: true,
      interval: 3_600_000,
      changeDelay: 60_000,
      minSeverity: 'medium',
      skip: [],
      registries: [],
      waivers: [],
      maxResults: 200,
      maxMemoryMiB: 256,
    };
    assert.deepEqual(options({ file: 'audit: {}' }).audit, defaults);
    const some = { ...defaults, enabled: false, minSeverity: 'high', skip: ['exposure'] };
    assert.deepEqual(
      options({ file: 'audit: {enabled: false, minSeverity: high, skip: [exposure]}' }).audit,
      some,
    );
  });

  it('accepts entries of audit.waivers that are no waivers, which the audit reports', () => {
    const { audit } = options({ file: 'audit: {waivers: [{check: pod-host-path}, 1]}' });
    assert.deepEqual(audit?.waivers, [{ check: 'pod-host-path' }, 1]);
  });

  it('--print-config refuses invalid options', () => {
    assert.equal(problems({ argv: ['--print-config', '--concurrency=x'] }).length, 1);
  });
});
