/**
 * Hostile but acceptable manifests, and three parties that have to agree: the real API server stores them, the plugin
 * reads them, and the evaluator gives the same verdicts on both.
 */
import assert from 'node:assert/strict';
import { Readable, Writable } from 'node:stream';
import fc from 'fast-check';
import { compileView } from '../../../src/analysis/evaluator.ts';
import type { Endpoint } from '../../../src/analysis/cluster.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { partsOf, readManifests } from '../../../src/cli/snapshot/manifests.ts';
import { ObjectSet } from '../../../src/snapshot/objects.ts';
import { MANIFESTS } from '../../../src/snapshot/input.ts';
import { Snapshot } from '../../../src/snapshot/snapshot.ts';
import { decodeText, readDocuments } from '../../../src/manifests/documents.ts';
import { CLUSTER_DEFAULTS } from '../../../src/options/cluster-defaults.ts';
import { specKey } from '../../../src/policy/semantics/normalize.ts';
import { errorMessage } from '../../../src/util/error-message.ts';
import { skipOnOtherVersion } from './version.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { HostileWriter, randomOf, withNulls } from '../../manifests/hostile-yaml.ts';
import { KINDS_UNDER_TEST, type KindUnderTest } from '../../manifests/objects.ts';

/** More manifests on demand: docs/development.md. */
const FACTOR = Number(process.env['MANIFEST_RUNS'] ?? 1);
const SEED = Number(process.env['MANIFEST_SEED'] ?? 20_261_129);
const STREAMS = 60 * FACTOR;

interface Given {
  readonly kind: KindUnderTest;
  readonly object: Record<string, unknown>;
}

const given: fc.Arbitrary<Given> = fc.oneof(
  ...KINDS_UNDER_TEST.map((kind) => ({
    // Policies are the point; the other kinds say whom they select.
    weight: kind.kind === 'NetworkPolicy' ? 6 : 1,
    arbitrary: kind.valid.map((object) => ({ kind, object })),
  })),
);
const streams = fc.tuple(fc.array(given, { minLength: 1, maxLength: 6 }), fc.nat());

describe('the reading of hostile manifests', () => {
  let plane: ControlPlane;

  before(async function () {
    plane = await sharedControlPlane();
    await skipOnOtherVersion(this, plane);
  });

  it('gives the objects that the API server stores, and the same verdicts', async function () {
    this.timeout(120_000 * FACTOR);
    let policies = 0;
    for (const [objects, seed] of fc.sample(streams, { numRuns: STREAMS, seed: SEED })) {
      policies += await compare(objects.map(named), seed);
    }
    assert.ok(policies > STREAMS, `only ${policies} policies were compared`);
  });

  it('gives the objects that kubectl sends', async () => {
    for (const [objects, seed] of fc.sample(streams, { numRuns: 8, seed: SEED })) {
      const random = randomOf(seed);
      const nulled = objects.map(named).map(({ object }) => withNulls(object, random));
      const text = new HostileWriter(random, { nestsLists: false }).stream(nulled);
      const args = ['create', '--dry-run=client', '--validate=ignore', '-o', 'json', '-f', '-'];
      const sent = readDocuments(await plane.kubectlRun(args, { stdin: text }));
      assert.deepEqual(
        sent.flatMap(({ value }) => partsOf(value)).map(({ value }) => (value as { spec?: unknown }).spec),
        nulled.map(({ spec }) => spec),
        text,
      );
      const read = readDocuments(decodeText(Buffer.from(text))).flatMap(({ value }) => partsOf(value));
      assert.deepEqual(
        read.map(({ value }) => value),
        nulled,
      );
    }
  });

  it('gives the same of a large manifest', async () => {
    const [policy] = KINDS_UNDER_TEST;
    assert.ok(policy);
    const peers = Array.from({ length: 4000 }, (_, index) => ({
      ipBlock: {
        cidr: `10.${index >> 8}.${index & 255}.0/24`,
        except: [`10.${index >> 8}.${index & 255}.128/25`],
      },
    }));
    const object = {
      apiVersion: policy.apiVersion,
      kind: policy.kind,
      metadata: { name: 'huge', namespace: 'default', annotations: { note: 'é日本😀 '.repeat(5000) } },
      spec: { podSelector: {}, ingress: [{ from: peers }] },
    };
    assert.equal(await compare([{ kind: policy, object }], 1), 1);
  });

  /** Resolves to the number of policies. */
  async function compare(objects: readonly Given[], seed: number): Promise<number> {
    const random = randomOf(seed);
    const nulled = objects.map(({ kind, object }) => ({ kind, object: withNulls(object, random) }));
    const text = new HostileWriter(random).stream(nulled.map(({ object }) => object));
    const stored = new ObjectSet();
    for (const each of nulled) {
      const answer = await store(each.kind, new HostileWriter(random).document(each.object));
      stored.put(each.kind.kind, answer);
    }
    const read = await readText(text);
    const [there, here] = [snapshotOf(stored), snapshotOf(read)];
    assert.deepEqual(summaryOf(here), summaryOf(there), text);
    assert.deepEqual(verdictsOf(here), verdictsOf(there), text);
    return here.policies.length;
  }

  /** The object as the API server would store it, from YAML. */
  async function store(kind: KindUnderTest, yaml: string): Promise<KubeObject> {
    const query = 'dryRun=All&fieldValidation=Strict';
    try {
      const path = `${kind.path('default')}?${query}`;
      return (await plane.admin.postText(path, yaml, 'application/yaml')) as KubeObject;
    } catch (error) {
      throw new Error(`${errorMessage(error)}\n${yaml}`, { cause: error });
    }
  }
});

/** Unique names, so that each object of a stream is one of its own. */
function named({ kind, object }: Given, index: number): Given {
  const metadata = { ...(object['metadata'] as object), name: `${kind.kind.toLowerCase()}-${index}` };
  return {
    kind,
    object: { ...object, metadata: { ...metadata, ...(kind.isNamespaced && { namespace: 'default' }) } },
  };
}

async function readText(text: string): Promise<ObjectSet> {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
  const process = {
    env: {},
    cwd: '/',
    stdin: Readable.from([Buffer.from(text)]),
    stdout: sink,
    stderr: sink,
  };
  return (await readManifests({ files: ['-'], kustomizations: [], namespace: 'default' }, process)).objects;
}

function snapshotOf(objects: ObjectSet): Snapshot {
  return new Snapshot({
    objects,
    assumed: [],
    unread: new Map(),
    configuration: CLUSTER_DEFAULTS,
    protectedNamespaces: [],
    origin: MANIFESTS,
    isObserved: true,
    namespace: 'default',
  });
}

/** Labels that the API server writes on the template of a Job. */
const RUN_LABEL = /(^|\/)(controller-uid|job-name)$/;

/** The fields that commands read, without those that only the API server sets. */
function summaryOf({ pods, policies, services, namespaces, facts }: Snapshot): object {
  return {
    pods: pods.map(
      ({ namespace, name, labels, ports = [], hostNetwork = false, serviceAccount, workload }) => ({
        namespace,
        name,
        labels: Object.fromEntries(Object.entries(labels).filter(([key]) => !RUN_LABEL.test(key))),
        ports: ports.map(({ name: portName, containerPort, protocol = 'TCP' }) => ({
          portName,
          containerPort,
          protocol,
        })),
        hostNetwork,
        serviceAccount,
        workload,
      }),
    ),
    policies: policies.map(({ metadata, spec }) => ({
      name: metadata.name,
      namespace: metadata.namespace,
      labels: metadata.labels ?? {},
      annotations: metadata.annotations ?? {},
      spec: specKey(spec),
    })),
    services: services.map(({ name, namespace, selector, type, ports }) => ({
      name,
      namespace,
      selector: selector ?? {},
      type: type || 'ClusterIP',
      ports: ports.map(({ port, targetPort, protocol = 'TCP', name: portName }) => ({
        port,
        // Zero and absent mean the port itself.
        targetPort: targetPort || port,
        protocol,
        portName,
      })),
      endpoints: facts.endpoints(namespace, name),
    })),
    namespaces: namespaces.map(({ name, labels }) => ({
      name,
      labels: { ...labels, 'kubernetes.io/metadata.name': name },
    })),
  };
}

const PORTS = [80, 8080, 53, 100] as const;
const PROTOCOLS = ['TCP', 'UDP'] as const;

/** Verdicts between probe pods that labels of the generated selectors tell apart, and an address. */
function verdictsOf({ policies }: { readonly policies: readonly NetworkPolicy[] }): readonly boolean[] {
  const pod = (name: string, labels: Record<string, string>, ip: string) => ({
    namespace: 'default',
    name,
    labels,
    ips: [ip],
    ports: [
      { name: 'http', containerPort: 8080 },
      { name: 'dns-tcp', containerPort: 53 },
    ],
  });
  const pods = [
    pod('bare', {}, '10.0.0.1'),
    pod('web', { app: 'web', team: '' }, '10.1.0.1'),
    pod('db', { app: 'db', team: 'x_y.z', 'a.b/c': 'web' }, '192.168.0.1'),
  ];
  const namespaces = [{ name: 'default', labels: {} }];
  const evaluator = compileView({ namespaces, policies });
  const ends: Endpoint[] = [
    ...pods.map((each) => ({ kind: 'pod' as const, pod: each })),
    { kind: 'external', ip: '10.1.2.3' },
  ];
  return ends.flatMap((from) =>
    ends
      .filter((to) => to !== from && (from.kind === 'pod' || to.kind === 'pod'))
      .flatMap((to) =>
        PORTS.flatMap((port) =>
          PROTOCOLS.map((protocol) => evaluator.verdict({ from, to, port, protocol }).allowed),
        ),
      ),
  );
}
