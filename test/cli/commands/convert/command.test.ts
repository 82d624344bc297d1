/** `convert`: pairs of rules become connections only where no flow changes, and comments stay. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cli, directoryOf } from '../../cli.ts';

const HEAD = `# Keep: the head.
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata:
  name: shop
spec:
  namespaceSelector:
    matchLabels: {part-of: shop} # keep: the selector
`;
const PAIR = `${HEAD}  # keep: above egress
  egress:
    # keep: the client
    - name: a-to-b
      podSelector:
        matchLabels: {app: web}
      to:
        - namespaces: [b] # keep: the peer
          podSelector: {matchLabels: {app: api}}
      ports: [{port: 8080}]
    - name: to-world
      to: [{ipBlock: {cidr: 203.0.113.0/24}}] # keep: the address
      ports: [{port: 443}]
  ingress:
    - name: b-from-a
      description: Pages ask the API.
      podSelector: {matchLabels: {app: api}}
      from: [{namespaces: [a]}]
      ports: [{port: 8080}]
`;
const SHARED = `${HEAD}  egress:
    - {name: web-to-api, podSelector: {matchLabels: {app: web}}, to: [{namespaces: [b], podSelector: {matchLabels: {app: api}}}]}
    - {name: job-to-api, podSelector: {matchLabels: {app: job}}, to: [{namespaces: [b], podSelector: {matchLabels: {app: api}}}]}
  ingress:
    - name: api
      podSelector: {matchLabels: {app: api}}
      from:
        - {namespaces: [a], podSelector: {matchLabels: {app: web}}}
        - {namespaces: [c], podSelector: {matchLabels: {app: job}}}
`;
const workload = (namespace: string, app: string) => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${app}, namespace: ${namespace}}
spec: {selector: {matchLabels: {app: ${app}}}, template: {metadata: {labels: {app: ${app}}}, spec: {containers: [{name: a, image: a, ports: [{containerPort: 8080}]}]}}}
`;
const namespace = (name: string, labels = '{part-of: shop}') => `---
apiVersion: v1
kind: Namespace
metadata: {name: ${name}, labels: ${labels}}
`;
const CLUSTER = [
  ...['a', 'b', 'c'].map((name) => namespace(name)),
  workload('a', 'web'),
  workload('b', 'api'),
  workload('c', 'job'),
].join('');

describe('kubectl segmentation convert', () => {
  const directory = directoryOf({
    'cluster.yaml': CLUSTER,
    'open.yaml': CLUSTER.replace('{name: a, labels: {part-of: shop}}', '{name: a, labels: {}}'),
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  const inCluster = `-f ${directory}/cluster.yaml`;

  it('prints the connection that stands for an egress and an ingress rule, with all comments', async () => {
    const path = file('pair.yaml', PAIR);
    const { code, stdout, stderr } = await cli(`convert -f ${path} ${inCluster}`);
    assert.equal(code, 1, stdout + stderr);
    assert.match(stderr, /profile shop: 2 rules became 1 connection; no flow opens or closes/);
    assert.match(
      stdout,
      /^\+ {6}description: Pages ask the API\.\n\+ {6}from:\n\+ {8}- \{namespaces: \[a\], podSelector: \{matchLabels: \{app: web\}\}\}$/m,
    );
    assert.equal(readFileSync(path, 'utf8'), PAIR, 'the file is not changed');
  });

  it('changes the file with --write, in its order, so that diff finds no changed flow', async () => {
    const [path, original] = [file('written.yaml', PAIR), file('original.yaml', PAIR)];
    assert.equal((await cli(`convert --write -f ${path} ${inCluster}`)).code, 0);
    const text = readFileSync(path, 'utf8');
    const kept = [...PAIR.matchAll(/keep: [\w ]+|# Keep: .*/gi)].map(([comment]) => comment.trim());
    for (const comment of kept) assert.ok(text.includes(comment), `${comment} is lost:\n${text}`);
    assert.ok(text.startsWith(HEAD), text);
    assert.ok(text.indexOf('connections:') < text.indexOf('name: to-world'), text);
    const { stdout } = await cli(
      `diff --from ${original} --from ${directory}/cluster.yaml -f ${path} ${inCluster} -o json`,
    );
    const { flows } = JSON.parse(stdout) as { flows: object };
    assert.deepEqual(flows, { opened: [], closed: [] });
    const again = await cli(`convert -f ${path} ${inCluster}`);
    assert.equal(again.code, 0, again.stdout);
    assert.match(again.stderr, /no rule can be rewritten without a change of flows/);
  });

  it('quotes a namespace whose name kubectl would take for a boolean', async () => {
    const path = file('quoted.yaml', PAIR.replace('[{namespaces: [a]}]', '[{namespaces: ["y"]}]'));
    const cluster = file('quoted-cluster.yaml', CLUSTER.replaceAll(/(name|namespace): a\b/g, '$1: "y"'));
    const { stdout } = await cli(`convert -f ${path} -f ${cluster}`);
    assert.match(stdout, /^\+ {8}- \{namespaces: \["y"\]/m);
  });

  it('leaves a pair alone if the source is not isolated, as other pods would lose a flow', async () => {
    const path = file('open-source.yaml', PAIR);
    const { code, stdout } = await cli(`convert -f ${path} -f ${directory}/open.yaml`);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
  });

  it('makes no connection of rules that agree on no port', async () => {
    const path = file(
      'ports.yaml',
      PAIR.replace('ports: [{port: 8080}]\n    - name: to-world', 'ports: [{port: 9}]\n    - name: to-world'),
    );
    assert.doesNotMatch((await cli(`convert -f ${path} ${inCluster}`)).stderr, /became/);
  });

  it('scopes rules that are no pair to the namespaces that have their pods', async () => {
    const path = file('shared.yaml', SHARED);
    const { code, stdout, stderr } = await cli(`convert -f ${path} ${inCluster}`);
    assert.equal(code, 1, stdout + stderr);
    assert.match(
      stderr,
      /profile shop: scoped to namespaces: api, web-to-api, job-to-api; no flow opens or closes/,
    );
    assert.match(stdout, /^\+ {6}inNamespaces:\n\+ {8}names:\n\+ {10}- b$/m);
  });

  it('asks for the file of a profile', async () => {
    const { code, stderr } = await cli('convert --cluster');
    assert.equal(code, 2);
    assert.match(stderr, /name the file of the profile with -f/);
  });

  it('refuses to guess if selectors use more labels than can be tried', async () => {
    const many = Array.from({ length: 12 }, (_, index) => `k${index}: v`).join(', ');
    const path = file('many.yaml', PAIR.replace('{app: api}', `{${many}}`));
    const { code, stderr } = await cli(`convert -f ${path} ${inCluster}`);
    assert.equal(code, 2);
    assert.match(stderr, /selectors tell pods apart by too many labels/);
  });
});
