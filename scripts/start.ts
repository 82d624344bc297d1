// The demonstration: a cluster, a shop of several namespaces, the sample profiles, and the operator under its own
// ServiceAccount. It shows what came of it and stays until Ctrl-C.
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type DemoCluster, existingCluster, localCluster } from './demo/cluster.ts';
import { DemoOperator, narrate } from './demo/operator.ts';
import { crdEstablished } from '../test/env/plane/crd.ts';
import { errorMessage } from '../src/util/error-message.ts';

const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';
const config = join(import.meta.dirname, '../config');
/** Longest wait for workloads and profiles, in milliseconds. */
const PATIENCE = 60_000;

const USAGE = `usage: npm start [-- --context NAME]

Shows the operator at work on a local control plane of its own (etcd, kube-apiserver, kube-controller-manager).

  --context NAME   use the existing cluster of this context of your kubeconfig instead`;

const stopping = new AbortController();
/** What has to be undone, the latest first. */
const undo: (() => Promise<void>)[] = [];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second time, or before there is anything to end in order: at once. Children go with this process.
    if (stopping.signal.aborted || undo.length === 0) process.exit(130);
    stopping.abort();
  });
}

const { context, help } = readArguments();
if (help) console.log(USAGE);
else {
  try {
    await demonstrate();
  } catch (error) {
    if (!stopping.signal.aborted) {
      console.error(`\n${errorMessage(error)}`);
      process.exitCode = 1;
    }
  }
  if (undo.length > 0) console.log('\nEnding ...');
  for (const step of undo.toReversed()) {
    await step().catch((error: unknown) => console.error(errorMessage(error)));
  }
}

function readArguments(): { context: string | undefined; help: boolean } {
  try {
    const { values } = parseArgs({
      options: { context: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
    return { context: values.context, help: values.help ?? false };
  } catch (error) {
    console.error(`${errorMessage(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function demonstrate(): Promise<void> {
  console.log('One SegmentationProfile, correct NetworkPolicies in every namespace it selects.\n');
  let started = performance.now();
  const step = (title: string, text: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`  ${title.padEnd(10)} ${text.padEnd(67)} ${seconds.padStart(5)} s`);
    started = performance.now();
    stopping.signal.throwIfAborted();
  };

  const cluster = context === undefined ? await localCluster() : await existingCluster(context);
  undo.push(() => cluster.stop());
  step('cluster', cluster.title);
  if (cluster.existing) await refuseSecondOperator(cluster);

  await cluster.kubectl(['apply', '-f', join(config, 'manager/namespace.yaml')]);
  await cluster.kubectl(['apply', '--server-side', '-k', join(config, 'crd')]);
  await cluster.kubectl(['apply', '-k', join(config, 'rbac')]);
  await cluster.kubectl(['apply', '-k', join(config, 'fence')]);
  await cluster.kubectl(['apply', '-k', join(config, 'admission')]);
  await crdEstablished((args) => cluster.kubectl(args));
  step('install', 'CRD, ServiceAccount, RBAC, fence and admission policies of config/');

  if (cluster.existing) undo.push(() => farewell(cluster));
  await cluster.kubectl(['apply', '-f', join(config, 'samples/shop/namespaces.yaml')]);
  await cluster.kubectl(['apply', '-f', join(config, 'samples/shop/workloads.yaml')]);
  const pods = await runningPods(cluster);
  step('shop', `3 namespaces, 5 workloads, ${pods} pods running, all open to each other`);

  const operator = new DemoOperator(await cluster.serviceAccountKubeconfig(NAMESPACE, OPERATOR));
  undo.push(() => operator.stop());
  if (cluster.existing) undo.push(() => removeSamples(cluster));
  const metrics = await operator.metrics;
  step('operator', `running as ServiceAccount ${NAMESPACE}/${OPERATOR}`);

  await cluster.kubectl(['apply', '-k', join(config, 'samples')]);
  await cluster.kubectl(['apply', '-f', join(config, 'samples/shop/profile.yaml')]);
  await cluster.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'segmentationprofile', '--all']);
  step('profiles', 'applied, and Ready');

  await show(cluster, ['get', 'segmentationprofiles']);
  await show(cluster, [
    'get',
    'networkpolicies',
    '--all-namespaces',
    '-l',
    `app.kubernetes.io/managed-by=${OPERATOR}`,
  ]);
  await show(cluster, [
    'get',
    'segp',
    'shop',
    '-o',
    String.raw`jsonpath={range .status.conditions[*]}{.type}={.status}  {.message}{"\n"}{end}`,
  ]);
  console.log(
    [
      '',
      'Try it in another terminal:',
      ...cluster.preparation.map((line) => `  ${line}`),
      '  kubectl describe segp shop',
      '  kubectl -n shop-checkout delete networkpolicy --all        # back in a moment',
      '  kubectl label namespace default segmentation.dev/profile-class=strict',
      '  kubectl delete segp shop                                   # its policies go, in order',
      `  curl -s ${metrics}/metrics | grep ^segmentation_`,
      '',
      'What the operator does is told below. Ctrl-C ends it.',
      '',
    ].join('\n'),
  );
  operator.follow((line) => {
    const told = narrate(line);
    if (told !== undefined) console.log(`  ${told}`);
  });
  await Promise.race([operator.ended, once(stopping.signal, 'abort')]);
  if (!stopping.signal.aborted) throw new Error('the operator ended unexpectedly');
}

/** Two operators would not fight, but one would show what the other does. */
async function refuseSecondOperator(cluster: DemoCluster): Promise<void> {
  const found = await cluster.kubectl([
    '-n',
    NAMESPACE,
    'get',
    'deployment',
    OPERATOR,
    '--ignore-not-found',
    '-o',
    'name',
  ]);
  if (found.trim() !== '') {
    throw new Error(
      `The operator is installed in this cluster already (${NAMESPACE}/${OPERATOR}). Apply profiles to it directly: ` +
        'kubectl apply -k config/samples/shop',
    );
  }
}

/** How many pods of the shop run. On an existing cluster with nodes of its own this can take a little. */
async function runningPods(cluster: DemoCluster): Promise<number> {
  const deadline = performance.now() + PATIENCE;
  for (;;) {
    const phases = await Promise.all(
      ['shop-storefront', 'shop-checkout', 'shop-payments'].map((namespace) =>
        cluster.kubectl(['-n', namespace, 'get', 'pods', '-o', 'jsonpath={.items[*].status.phase}']),
      ),
    );
    const running = phases
      .join(' ')
      .split(' ')
      .filter((phase) => phase === 'Running').length;
    if (running === 8 || performance.now() > deadline) return running;
    await sleep(200, undefined, { signal: stopping.signal });
  }
}

async function show(cluster: DemoCluster, args: readonly string[]): Promise<void> {
  const shown = args.map((arg) => (arg.includes(' ') || arg.includes('{') ? `'${arg}'` : arg)).join(' ');
  const output = (await cluster.kubectl(args)).trimEnd();
  console.log(`\n$ kubectl ${shown}\n${output}`);
}

/** The profiles go while the operator runs, so that it removes their policies; then the shop. */
async function removeSamples(cluster: DemoCluster): Promise<void> {
  await cluster.kubectl(['delete', '-k', join(config, 'samples'), '--ignore-not-found', '--timeout=60s']);
  await cluster.kubectl([
    'delete',
    '-f',
    join(config, 'samples/shop/profile.yaml'),
    '--ignore-not-found',
    '--timeout=60s',
  ]);
  await cluster.kubectl([
    'delete',
    '-f',
    join(config, 'samples/shop/namespaces.yaml'),
    '--ignore-not-found',
    '--wait=false',
  ]);
}

function farewell(cluster: DemoCluster): Promise<void> {
  console.log(
    `The sample profiles and the shop are removed from ${cluster.title}. Still there, as other profiles may depend on it:\n` +
      '  kubectl delete -k config/admission && kubectl delete -k config/fence\n' +
      '  kubectl delete -k config/rbac && kubectl delete -k config/crd\n' +
      `  kubectl delete namespace ${NAMESPACE}`,
  );
  return Promise.resolve();
}
