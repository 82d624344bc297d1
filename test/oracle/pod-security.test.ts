/**
 * The checks of the Pod Security Standards against those of the API server's own admission plugin
 * (k8s.io/pod-security-admission).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { BASELINE } from '../../src/audit/pods/baseline/index.ts';
import { RESTRICTED } from '../../src/audit/pods/restricted/index.ts';
import type { PodSpec } from '../../src/audit/pod-spec.ts';
import { runs } from '../policy/fixture.ts';
import { goIsThere, goTool, skippedWithoutGo } from '../env/tooling/go-tool.ts';

const PODS = runs(6000);
const STANDARD = { ...BASELINE, ...RESTRICTED };

/** An object with each of the fields there or not, so that absence is tried as often as every value. */
const fields = (values: Readonly<Record<string, fc.Arbitrary<unknown>>>) =>
  fc.record(values, { requiredKeys: [] });

const profile = fields({ type: fc.constantFrom('RuntimeDefault', 'Localhost', 'Unconfined', 'Other') });
const shared = {
  runAsNonRoot: fc.boolean(),
  runAsUser: fc.constantFrom(0, 1, 1000),
  seLinuxOptions: fields({
    type: fc.constantFrom(
      '',
      'container_t',
      'container_init_t',
      'container_kvm_t',
      'container_engine_t',
      'spc_t',
    ),
    user: fc.constantFrom('', 'system_u'),
    role: fc.constantFrom('', 'object_r'),
    level: fc.constantFrom('s0'),
  }),
  seccompProfile: profile,
  appArmorProfile: profile,
  windowsOptions: fields({ hostProcess: fc.boolean() }),
};
const capability = fc.constantFrom(
  'ALL',
  'CHOWN',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SYS_ADMIN',
  'MKNOD',
  'net_admin',
);
const handler = fields({
  httpGet: fields({ host: fc.constantFrom('', '10.0.0.1'), port: fc.constant(80) }),
  tcpSocket: fields({ host: fc.constantFrom('', 'example.com'), port: fc.constant(80) }),
});
const container = (name: string) =>
  fields({
    ports: fc.array(fields({ containerPort: fc.constant(80), hostPort: fc.constantFrom(0, 80) }), {
      maxLength: 2,
    }),
    livenessProbe: handler,
    readinessProbe: handler,
    startupProbe: handler,
    lifecycle: fields({ postStart: handler, preStop: handler }),
    securityContext: fields({
      ...shared,
      privileged: fc.boolean(),
      allowPrivilegeEscalation: fc.boolean(),
      procMount: fc.constantFrom('Default', 'Unmasked'),
      capabilities: fields({
        add: fc.array(capability, { maxLength: 2 }),
        drop: fc.array(capability, { maxLength: 2 }),
      }),
    }),
  }).map((rest) => ({ name, ...rest }));
const volume = fc
  .constantFrom('configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim')
  .chain((allowed) =>
    fc.constantFrom(
      allowed,
      'projected',
      'secret',
      'hostPath',
      'nfs',
      'iscsi',
      'gitRepo',
      'azureDisk',
      'storageos',
    ),
  )
  .map((source) => ({ name: 'data', [source]: {} }));
const sysctl = fc.constantFrom(
  'kernel.shm_rmid_forced',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
  'kernel.msgmax',
  'net.core.somaxconn',
);

const pods = fc.record({
  metadata: fields({
    annotations: fc.dictionary(
      fc.constantFrom(
        'container.apparmor.security.beta.kubernetes.io/a',
        'seccomp.security.alpha.kubernetes.io/pod',
        'example.com/other',
      ),
      fc.constantFrom('', 'runtime/default', 'localhost/x', 'unconfined'),
      { maxKeys: 2 },
    ),
  }),
  spec: fields({
    containers: fc.oneof(fc.tuple(container('a')), fc.tuple(container('a'), container('b'))),
    initContainers: fc.oneof(fc.constant([]), fc.tuple(container('i'))),
    ephemeralContainers: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.tuple(container('e'))),
    volumes: fc.array(volume, { maxLength: 2 }),
    securityContext: fields({
      ...shared,
      sysctls: fc.array(
        sysctl.map((name) => ({ name, value: '1' })),
        { maxLength: 2 },
      ),
    }),
    hostNetwork: fc.boolean(),
    hostPID: fc.boolean(),
    hostIPC: fc.boolean(),
    hostUsers: fc.boolean(),
    os: fields({ name: fc.constantFrom('linux', 'windows') }),
  }),
});

interface GeneratedPod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: PodSpec;
}

function forbiddenBy({ metadata, spec }: GeneratedPod): string[] {
  const workload = { kind: 'Pod', namespace: 'shop', name: 'web' };
  const pod = { spec, annotations: metadata.annotations ?? {}, workload, settings: { registries: [] } };
  return Object.keys(STANDARD)
    .filter((id) => (STANDARD[id]?.judge(pod).length ?? 0) > 0)
    .toSorted();
}

(goIsThere ? describe : describe.skip)(
  `the Pod Security Standards of the API server,${skippedWithoutGo}`,
  () => {
    let judge: string;

    before(async function () {
      this.timeout('10m');
      judge = await goTool({
        name: 'pod-security',
        module: 'pod-security',
        package: '.',
        title: "the API server's Pod Security Standards",
        usualTime: 'it takes about a minute on 2 cores',
      });
    });

    const verdicts = (list: readonly GeneratedPod[]): string[][] => {
      const input = list.map((pod) => JSON.stringify(pod)).join('\n');
      const { status, stdout, stderr } = spawnSync(judge, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
      assert.equal(status, 0, stderr);
      return stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as string[]);
    };

    it(`forbid what the audit's checks report, control by control, for ${PODS} generated pods`, function () {
      this.timeout('2m');
      // The fields of generated pods have the types of the API, which their arbitraries do not know.
      const generated = fc.sample(pods, PODS) as unknown as GeneratedPod[];
      const answers = verdicts(generated);
      const seen = new Set<string>();
      for (const [index, pod] of generated.entries()) {
        const forbidden = answers[index] ?? [];
        assert.deepEqual(forbiddenBy(pod), forbidden, JSON.stringify(pod));
        for (const id of forbidden) seen.add(id);
      }
      assert.deepEqual(
        [...seen].toSorted(),
        Object.keys(STANDARD).toSorted(),
        'every control forbids some pod',
      );
    });

    it("have no control without a check, and allow what the audit's checks accept", () => {
      const worst = verdicts([
        { metadata: {}, spec: { containers: [{ name: 'a' }] } },
        {
          metadata: {},
          spec: {
            securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
            containers: [
              {
                name: 'a',
                securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
              },
            ],
          },
        },
      ]);
      assert.deepEqual(worst, [
        ['allowPrivilegeEscalation', 'capabilities_restricted', 'runAsNonRoot', 'seccompProfile_restricted'],
        [],
      ]);
    });
  },
);
