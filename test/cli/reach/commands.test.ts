import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ReachDocument } from '../../../src/cli/reach/text.ts';
import { cli, directoryOf } from '../cli.ts';
import { pageDataOf } from '../page/page-data-of.ts';

const MANIFESTS = `
apiVersion: v1
kind: Namespace
metadata: {name: front}
---
apiVersion: v1
kind: Namespace
metadata: {name: back, labels: {team: a}}
---
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: team-a}
spec:
  namespaceSelector: {matchLabels: {team: a}}
  isolation: [Ingress]
  ingress:
    - name: from-front
      from: [{namespaces: [front]}]
      ports: [{port: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: front}
spec: {replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: back}
spec: {replicas: 2, selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}}, spec: {containers: [{name: a, image: a}]}}}
`;

describe('kubectl segmentation matrix', () => {
  const options = { stdin: MANIFESTS };

  it('draws rows and columns in a terminal', async () => {
    const { code, stdout, stderr } = await cli('matrix -f -', {
      ...options,
      terminal: true,
      env: { NO_COLOR: '1' },
    });
    assert.equal(code, 0, stderr);
    assert.equal(
      stdout,
      [
        '              1 2 3',
        '1 back/api    · ● ●',
        '2 front/web   ○ ● ●',
        '3 any address · ● ·',
        '',
        'A row may talk to a column: ● on all ports, ○ on some, · not at all.',
        '',
      ].join('\n'),
    );
  });

  it('lists the ports in a pipe', async () => {
    const { stdout } = await cli('matrix -f -', options);
    assert.match(stdout, /^FROM +TO +PORTS$/m);
    assert.match(stdout, /^front\/web +back\/api +TCP 8080$/m);
    assert.equal((await cli('matrix -f - -o wide', options)).stdout, stdout);
  });

  it('says if policies allow nothing', async () => {
    const deny = 'spec: {podSelector: {}, policyTypes: [Ingress, Egress]}';
    const closed = `apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: back}\n${deny}`;
    const api = MANIFESTS.split('---').at(-1) ?? '';
    const { code, stdout, stderr } = await cli('matrix -f -', { stdin: [closed, api].join('\n---') });
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(
      stderr,
      /^note: policies allow no flow: neither between workloads, nor from or to addresses$/m,
    );
  });

  it('lists links if the matrix does not fit, and says so', async () => {
    const many = Array.from({ length: 60 }, (_, index) =>
      MANIFESTS.split('---').at(-1)?.replace('name: api', `name: api-${index}`),
    );
    const { stdout, stderr } = await cli('matrix -f -', {
      stdin: [MANIFESTS, ...many].join('---\n'),
      terminal: true,
    });
    assert.match(stdout, /^FROM +TO +PORTS$/m);
    assert.match(stderr, /63 rows and columns do not fit this terminal/);
  });

  it('groups pods by namespace with --by namespace', async () => {
    const { stdout } = await cli('matrix -f - --by namespace', options);
    assert.match(stdout, /^front +back +TCP 8080$/m);
  });

  it('is narrowed by -n to links with an end in the namespace', async () => {
    const { stdout } = await cli('matrix -f - -n back -o csv', options);
    assert.match(stdout, /^front,Deployment,web,back,Deployment,api,TCP 8080,yes\r$/m);
    assert.doesNotMatch(stdout, /front,Deployment,web,front/);
    const { code, stderr } = await cli('matrix -f - -n bak', options);
    assert.equal(code, 2);
    assert.match(stderr, /no namespace "bak" in the manifests \(did you mean "back"\?\)/);
  });

  it('prints JSON and YAML for programs', async () => {
    const { links } = JSON.parse((await cli('matrix -f - -o json', options)).stdout) as ReachDocument;
    assert.deepEqual(
      links.find(({ to }) => to === 'back/Deployment/api'),
      {
        from: 'front/Deployment/web',
        to: 'back/Deployment/api',
        ports: [{ protocol: 'TCP', from: 8080, to: 8080 }],
        partial: false,
      },
    );
    assert.match((await cli('matrix -f - -o yaml', options)).stdout, /^ {2}- from: front\/Deployment\/web$/m);
  });

  it('notes that there are no pods', async () => {
    const { code, stderr } = await cli('matrix -f -', {
      stdin: MANIFESTS.split('---').slice(0, 3).join('---'),
    });
    assert.equal(code, 0);
    assert.match(stderr, /there are no pods in manifests/);
  });
});

describe('kubectl segmentation graph', () => {
  const options = { stdin: MANIFESTS };
  const directory = directoryOf({});

  it('writes a page to a file, and to a pipe', async () => {
    const { code, stdout, stderr } = await cli('graph -f - --write page.html', {
      ...options,
      cwd: directory,
      terminal: true,
    });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /wrote page\.html: 3 groups, \d+ links/);
    assert.match(readFileSync(join(directory, 'page.html'), 'utf8'), /^<!doctype html>/);
    assert.match((await cli('graph -f -', options)).stdout, /^<!doctype html>/);
  });

  it('has the findings of audit in its page, unless told otherwise', async () => {
    const page = pageDataOf((await cli('graph -f -', options)).stdout);
    assert.equal(page.view, 'graph');
    assert.ok((page.audit?.findings.length ?? 0) > 0);
    assert.equal(pageDataOf((await cli('graph -f - --without-findings', options)).stdout).audit, undefined);
    const diagram = await cli('graph -f - -o dot --without-findings', options);
    assert.match(diagram.stderr, /--without-findings is for the page: a diagram has none/);
  });

  it('shows the links between namespaces in its page if those between workloads are too many', async () => {
    const manifest = (index: number) =>
      `{apiVersion: v1, kind: Pod, metadata: {name: p${index}, namespace: n${index % 10}}, spec: {containers: [{name: c, image: a}]}}`;
    const stdin = Array.from({ length: 650 }, (_, index) => manifest(index)).join('\n---\n');
    const whole = await cli('graph -f - --without-findings', { stdin });
    assert.match(whole.stderr, /more than 400000 links between workloads are allowed: .*; narrow it by -n/);
    const { groups, maxLinks } = pageDataOf(whole.stdout);
    assert.deepEqual([groups.length, maxLinks], [11, 400_000]);
    const part = pageDataOf((await cli('graph -f - --without-findings -n n3', { stdin })).stdout);
    assert.deepEqual([part.groups.length, part.maxLinks], [651, undefined]);
  });

  it('refuses to write a page to a terminal', async () => {
    const { code, stdout, stderr } = await cli('graph -f -', { ...options, terminal: true });
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /add --write segmentation\.html, or -o mermaid/);
  });

  it('writes diagrams, also by namespace', async () => {
    assert.match((await cli('graph -f - -o mermaid', options)).stdout, /^flowchart LR\n {2}subgraph/);
    const { stdout } = await cli('graph -f - -o dot --by namespace', options);
    assert.match(stdout, /n1 -> n0 \[label="TCP 8080"\];/);
    assert.match((await cli('graph -f - --by namespace', options)).stderr, /--by is for diagrams/);
  });

  it('names a file that can not be written, and the reason', async () => {
    const { code, stderr } = await cli('graph -f - --write no/such/folder.html', {
      ...options,
      cwd: directory,
    });
    assert.equal(code, 2);
    assert.match(stderr, /can't write no\/such\/folder\.html: /);
    assert.ok(!existsSync(join(directory, 'no')));
  });
});
