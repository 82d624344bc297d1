/** Pod Security levels where the configuration of the API server exempts namespaces, or disables the admission plugin. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';
import { grant, latest, levels, says } from './scene.ts';

const EXEMPT = 'exempt-by-configuration';
const CONFIGURATION = `
apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
  - name: PodSecurity
    configuration:
      apiVersion: pod-security.admission.config.k8s.io/v1
      kind: PodSecurityConfiguration
      defaults: {enforce: privileged}
      exemptions: {namespaces: [${EXEMPT}]}
`;

describe('Pod Security levels by the configuration of the API server', () => {
  const operators = new Operators();
  let directory: string;
  let plane: ControlPlane | undefined;

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'pod-security-'));
    writeFileSync(join(directory, 'admission.yaml'), CONFIGURATION);
  });
  afterEach(async () => {
    await operators.end();
    await plane?.stop();
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** Starts an API server with these flags, an operator, and a profile for the namespaces of a sandbox. */
  async function startWith(...flags: readonly string[]): Promise<{ box: Sandbox; profile: string }> {
    plane = await startControlPlane({ apiServerArguments: flags });
    const kubeconfig = await installOperator(plane);
    await grant(plane);
    await operators.start(kubeconfig);
    const box = new Sandbox(plane, 'server');
    const podSecurity = { enforce: 'baseline', warn: 'restricted' };
    return { box, profile: await box.profile('p', { workloads: { podSecurity } }) };
  }

  it('are not written to an exempt namespace, and the status names it', async () => {
    const { box, profile } = await startWith(`--admission-control-config-file=${directory}/admission.yaml`);
    const namespace = await box.namespace('a');
    const metadata = { name: EXEMPT, labels: box.label };
    await box.create('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata });
    await says(
      box,
      profile,
      'NamespaceExempt',
      /^not in force in 1 of 2 namespaces: exempt-by-configuration: .* exempts/,
    );
    assert.deepEqual(await levels(box, EXEMPT), {});
    assert.deepEqual(await levels(box, namespace), {
      ...latest('enforce', 'baseline'),
      ...latest('warn', 'restricted'),
    });
    await box.edit(profile, { excludeNamespaces: [EXEMPT] });
    await box.ready(profile);
  });

  it('are not written where the plugin is disabled, and the status says so', async () => {
    const { box, profile } = await startWith('--disable-admission-plugins=PodSecurity');
    const namespace = await box.namespace('a');
    await says(box, profile, 'PluginDisabled', /does not run its admission plugin PodSecurity/);
    assert.deepEqual(await levels(box, namespace), {});
    assert.equal((await box.condition(profile, 'Stalled')).status, 'True');
  });
});
