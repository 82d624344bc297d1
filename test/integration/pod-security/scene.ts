// The set-up of tests of Pod Security levels: an operator with config/pod-security, and requests about labels and pods.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Condition, StringMap } from '../../../src/api/meta.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually, type Sandbox } from '../../support/cluster.ts';

const PREFIX = 'pod-security.kubernetes.io/';
const CONFIG = join(import.meta.dirname, '../../../config/pod-security');

export const grant = (plane: ControlPlane) => plane.kubectlRun(['apply', '-k', CONFIG]);
export const revoke = (plane: ControlPlane) =>
  plane.kubectlRun(['delete', '-k', CONFIG, '--ignore-not-found']);

/** The Pod Security labels of a namespace, without the prefix of their keys. */
export async function levels(box: Sandbox, namespace: string): Promise<StringMap> {
  const { metadata } = await box.read(`/api/v1/namespaces/${namespace}`);
  const labels = Object.entries(metadata.labels ?? {}).filter(([key]) => key.startsWith(PREFIX));
  return Object.fromEntries(labels.map(([key, value]) => [key.slice(PREFIX.length), value]));
}

/** Labels as `kubectl label --overwrite` sets them; null removes one. */
export const label = (box: Sandbox, namespace: string, labels: Readonly<Record<string, string | null>>) =>
  box.relabel(
    namespace,
    Object.fromEntries(Object.entries(labels).map(([key, value]) => [PREFIX + key, value])),
  );

/** Both labels of a mode by the latest version. */
export const latest = (mode: string, level: string): StringMap => ({
  [mode]: level,
  [`${mode}-version`]: 'latest',
});

/** Waits until the condition PodSecurityReady has that reason. */
export const says = (box: Sandbox, profile: string, reason: string, message = /./): Promise<Condition> =>
  eventually(async () => {
    const condition = await box.condition(profile, 'PodSecurityReady');
    assert.equal(condition.reason, reason, condition.message);
    assert.match(condition.message, message);
    return condition;
  });

/** Waits until a namespace has exactly these Pod Security labels. */
export const labelled = (box: Sandbox, namespace: string, expected: StringMap): Promise<void> =>
  eventually(async () => assert.deepEqual(await levels(box, namespace), expected));

/** Sends a pod that baseline admits and restricted does not, as a dry run. */
export async function tryPod(plane: ControlPlane, namespace: string, spec: object = {}): Promise<void> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'try' },
    spec: { containers: [{ name: 'main', image: 'main' }], ...spec },
  };
  await plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods?dryRun=All`, pod);
}
