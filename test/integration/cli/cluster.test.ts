/** The plugin on a cluster in which the operator runs: it renders the policies that the operator writes. */
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { cli, directoryOf, type Ran } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const RULES = {
  baseline: {
    sameNamespace: 'Allow',
    kubeAPIServer: 'Allow',
    monitoring: 'Allow',
    ingressControllers: 'Allow',
  },
  ingress: [
    {
      name: 'from-team',
      description: 'One team works together.',
      podSelector: { matchLabels: { app: 'web' } },
      from: [{ sameNamespaceLabels: ['team'] }, { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
      ports: [{ port: 8080 }],
    },
  ],
  egress: [{ name: 'to-nodes', to: [{ entity: 'Nodes' }] }],
};

describe('kubectl segmentation in a cluster', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let sandbox: Sandbox;
  let namespaces: string[];
  let profile: string;

  const inCluster = (line: string): Promise<Ran> => cli(`${line} --kubeconfig ${plane.kubeconfig}`);

  before(async () => {
    plane = await sharedControlPlane();
    const kubeconfig = await installOperator(plane);
    sandbox = new Sandbox(plane, 'cli');
    namespaces = [
      await sandbox.namespace('a', { team: 'red' }),
      await sandbox.namespace('b', { team: 'blue' }),
    ];
    await sandbox.pod(namespaces[0] ?? '', 'web', { app: 'web' });
    await sandbox.service(namespaces[1] ?? '', 'db', {
      selector: { app: 'db' },
      ports: [{ port: 80, targetPort: 'sql' }],
    });
    // Somebody else's, under a name that the operator needs.
    profile = `${sandbox.id}-shop`;
    await sandbox.createPolicy(namespaces[1] ?? '', `${profile}.ingress`, {
      podSelector: { matchLabels: { app: 'none' } },
    });
    await sandbox.profile('shop', {
      ...RULES,
      egress: [
        ...RULES.egress,
        { name: 'to-db', to: [{ service: { namespace: namespaces[1], name: 'db' } }] },
      ],
    });
    await operators.start(kubeconfig);
    await sandbox.ready(profile);
  });
  after(async () => {
    await operators.end();
    await sandbox.remove();
  });

  it('renders exactly what the operator has written', async () => {
    const { code, stdout, stderr } = await inCluster(`render ${profile}`);
    assert.equal(code, 0, stderr);
    assert.match(stderr, new RegExp(`the name ${profile}\\.ingress is taken, so another stands for it`));
    const rendered = parseAllDocuments(stdout).map((each) => each.toJS() as NetworkPolicy);
    const standing: NetworkPolicy[] = [];
    for (const namespace of namespaces) {
      standing.push(
        ...(await sandbox.policies(namespace)).filter(({ metadata }) => metadata.labels !== undefined),
      );
    }
    assert.ok(standing.length >= 8, 'too few policies to compare');
    const parts = ({ metadata, spec }: NetworkPolicy) => {
      const { name, namespace, labels, annotations, ownerReferences } = metadata;
      return { name, namespace, labels, annotations, ownerReferences, spec };
    };
    assert.deepEqual(byName(rendered.map(parts)), byName(standing.map(parts)));
  });

  it('renders a changed manifest over the cluster as the operator would write it', async () => {
    const stored = await sandbox.readProfile(profile);
    const { metadata, spec } = stored;
    const changed = {
      ...stored,
      metadata: { name: metadata.name },
      spec: { ...spec, baseline: { ...spec.baseline, dns: 'Deny' } },
    };
    const directory = directoryFor(JSON.stringify(changed));
    const { stdout } = await inCluster(
      `render ${profile} -n ${namespaces[0]} -f ${directory} --cluster -o json`,
    );
    const { items } = JSON.parse(stdout) as { items: NetworkPolicy[] };
    await sandbox.edit(profile, { baseline: { dns: 'Deny' } });
    await sandbox.ready(profile);
    const standing = await sandbox.policies(namespaces[0] ?? '');
    assert.deepEqual(
      byName(
        items.map(({ metadata, spec }) => ({ name: metadata.name, spec, owners: metadata.ownerReferences })),
      ),
      byName(
        standing.map(({ metadata, spec }) => ({
          name: metadata.name,
          spec,
          owners: metadata.ownerReferences,
        })),
      ),
    );
  });

  it('shows as diff what a changed manifest would change, and no difference once it is applied', async () => {
    const { metadata, spec } = await sandbox.readProfile(profile);
    const rule = { name: 'to-web', to: [{ namespaces: [namespaces[0]] }], ports: [{ port: 8080 }] };
    const changed = {
      metadata: { name: metadata.name },
      spec: { ...spec, egress: [...(spec.egress ?? []), rule] },
    };
    const manifest = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile', ...changed };
    const file = directoryFor(JSON.stringify(manifest));
    const { code, stdout, stderr } = await inCluster(`diff -f ${file}`);
    assert.equal(code, 1, stderr);
    assert.match(
      stdout,
      new RegExp(`^  ~ ${profile}\\.egress  in 2 namespaces: ${namespaces.join(', ')}$`, 'm'),
    );
    assert.match(stdout, new RegExp(`\\+ to all pods of ${namespaces[0]} on TCP 8080  \\(to-web\\)`));
    await sandbox.edit(profile, { egress: changed.spec.egress });
    await sandbox.ready(profile);
    assert.deepEqual((await inCluster(`diff -f ${file} -o name`)).stdout, '');
  });

  it('explains flows by the policies in the cluster', async () => {
    const { code, stdout } = await inCluster(`explain web ${namespaces[1]}/db --port 80 -n ${namespaces[0]}`);
    assert.equal(code, 2, stdout);
    const outside = await inCluster(`explain 10.2.0.1 ${namespaces[0]}/web --port 8080`);
    assert.equal(outside.code, 0, outside.stderr);
    assert.match(
      outside.stdout,
      new RegExp(`allowed by rule from-team of profile ${profile} \\(.*\\): One team works together\\.`),
    );
    assert.equal((await inCluster(`explain 10.1.0.1 ${namespaces[0]}/web --port 8080`)).code, 1);
  });

  it('explains denied flows of logs that have only addresses, from the start of a pod on', async () => {
    const { status } = await sandbox.read(`/api/v1/namespaces/${namespaces[0]}/pods/web`);
    const { podIP, startTime } = status as { podIP: string; startTime: string };
    const end = Math.ceil(Date.parse(startTime) / 1000) + 60;
    const record = (source: string, time: number) =>
      `2 123456789012 eni-1 ${source} ${podIP} 41000 8080 6 1 40 ${time - 60} ${time} REJECT OK\n`;
    const stdin = record('10.1.0.1', end) + record('10.2.0.1', end + 60) + record('10.1.0.9', end - 3600);
    const { code, stdout, stderr } = await cli(`denied --flows - --kubeconfig ${plane.kubeconfig}`, {
      stdin,
    });
    assert.equal(code, 1, stderr);
    assert.deepEqual(stdout.match(/^(ALLOWED|DENIED) .*/gm), [
      `ALLOWED  10.2.0.1 → ${namespaces[0]}/pod/web  TCP 8080`,
      `DENIED  10.1.0.1 → ${namespaces[0]}/pod/web  TCP 8080`,
    ]);
    assert.match(stdout, /^1 denied flow could not be mapped: notes say why$/m);
    assert.match(stderr, new RegExp(`belonged to a pod or Service that is gone: ${podIP}`));
  });

  it('shows in status which namespaces are enforced, open and protected', async () => {
    const open = await sandbox.namespace('open', null);
    await sandbox.pod(open, 'legacy', { app: 'legacy' });
    const { code, stdout } = await inCluster('status');
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^${namespaces[0]} +Enforced +${profile} +1/1 +1/1$`, 'm'));
    assert.match(stdout, new RegExp(`^${open} +Open +- +0/1 +0/1$`, 'm'));
    assert.match(stdout, /^kube-system +Protected/m);
    assert.match(stdout, new RegExp(`${open}: its only pod is open both ways`));
    assert.match(stdout, new RegExp(`^${profile} +Enforce +2/2 +\\d+ +True +Enforced$`, 'm'));
  });

  it('names in status a policy that was deleted while no operator runs', async () => {
    await operators.end();
    await sandbox.deletePolicy(namespaces[0] ?? '', `${profile}.default-deny`);
    const { stdout } = await inCluster(`status -n ${namespaces[0]}`);
    assert.match(stdout, new RegExp(`^${namespaces[0]} +Pending`, 'm'));
    assert.match(stdout, new RegExp(`1 policy missing or changed: ${profile}\\.default-deny`));
  });

  it('names the missing permission, and the ClusterRole that grants it', async () => {
    const kubeconfig = await plane.serviceAccountKubeconfig(namespaces[0] ?? '', 'default');
    const { code, stderr } = await cli(`status --kubeconfig ${kubeconfig}`);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^error: you may not list \w+ in all namespaces; ask for a ClusterRole with the verb list on/,
    );
  });

  it('names the server that it can not reach', async () => {
    const directory = directoryFor(
      `apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]\ncontexts: [{name: c, context: {cluster: c, user: c}}]\nusers: [{name: c, user: {}}]\n`,
    );
    const { code, stderr } = await cli(`status --kubeconfig ${directory}/file.yaml`);
    assert.equal(code, 2);
    assert.match(stderr, /^error: http:\/\/127\.0\.0\.1:1 can't be reached: .*ECONNREFUSED/);
  });
});

function directoryFor(text: string): string {
  return directoryOf({ 'file.yaml': text });
}

function byName<T extends { readonly name: string; readonly namespace?: string | undefined }>(
  list: T[],
): T[] {
  return list.sort((a, b) => (`${a.namespace}/${a.name}` < `${b.namespace}/${b.name}` ? -1 : 1));
}
