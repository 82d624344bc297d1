/** The names of workloads that the plugin reads from a cluster: those of their manifests. */
import assert from 'node:assert/strict';
import type { OwnerReference } from '../../../src/api/meta.ts';
import { cli, type Ran } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';

const POD_SPEC = { restartPolicy: 'Never', containers: [{ name: 'main', image: 'main' }] };
const JOB_SPEC = { template: { spec: POD_SPEC } };

describe('kubectl segmentation on pods of Jobs in a cluster', () => {
  let plane: ControlPlane;
  let sandbox: Sandbox;
  let namespace: string;

  const inCluster = (line: string): Promise<Ran> => cli(`${line} --kubeconfig ${plane.kubeconfig}`);

  async function createJob(name: string, ownerReferences: readonly OwnerReference[] = []): Promise<void> {
    const collection = `/apis/batch/v1/namespaces/${namespace}/jobs`;
    const metadata = { name, ownerReferences };
    await eventually(() =>
      sandbox.create(collection, { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: JOB_SPEC }),
    );
  }

  before(async () => {
    plane = await sharedControlPlane();
    sandbox = new Sandbox(plane, 'jobs');
    namespace = await sandbox.namespace('a');
    const cronJobs = `/apis/batch/v1/namespaces/${namespace}/cronjobs`;
    await sandbox.create(cronJobs, {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'backup' },
      spec: { schedule: '0 0 1 1 *', suspend: true, jobTemplate: { spec: JOB_SPEC } },
    });
    const { metadata } = (await sandbox.read(`${cronJobs}/backup`)) as { metadata: { uid: string } };
    const { uid } = metadata;
    const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'backup', uid, controller: true };
    await createJob('backup-29012345', [owner]);
    await createJob('migrate-20261129');
  });
  after(() => sandbox.remove());

  it('names a CronJob for pods of its Jobs, and a Job that no CronJob owns by its own name', async () => {
    await eventually(async () => {
      const { stdout } = await inCluster(`matrix -n ${namespace} -o json`);
      const { groups } = JSON.parse(stdout) as { groups: { id: string; namespace?: string }[] };
      const own = groups.filter((group) => group.namespace === namespace).map(({ id }) => id);
      assert.deepEqual(own, [`${namespace}/CronJob/backup`, `${namespace}/Job/migrate-20261129`]);
    });
    const { code, stdout } = await inCluster(`explain cj/backup job/migrate-20261129 -p 80 -n ${namespace}`);
    assert.equal(code, 0);
    assert.match(
      stdout,
      new RegExp(`^ALLOWED {2}${namespace}/cj/backup → ${namespace}/job/migrate-20261129 {2}TCP 80$`, 'm'),
    );
  });
});
