/**
 * The demonstration: a cluster, a shop of several namespaces, the sample profiles, and the operator under its own
 * ServiceAccount. It shows the result and stays until Ctrl-C.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DemoCluster, existingCluster, localCluster } from './demo/cluster.ts';
import { DemoOperator, narrate } from './demo/operator.ts';
import { readArguments } from './entry.ts';
import { crdEstablished } from '../test/env/plane/crd.ts';
import { errorMessage } from '../src/util/error-message.ts';

const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';
const config = join(import.meta.dirname, '../config');
/** Longest wait for workloads, in milliseconds. */
const PODS_TIMEOUT_MS = 60_000;
const PODS = 8;

const { flags } = readArguments({
  command: 'npm start',
  summary:
    'Shows the operator at work on a local control plane of its own (etcd, kube-apiserver, kube-controller-manager).',
  flags: {
    context: {
      value: 'NAME',
      help: 'use the existing cluster of this context of your kubeconfig instead',
    },
  },
});

const stopping = new AbortController();
/** Steps that undo the demonstration; the last one runs first. */
const undo: (() => Promise<void>)[] = [];

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The second signal, or one before there is anything to undo, ends at once. Children end with this process.
    if (stopping.signal.aborted || undo.length === 0) process.exit(130);
    stopping.abort();
  });
}

try {
  await demonstrate(flags.context);
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

async function demonstrate(context: string | undefined): Promise<void> {
  console.log('One SegmentationProfile, correct NetworkPolicies in every namespace it selects.\n');
  const step = stepPrinter();

  const cluster = context === undefined ? await localCluster() : await existingCluster(context);
  undo.push(() => cluster.stop());
  step('cluster', cluster.title);
  if (cluster.existing) await refuseSecondOperator(cluster);

  await install(cluster);
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

  await showResult(cluster);
  invite(cluster, metrics);
  operator.follow((line) => {
    const told = narrate(line);
    if (told !== undefined) console.log(`  ${told}`);
  });
  const failure = await Promise.race([
    operator.ended.then(() => new Error('the operator ended unexpectedly')),
    once(stopping.signal, 'abort').then(() => undefined),
    ...(cluster.ended === undefined ? [] : [cluster.ended()]),
  ]);
  if (failure !== undefined && !stopping.signal.aborted) throw failure;
}

/** Prints each step with the time since the last one; throws at a step if the demonstration is being stopped. */
function stepPrinter(): (title: string, text: string) => void {
  let started = performance.now();
  return (title, text) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`  ${title.padEnd(10)} ${text.padEnd(67)} ${seconds.padStart(5)} s`);
    started = performance.now();
    stopping.signal.throwIfAborted();
  };
}

async function install(cluster: DemoCluster): Promise<void> {
  await cluster.kubectl(['apply', '-f', join(config, 'manager/namespace.yaml')]);
  await cluster.kubectl(['apply', '--server-side', '-k', join(config, 'crd')]);
  await cluster.kubectl(['apply', '-k', join(config, 'rbac')]);
  await cluster.kubectl(['apply', '-k', join(config, 'fence')]);
  await cluster.kubectl(['apply', '-k', join(config, 'admission')]);
  await cluster.kubectl(['apply', '-k', join(config, 'workloads')]); // for the sample restricted-tenant
  await crdEstablished((args) => cluster.kubectl(args));
}

async function showResult(cluster: DemoCluster): Promise<void> {
  const own = `app.kubernetes.io/managed-by=${OPERATOR}`;
  const conditions = String.raw`jsonpath={range .status.conditions[*]}{.type}={.status}  {.message}{"\n"}{end}`;
  await show(cluster, ['get', 'segmentationprofiles']);
  await show(cluster, ['get', 'networkpolicies', '--all-namespaces', '-l', own]);
  await show(cluster, ['get', 'segp', 'shop', '-o', conditions]);
}

function invite(cluster: DemoCluster, metrics: string): void {
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
      "The operator's activity is shown below. Ctrl-C ends it.",
      '',
    ].join('\n'),
  );
}

/** Two operators do not fight, but this one would show the work of the other. */
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

/** The number of the shop's pods that run; waits for all of them, which takes a while on an existing cluster. */
async function runningPods(cluster: DemoCluster): Promise<number> {
  const deadline = performance.now() + PODS_TIMEOUT_MS;
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
    if (running === PODS || performance.now() > deadline) return running;
    await sleep(200, undefined, { signal: stopping.signal });
  }
}

async function show(cluster: DemoCluster, args: readonly string[]): Promise<void> {
  const shown = args.map((arg) => (arg.includes(' ') || arg.includes('{') ? `'${arg}'` : arg)).join(' ');
  const output = (await cluster.kubectl(args)).trimEnd();
  console.log(`\n$ kubectl ${shown}\n${output}`);
}

/** Deletes the profiles while the operator runs, so that it removes their policies; then the shop. */
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
      '  kubectl delete -k config/workloads && kubectl delete -k config/admission\n' +
      '  kubectl delete -k config/fence && kubectl delete -k config/rbac && kubectl delete -k config/crd\n' +
      `  kubectl delete namespace ${NAMESPACE}`,
  );
  return Promise.resolve();
}
