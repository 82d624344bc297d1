/** The chart and dist/install.yaml on a real API server: install, upgrade, take over, remove, and run. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goIsThere, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { type ControlPlane, type NodeAgent, startControlPlane, startNodeAgent } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { CHART, Helm } from '../../support/helm.ts';
import { Operators } from '../../support/operator.ts';

const root = join(import.meta.dirname, '../../..');
const CRD = 'crd/segmentationprofiles.segmentation.dev';

(goIsThere ? describe : describe.skip)(`installing${skippedWithoutGo}`, () => {
  const operators = new Operators();
  let plane: ControlPlane; // of its own: there can be one operator in a cluster
  let agent: NodeAgent;
  let directory: string;
  let helm: Helm;

  before(async function () {
    this.timeout('15m');
    directory = mkdtempSync(join(tmpdir(), 'helm-'));
    plane = await startControlPlane();
    agent = await startNodeAgent(plane);
    helm = await Helm.find(directory, plane.kubeconfig);
  });
  after(async () => {
    await operators.end();
    await agent.stop();
    await plane.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const kubectl = (...args: readonly string[]) => plane.kubectlRun(args);
  /** Waits until the Deployment's latest pods exist, which shows that Pod Security and quota admit them. */
  const hasPods = async (namespace: string, name: string, count: number) => {
    await kubectl('-n', namespace, 'rollout', 'status', `deploy/${name}`, '--timeout=20s');
    const ready = await kubectl(
      '-n',
      namespace,
      'get',
      'deploy',
      name,
      '-o',
      'jsonpath={.status.readyReplicas}',
    );
    assert.equal(ready, String(count));
  };

  describe('the chart', () => {
    const NAMESPACE = 'net-system';
    const NAME = 'net-segmentation-operator';
    let notes: string;
    const helmUpgrade = (chart: string, ...args: readonly string[]) =>
      helm.run('upgrade', '--install', 'net', chart, '--namespace', NAMESPACE, ...args);

    before(async () => {
      await kubectl('create', 'namespace', NAMESPACE);
      await kubectl('label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted');
    });

    it('upgrades the CRD too, which Helm does not for a folder crds/', async () => {
      const old = join(directory, 'old');
      cpSync(CHART, old, { recursive: true });
      const template = join(old, 'templates/crd.yaml');
      const column = /^ {8}- name: Mode\n(?: {10}.*\n)+/m;
      const text = readFileSync(template, 'utf8');
      assert.match(text, column);
      writeFileSync(template, text.replace(column, ''));
      const columns = async () => {
        const path = 'jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}';
        return (await kubectl('get', CRD, '-o', path)).split(' ');
      };
      await helmUpgrade(old);
      assert.equal((await columns()).includes('Mode'), false);
      notes = await helmUpgrade(CHART);
      assert.equal((await columns()).includes('Mode'), true);
    });

    it('prints what to do next, and warns of an image without a registry', async () => {
      assert.match(notes, new RegExp(`rollout status deployment/${NAME}`));
      assert.match(notes, /WARNING: the image segmentation-operator:v[\d.]+ names no registry/);
      const shown = /kubectl apply -f - <<'EOF'\n(.*?)\n {2}EOF/s.exec(notes)?.[1] ?? '';
      await plane.kubectlRun(['apply', '--dry-run=server', '-f', '-'], { stdin: shown });
      const image = ['--set', 'image.repository=example.com/segmentation-operator'];
      const others = await helmUpgrade(CHART, ...image, '--dry-run=client');
      assert.match(others, /rollout status/);
      assert.doesNotMatch(others, /WARNING/);
    });

    it('has pods that are admitted, also with values-ha.yaml', async () => {
      await hasPods(NAMESPACE, NAME, 2);
      await helmUpgrade(CHART, '--values', join(CHART, 'values-ha.yaml'));
      await hasPods(NAMESPACE, NAME, 3);
      const path = 'jsonpath={.items[*].spec.priorityClassName}';
      const classes = await kubectl('-n', NAMESPACE, 'get', 'pods', '-o', path);
      assert.deepEqual(new Set(classes.split(' ')), new Set(['system-cluster-critical']));
    });

    it('installs an operator that works within the fence', async () => {
      const kubeconfig = await plane.serviceAccountKubeconfig(NAMESPACE, NAME);
      const box = new Sandbox(plane, 'chart');
      const namespace = await box.namespace('shop');
      const refused = () =>
        plane.kubectlRun(['-n', namespace, 'create', '--dry-run=server', '-f', '-'], {
          kubeconfig,
          stdin: JSON.stringify({
            apiVersion: 'networking.k8s.io/v1',
            kind: 'NetworkPolicy',
            metadata: { name: 'forged' },
            spec: { podSelector: {} },
          }),
        });
      // The API server takes a moment to know a new policy.
      const fence = new RegExp(`ValidatingAdmissionPolicy '${NAME}-network-policies'`);
      await eventually(() => assert.rejects(refused(), fence), 15_000);
      const operator = await operators.start(
        kubeconfig,
        '--leader-elect',
        `--leader-election-namespace=${NAMESPACE}`,
      );
      const profile = await box.profile('strict');
      await box.ready(profile, 10_000);
      assert.equal((await box.policies(namespace)).length, 2);
      await operator.stop();
    });

    it('keeps CRD and profiles when it is uninstalled, and adopts them again', async () => {
      const profiles = await kubectl('get', 'segp', '-o', 'name');
      assert.notEqual(profiles, '');
      await helm.run('uninstall', 'net', '--namespace', NAMESPACE);
      await assert.rejects(kubectl('-n', NAMESPACE, 'get', 'deploy', NAME), /NotFound/);
      assert.equal(await kubectl('get', 'segp', '-o', 'name'), profiles);
      await helmUpgrade(CHART);
      await kubectl('-n', NAMESPACE, 'get', 'deploy', NAME);
      await helm.run('uninstall', 'net', '--namespace', NAMESPACE);
    });

    it('installs the canary with its profile at once, and takes the profile into the release later', async () => {
      // The operator is gone, and can't release its profile.
      const profiles = (await kubectl('get', 'segp', '-o', 'name')).trim().split('\n');
      for (const profile of profiles)
        await kubectl('patch', profile, '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
      await kubectl('delete', CRD);
      await helmUpgrade(CHART, '--set', 'canary.enabled=true');
      const uid = () => kubectl('get', 'segp', 'segmentation-canary', '-o', 'jsonpath={.metadata.uid}');
      const created = await uid();
      for (const namespace of ['segmentation-canary', 'segmentation-canary-outside'])
        await hasPods(namespace, 'segmentation-canary', 2);
      const manifest = () => helm.run('get', 'manifest', 'net', '--namespace', NAMESPACE);
      assert.doesNotMatch(await manifest(), /^kind: SegmentationProfile$/m);
      await helmUpgrade(CHART, '--set', 'canary.enabled=true');
      assert.match(await manifest(), /^kind: SegmentationProfile$/m);
      assert.equal(await uid(), created);
      await helmUpgrade(CHART, '--set', 'canary.enabled=false');
      await assert.rejects(uid(), /NotFound/);
      await helm.run('uninstall', 'net', '--namespace', NAMESPACE);
    });
  });

  describe('dist/install.yaml', () => {
    const NAMESPACE = 'segmentation-system';
    const NAME = 'segmentation-operator';
    const IMAGE = 'localhost:5000/segmentation-operator:v9';

    const build = (file: string, ...args: readonly string[]) => {
      const outfile = join(directory, file);
      const script = join(root, 'scripts/install/build-install.ts');
      execFileSync(process.execPath, [script, '--outfile', outfile, ...args], { stdio: 'pipe' });
      return outfile;
    };
    const image = () =>
      kubectl('-n', NAMESPACE, 'get', 'deploy', NAME, '-o', 'jsonpath={..containers[*].image}');

    it('installs everything with the given image, and has the same bytes when built again', async () => {
      const [file, again] = ['install.yaml', 'again.yaml'].map((each) => build(each, '--image', IMAGE));
      assert.equal(readFileSync(file ?? '', 'utf8'), readFileSync(again ?? '', 'utf8'));
      await kubectl('apply', '--server-side', '-f', file ?? '');
      assert.equal(await image(), IMAGE);
      await hasPods(NAMESPACE, NAME, 2);
    });

    it('has pods that are admitted, with the overlay for high availability', async () => {
      await kubectl('apply', '--server-side', '-f', build('ha.yaml', '--overlay', 'ha', '--image', IMAGE));
      await hasPods(NAMESPACE, NAME, 3);
    });

    it('can be taken over by the chart', async () => {
      await helm.run(
        'install',
        NAME,
        CHART,
        '--namespace',
        NAMESPACE,
        '--take-ownership',
        '--force-conflicts',
      );
      assert.match(await image(), /^segmentation-operator:v/);
      await hasPods(NAMESPACE, NAME, 2);
    });

    it('is not built for a missing overlay', () => {
      assert.throws(() => build('refused.yaml', '--overlay', 'xl'), /config\/overlays has ha/);
    });
  });
});
