/**
 * Records the objects of this version in a cluster, its manifests and the policies of sample profiles, into
 * test/fixtures/upgrade/VERSION. The test of upgrades starts from each recorded version.
 *
 * A release requires that the Dockerfile's bases are pinned by digest; a pre-release (v0.2.0-rc.1) does not.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { type DemoCluster, localCluster } from '../demo/cluster.ts';
import { DemoOperator } from '../demo/operator.ts';
import { readArguments, runScript } from '../entry.ts';
import { unpinned } from '../images/dockerfile.ts';
import { crdEstablished } from '../../test/env/plane/crd.ts';

const root = join(import.meta.dirname, '../..');
const fixtures = join(root, 'test/fixtures/upgrade');
const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';
/** Replaces the API server's port in recorded policies: it differs from one local control plane to the next. */
const API_SERVER_PORT = 6443;
/** The objects that are applied, in this order. */
const INPUTS = [
  'config/samples/shop/namespaces.yaml',
  'config/samples/shop/workloads.yaml',
  'config/samples/shop/profile.yaml',
  'config/samples/strict.yaml',
  'config/samples/tenant-isolation.yaml',
  'config/samples/internet-egress.yaml',
  'test/fixtures/upgrade/profiles.yaml',
];

interface Stored {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

const { words, refuse } = readArguments({
  command: 'npm run record:release',
  summary: 'Records the objects of this version in a cluster, from which the test of upgrades starts.',
  flags: {},
  words: 'vX.Y.Z',
});
const [version = ''] = words;
if (words.length !== 1 || !/^v\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  refuse('one version is needed, such as v0.2.0');
await runScript(() => record(version));

async function record(version: string): Promise<void> {
  const directory = join(fixtures, version);
  if (existsSync(directory)) throw new Error(`${directory} exists already: a release does not change`);
  const problems = version.includes('-') ? [] : unpinned(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  if (problems.length > 0) {
    throw new Error([...problems, 'A release needs pinned bases: npm run pin:images'].join('\n'));
  }
  const cluster = await localCluster();
  try {
    await enforceSamples(cluster);
    const files = await recordedFiles(cluster);
    mkdirSync(directory, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
    console.log(`wrote ${Object.keys(files).join(', ')} to ${directory}`);
  } finally {
    await cluster.stop();
  }
}

/** Installs this version, applies the inputs, and stops the operator once all profiles are Ready. */
async function enforceSamples(cluster: DemoCluster): Promise<void> {
  await cluster.kubectl(['apply', '-k', join(root, 'config/default')]);
  await crdEstablished((args) => cluster.kubectl(args));
  for (const file of INPUTS) await cluster.kubectl(['apply', '-f', join(root, file)]);
  const operator = new DemoOperator(await cluster.serviceAccountKubeconfig(NAMESPACE, OPERATOR));
  await operator.metrics;
  await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'segp', '--all']);
  await operator.stop();
}

/** The texts of the fixture, by file. */
async function recordedFiles(cluster: DemoCluster): Promise<Readonly<Record<string, string>>> {
  const get = async (...args: readonly string[]) => {
    const list = await cluster.kubectl(['get', ...args, '-o', 'json']);
    return (JSON.parse(list) as { items: Stored[] }).items.map(portable);
  };
  const parsed = await Promise.all(
    INPUTS.slice(0, 2).map((file) =>
      cluster.kubectl(['create', '--dry-run=client', '-o', 'yaml', '-f', join(root, file)]),
    ),
  );
  const inputs = parsed.flatMap((text) =>
    parseAllDocuments(text).map((document) => document.toJS() as Stored),
  );
  const port = await cluster.kubectl([
    'get',
    'endpointslice',
    'kubernetes',
    '-o',
    'jsonpath={.ports[0].port}',
  ]);
  const managed = `app.kubernetes.io/managed-by=${OPERATOR}`;
  const policies = stream(await get('networkpolicies', '--all-namespaces', '-l', managed));
  return {
    'install.yaml': await cluster.kubectl(['kustomize', join(root, 'config/default')]),
    'cluster.yaml': stream(inputs),
    'profiles.yaml': stream(await get('segmentationprofiles')),
    'policies.yaml': policies.replaceAll(new RegExp(`\\bport: ${port}$`, 'gm'), `port: ${API_SERVER_PORT}`),
  };
}

/** The object without the fields that the API server sets anew for each object. */
function portable({ metadata, ...rest }: Stored): Stored {
  const { managedFields: _, creationTimestamp: _at, resourceVersion: _version, ...kept } = metadata;
  const { ['kubectl.kubernetes.io/last-applied-configuration']: _applied, ...annotations } =
    (kept['annotations'] as Record<string, string> | undefined) ?? {};
  const { annotations: _annotations, ...others } = kept;
  return {
    ...rest,
    metadata: { ...others, ...(Object.keys(annotations).length > 0 && { annotations }) },
  };
}

function stream(objects: readonly Stored[]): string {
  return objects.map((each) => stringify(each, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');
}
