/**
 * Records what this version leaves in a cluster: its manifests, and the objects that are stored once it has done its
 * work. Done once, before a release; the test of upgrades starts from each recorded version.
 *
 *   npm run record:release -- v0.2.0     writes test/fixtures/upgrade/v0.2.0
 *
 * A release is refused as long as the Dockerfile's bases are not pinned by digest; a pre-release (v0.2.0-rc.1) is not.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { localCluster } from './demo/cluster.ts';
import { DemoOperator } from './demo/operator.ts';
import { unpinned } from './images/dockerfile.ts';
import { crdEstablished } from '../test/env/plane/crd.ts';
import { errorMessage } from '../src/util/error-message.ts';

const root = join(import.meta.dirname, '..');
const fixtures = join(root, 'test/fixtures/upgrade');
const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';
/** Stands in the recorded policies for the port of the API server. */
const API_SERVER_PORT = 6443;
/** What the version works on, in the order in which it is stored again. */
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

try {
  await record(process.argv[2] ?? '');
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}

async function record(version: string): Promise<void> {
  if (!/^v\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) throw new Error('usage: npm run record:release -- vX.Y.Z');
  const directory = join(fixtures, version);
  if (existsSync(directory))
    throw new Error(`${directory} is there already: what was released does not change`);

  // Before anything has a version of its own that people will build.
  const problems = version.includes('-') ? [] : unpinned(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  if (problems.length > 0) {
    throw new Error([...problems, 'A release is built from what is pinned: npm run pin:images'].join('\n'));
  }
  const cluster = await localCluster();
  try {
    const manifests = await cluster.kubectl(['kustomize', join(root, 'config/default')]);
    await cluster.kubectl(['apply', '-k', join(root, 'config/default')]);
    await crdEstablished((args) => cluster.kubectl(args));
    for (const file of INPUTS) await cluster.kubectl(['apply', '-f', join(root, file)]);

    const operator = new DemoOperator(await cluster.serviceAccountKubeconfig(NAMESPACE, OPERATOR));
    await operator.metrics;
    await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'segp', '--all']);
    await operator.stop();

    const get = async (...args: readonly string[]) => {
      const list = await cluster.kubectl(['get', ...args, '-o', 'json']);
      return (JSON.parse(list) as { items: Stored[] }).items.map(portable);
    };
    const inputs = (
      await Promise.all(
        INPUTS.slice(0, 2).map((file) =>
          cluster.kubectl(['create', '--dry-run=client', '-o', 'yaml', '-f', join(root, file)]),
        ),
      )
    ).flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Stored));
    const managed = `app.kubernetes.io/managed-by=${OPERATOR}`;
    const policies = await get('networkpolicies', '--all-namespaces', '-l', managed);
    // It differs from one local control plane to the next.
    const port = await cluster.kubectl([
      'get',
      'endpointslice',
      'kubernetes',
      '-o',
      'jsonpath={.ports[0].port}',
    ]);
    const portOfServer = new RegExp(`\\bport: ${port}$`, 'gm');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'install.yaml'), manifests);
    writeFileSync(join(directory, 'cluster.yaml'), stream(inputs));
    writeFileSync(join(directory, 'profiles.yaml'), stream(await get('segmentationprofiles')));
    writeFileSync(
      join(directory, 'policies.yaml'),
      stream(policies).replaceAll(portOfServer, `port: ${API_SERVER_PORT}`),
    );
    console.log(`${directory}: ${policies.length} policies`);
  } finally {
    await cluster.stop();
  }
}

/** An object without what the API server gives each anew. */
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
