/** Manifests: files, directories, standard input, Lists, and the errors for those that can't be read. */
import assert from 'node:assert/strict';
import { parse, parseAllDocuments } from 'yaml';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { cli, directoryOf } from '../cli.ts';

const SHOP = 'config/samples/shop';
const PROFILE = `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: all}
spec: {namespaceSelector: {}}
`;
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 2, template: {metadata: {labels: {app: web}}, spec: {containers: []}}}
`;

async function names(line: string, stdin = ''): Promise<string[]> {
  const { code, stdout, stderr } = await cli(`render -o json ${line}`, { stdin });
  assert.equal(code, 0, stderr);
  const { items } = JSON.parse(stdout) as { items: NetworkPolicy[] };
  return items.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

describe('manifests', () => {
  const directory = directoryOf({
    'profile.yaml': PROFILE,
    'deep/er/web.yml': WEB,
    'notes.txt': 'no manifest',
    'empty.yaml': '# nothing\n---\n---\n',
    'namespace.json': JSON.stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels: { team: 'a' } },
    }),
  });
  const expected = ['shop/all.default-deny', 'shop/all.egress'];

  it('are read from a directory and its subdirectories', async () => {
    assert.deepEqual(await names(`-f ${directory}`), expected);
  });

  it('are read from files', async () => {
    assert.deepEqual(await names(`-f ${directory}/profile.yaml -f ${directory}/namespace.json`), expected);
  });

  it('are read from standard input, several documents in one text', async () => {
    assert.deepEqual(await names('-f -', `${PROFILE}---${WEB}`), expected);
  });

  it('are read from a List, as kubectl get prints it', async () => {
    const items = [parse(PROFILE), parse(WEB)] as unknown[];
    assert.deepEqual(
      await names('-f -', JSON.stringify({ apiVersion: 'v1', kind: 'List', items })),
      expected,
    );
  });

  it('are read from a list of one kind, whose items have no kind, as the API server returns it', async () => {
    const { spec, metadata } = parse(PROFILE) as { spec: object; metadata: object };
    const list = {
      apiVersion: 'segmentation.dev/v1alpha1',
      kind: 'SegmentationProfileList',
      items: [{ metadata, spec }],
    };
    assert.deepEqual(await names('-f -', `${JSON.stringify(list)}`.concat(`\n---${WEB}`)), expected);
  });

  it('are rendered as documents that kubectl apply reads', async () => {
    const { stdout } = await cli(`render -f ${directory}`);
    const documents = parseAllDocuments(stdout).map((each) => each.toJS() as NetworkPolicy);
    assert.deepEqual(
      documents.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
      expected,
    );
    assert.ok(
      documents.every(
        ({ apiVersion, kind }) => apiVersion === 'networking.k8s.io/v1' && kind === 'NetworkPolicy',
      ),
    );
  });

  it('are rendered to the same policies as YAML and as JSON', async () => {
    const json = await cli(`render -f ${SHOP} -o json`);
    const yaml = await cli(`render -f ${SHOP}`);
    const { items } = JSON.parse(json.stdout) as { items: unknown[] };
    assert.ok(items.length > 10);
    assert.deepEqual(
      parseAllDocuments(yaml.stdout).map((each) => each.toJS() as unknown),
      items,
    );
  });

  it('without a namespace are taken to be in default, or in the namespace of -n, with a note', async () => {
    const stdin = `${PROFILE}---${WEB.replace(', namespace: shop', '')}`;
    const first = await cli('render -o table -f -', { stdin });
    assert.match(first.stdout, /^default +all\.default-deny/m);
    assert.match(
      first.stderr,
      /note: objects without a namespace are taken to be in default \(-n NAME for another\)/,
    );
    const other = await cli('render -o table -f - -n mine', { stdin });
    assert.match(other.stdout, /^mine +all\.default-deny/m);
    assert.match(
      other.stderr,
      /note: there is no manifest of 1 namespace \(mine\): only the name is known, no other label/,
    );
  });

  const REFUSED: readonly [what: string, text: string, answer: RegExp][] = [
    [
      'that are no YAML',
      'a: [',
      /standard input:2: not valid YAML: Flow sequence in block collection must be/,
    ],
    [
      'that are templates',
      'metadata:\n  {{- with .Values.labels }}\n  labels: a\n  {{- end }}\n',
      /standard input:2: not valid YAML.*\(a Helm template\? Pipe what `helm template` prints instead\)/,
    ],
    [
      'without a name',
      'apiVersion: v1\nkind: Pod\nmetadata: {}\n',
      /standard input:1: this Pod has no metadata\.name/,
    ],
    [
      'of nothing that matters',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n',
      /-: no object of a kind that matters here/,
    ],
    [
      'of a kind that is misspelt',
      PROFILE.replace('SegmentationProfile', 'SegmentationProfil'),
      /standard input:2: segmentation\.dev\/v1alpha1 has no kind SegmentationProfil \(did you mean "SegmentationProfile"\?\)/,
    ],
    [
      'of another version',
      PROFILE.replace('v1alpha1', 'v2'),
      /apiVersion segmentation\.dev\/v2 is not known; write segmentation\.dev\/v1alpha1/,
    ],
    [
      'of a profile that is not valid',
      `${WEB}---${PROFILE.replace('{}', '{}, mode: audit')}`,
      /standard input:7: SegmentationProfile all is not valid:\n {2}spec\.mode: unsupported value "audit": supported values: "Enforce", "Audit"/,
    ],
  ];
  for (const [what, stdin, answer] of REFUSED) {
    it(`${what} are refused with exit code 2`, async () => {
      const { code, stderr } = await cli('render -f -', { stdin });
      assert.equal(code, 2);
      assert.match(stderr, answer);
    });
  }

  it('at a path that does not exist, or in a directory without manifests, are refused', async () => {
    assert.match((await cli('render -f nowhere')).stderr, /nowhere: no such file or directory/);
    assert.match(
      (await cli('render -f docs/decisions')).stderr,
      /docs\/decisions: no \.yaml, \.yml or \.json file in it or below/,
    );
  });

  it('with a peer that they do not resolve are rendered without its rule, with exit code 1', async () => {
    const stdin = PROFILE.replace(
      '{}}',
      '{}, egress: [{name: to-api, to: [{service: {namespace: a, name: b}}]}]}',
    ).concat('---', WEB);
    const { code, stderr, stdout } = await cli('render -o name -f -', { stdin });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /warning: profile all, rule to-api, in shop: service a\/b is not resolved: Service a\/b does not exist/,
    );
    assert.equal(stdout.split('\n').length, 3);
  });
});
