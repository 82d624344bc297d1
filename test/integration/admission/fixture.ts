// Requests by which tests of admission find out whether pods are refused, and in which order objects were created.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually } from '../../support/cluster.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const REFRESH = 30_000; // ms: the API server takes up bindings every second
let count = 0;

/** The message with which the API server refuses a pod in the namespace; undefined if it admits the pod. */
export async function refusal(
  plane: ControlPlane,
  namespace: string,
  { dryRun = true, account = 'default' }: { dryRun?: boolean; account?: string } = {},
): Promise<string | undefined> {
  const path = `/api/v1/namespaces/${namespace}/pods${dryRun ? '?dryRun=All' : ''}`;
  const metadata = { name: `pod-${++count}` };
  const spec = {
    containers: [{ name: 'main', image: 'main' }],
    serviceAccountName: account,
    terminationGracePeriodSeconds: 0,
  };
  try {
    await plane.admin.send('POST', path, { apiVersion: 'v1', kind: 'Pod', metadata, spec });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Waits until a pod would be admitted. */
export async function admitted(plane: ControlPlane, namespace: string): Promise<void> {
  await eventually(async () => assert.equal(await refusal(plane, namespace), undefined), REFRESH);
}

/**
 * Asks for a pod again and again while `work` goes on, and once more afterwards.
 *
 * @returns the message of the first refusal; undefined if there was none
 */
export async function anyRefused(
  plane: ControlPlane,
  namespace: string,
  work: () => Promise<unknown>,
): Promise<string | undefined> {
  await admitted(plane, namespace);
  const ended = new AbortController();
  const working = work().finally(() => ended.abort());
  let found: string | undefined;
  while (!ended.signal.aborted) {
    found ??= await refusal(plane, namespace);
    await sleep(3);
  }
  await working;
  return found ?? (await refusal(plane, namespace));
}

/**
 * The revision at which each namespace got its first object of the collection, by a watch that begins at `since`. Call it
 * before the objects are created: the API server's watch cache forgets old revisions.
 */
export async function firstRevisions(
  plane: ControlPlane,
  path: string,
  since: string,
  namespaces: readonly string[],
): Promise<Map<string, number>> {
  const revisions = new Map<string, number>();
  const ended = new AbortController();
  const wanted = new Set(namespaces);
  let last = since;
  // The API server ends the watch of a client that reads more slowly than events come: it begins again where it ended.
  while (wanted.size > 0) {
    const query = `${path.includes('?') ? '&' : '?'}watch=1&resourceVersion=${last}`;
    for await (const event of plane.admin.stream(path + query, ended.signal)) {
      const { type, object } = event as { type: string; object: KubeObject };
      if (type === 'ERROR') throw new Error(`watch of ${path} failed: ${JSON.stringify(object)}`);
      const { namespace = '', resourceVersion = last } = object.metadata;
      last = resourceVersion;
      if (type === 'ADDED' && wanted.delete(namespace)) revisions.set(namespace, Number(resourceVersion));
      if (wanted.size === 0) break;
    }
  }
  ended.abort();
  return revisions;
}

/** Name and revision of every binding. */
export async function bindings(plane: ControlPlane): Promise<string[]> {
  const { items } = (await plane.admin.send('GET', ADMISSION)) as { items: KubeObject[] };
  return items.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`).sort();
}
