// A control plane leaves nothing behind, and its data survives the failure of a component.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startControlPlane, startNodeAgent } from '../../env/index.ts';
import { eventually, processesWith, processIdsWith, runScript } from '../../support/process-table.ts';

const MODULE = new URL('../../env/index.ts', import.meta.url).href;
const CLUSTER = join(import.meta.dirname, '../../../scripts/cluster.ts');

describe('lifecycle of a control plane', () => {
  for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
    it(`ends with its parent on ${signal}`, async () => {
      const parent = runScript(`
        const { startControlPlane } = await import('${MODULE}');
        const { directory } = await startControlPlane();
        console.log(directory);
        setInterval(() => {}, 60_000);
      `);
      const directory = await parent.line();
      assert.equal(processesWith(directory).length, 4, 'three components and their watchdog');
      parent.process.kill(signal);
      await once(parent.process, 'exit');
      await eventually('processes and directory are gone', () => {
        return processesWith(directory).length === 0 && !existsSync(directory);
      });
    });
  }

  it('ends `npm run cluster` with a message and a failure when its API server ends', async () => {
    const command = ['--disable-warning=ExperimentalWarning', CLUSTER];
    const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    await eventually('the cluster is up', () => output.includes('Ctrl-C ends it'), 60_000);
    const directory = /export KUBECONFIG=(.*)\/admin\.kubeconfig/.exec(output)?.[1] ?? '';
    const [server] = processIdsWith(`${directory}/`, 'kube-apiserver');
    assert.ok(server);
    const ended = once(child, 'exit');
    process.kill(server, 'SIGKILL');
    assert.deepEqual(await ended, [1, null]);
    assert.match(output, /^kube-apiserver ended:$/m);
    assert.equal(existsSync(directory), false);
  });

  it('ends with a parent that dies before all components have started', async () => {
    const temporary = mkdtempSync(join(tmpdir(), 'lifecycle-test-'));
    const parent = runScript(
      `const { readdirSync } = await import('node:fs');
       const { startControlPlane } = await import('${MODULE}');
       void startControlPlane();
       while (readdirSync('${temporary}').length === 0) await new Promise(setImmediate);
       console.log('begun');`,
      { ...process.env, TMPDIR: temporary },
    );
    await parent.line();
    parent.process.kill('SIGKILL');
    await once(parent.process, 'exit');
    await eventually('processes and directory are gone', () => {
      return processesWith(temporary).length === 0 && readdirSync(temporary).length === 0;
    });
    rmdirSync(temporary);
  });

  it('keeps its data when components crash or pause, and leaves nothing when it is stopped', async () => {
    const plane = await startControlPlane();
    const agent = await startNodeAgent(plane);
    try {
      await plane.kubectlRun(['create', 'configmap', 'kept', '--from-literal=key=value']);

      await plane.stopComponent('etcd');
      const ready = () =>
        plane.admin.send('GET', '/readyz').then(
          () => true,
          () => false,
        );
      await eventually('the API server misses etcd', async () => !(await ready()));
      await plane.startComponent('etcd');
      await eventually('the API server finds etcd again', ready);
      assert.match(await plane.kubectlRun(['get', 'configmap', 'kept', '-o', 'yaml']), /key: value/);

      await plane.stopComponent('kube-apiserver');
      await assert.rejects(plane.kubectlRun(['get', 'configmaps']), /refused/);
      await plane.startComponent('kube-apiserver');
      await plane.kubectlRun(['create', 'deployment', 'web', '--image=web', '--replicas=2']);
      await plane.kubectlRun(['wait', '--for=condition=Available', 'deployment/web', '--timeout=25s']);

      plane.pauseComponent('kube-controller-manager');
      await plane.kubectlRun(['create', 'namespace', 'waiting']);
      const account = () => plane.kubectlRun(['-n', 'waiting', 'get', 'sa', 'default', '--ignore-not-found']);
      assert.equal(await account(), '');
      plane.resumeComponent('kube-controller-manager');
      await eventually('the frozen controllers catch up', account);
      await assert.rejects(plane.startComponent('etcd'), /etcd is running/);
    } finally {
      await agent.stop();
      await plane.stop();
    }
    assert.equal(existsSync(plane.directory), false);
    assert.deepEqual(processesWith(plane.directory), []);
  });
});
