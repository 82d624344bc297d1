/** The workload of a Pod: the controller that users know, under one name in manifests and in a cluster. */
import assert from 'node:assert/strict';
import type { KubeObject, OwnerReference } from '../../../src/api/meta.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import { podsOf } from '../../../src/snapshot/pods.ts';

const owner = (kind: string, name: string): OwnerReference[] => [
  { apiVersion: 'v1', kind, name, uid: `${kind}-${name}`, controller: true },
];

/** The workloads of the pods of these objects, as KIND/NAME. */
function workloads(...objects: readonly KubeObject[]): string[] {
  const set = new ObjectSet();
  for (const object of objects) set.put(object.kind ?? '', object);
  return podsOf(set).map(({ workload }) => `${workload.kind}/${workload.name}`);
}

function pod(
  name: string,
  ownerReferences: readonly OwnerReference[],
  labels: Readonly<Record<string, string>> = {},
): KubeObject {
  return {
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels, ownerReferences },
    status: { phase: 'Running', podIP: '10.0.0.1' },
  } as KubeObject;
}

function controller(kind: string, name: string, ownerReferences?: readonly OwnerReference[]): KubeObject {
  return { kind, metadata: { name, namespace: 'shop', ...(ownerReferences && { ownerReferences }) } };
}

const TEMPLATE = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'a', image: 'a' }] } };

describe('the workload of a pod', () => {
  it('is the Job, whatever digits its name ends in, if no CronJob owns the Job', () => {
    const migrate = pod('migrate-20261129-x', owner('Job', 'migrate-20261129'));
    assert.deepEqual(workloads(migrate), ['Job/migrate-20261129']);
    assert.deepEqual(workloads(migrate, controller('Job', 'migrate-20261129')), ['Job/migrate-20261129']);
  });

  it('is the CronJob that owns the Job', () => {
    const job = controller('Job', 'backup-29012345', owner('CronJob', 'backup'));
    assert.deepEqual(workloads(pod('backup-29012345-x', owner('Job', 'backup-29012345')), job), [
      'CronJob/backup',
    ]);
  });

  it('is the Deployment whose name the ReplicaSet has before the hash of the template', () => {
    const labels = { 'pod-template-hash': '7d9f' };
    assert.deepEqual(workloads(pod('web-7d9f-x', owner('ReplicaSet', 'web-7d9f'), labels)), [
      'Deployment/web',
    ]);
    assert.deepEqual(workloads(pod('web-7d9f-x', owner('ReplicaSet', 'web-7d9f'))), ['ReplicaSet/web-7d9f']);
  });

  it('is the pod itself if a node owns it, as with static pods', () => {
    const pods = ['etcd-a', 'kube-apiserver-a'].map((name) => pod(name, owner('Node', 'a')));
    assert.deepEqual(workloads(...pods), ['Pod/etcd-a', 'Pod/kube-apiserver-a']);
  });

  it('is the same from the manifest of the controller and from its running pods', () => {
    const cronJob = {
      ...controller('CronJob', 'backup'),
      spec: { jobTemplate: { spec: { template: TEMPLATE } } },
    };
    const deployment = { ...controller('Deployment', 'web'), spec: { template: TEMPLATE } };
    const job = { ...controller('Job', 'migrate-20261129'), spec: { template: TEMPLATE } };
    const statefulSet = { ...controller('StatefulSet', 'db'), spec: { template: TEMPLATE } };
    const running = [
      pod('backup-29012345-x', owner('Job', 'backup-29012345')),
      pod('web-7d9f-x', owner('ReplicaSet', 'web-7d9f'), { 'pod-template-hash': '7d9f' }),
      pod('migrate-20261129-x', owner('Job', 'migrate-20261129')),
      pod('db-0', owner('StatefulSet', 'db')),
    ];
    const owners = [controller('Job', 'backup-29012345', owner('CronJob', 'backup'))];
    const described = workloads(cronJob, deployment, job, statefulSet);
    assert.deepEqual(workloads(...running, ...owners).sort(), described.toSorted());
  });
});
