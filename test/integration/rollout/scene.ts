// The set-up of tests of rollouts: an operator with config/rollout, and what a test reads of a rollout.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually, type Sandbox } from '../../support/cluster.ts';

const CONFIG = join(import.meta.dirname, '../../../config/rollout');
const REVISIONS = '/apis/apps/v1/namespaces/segmentation-system/controllerrevisions';

export const grant = (plane: ControlPlane) => plane.kubectlRun(['apply', '-k', CONFIG]);
export const revoke = (plane: ControlPlane) =>
  plane.kubectlRun(['delete', '-k', CONFIG, '--ignore-not-found']);

/** A first wave by label, which soaks for an hour, and a last one. */
export const ROLLOUT = {
  rollout: { waves: [{ name: 'canary', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '1h' }] },
};
const internet = (name: string) => ({ name, to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] });
/** Specs that differ in a rule, which namespaces show by their annotations. */
export const withRule = (name: string) => ({ egress: [internet(name)] });

/** Waits until the rollout is in this phase, with the waves that are complete. */
export const reaches = (box: Sandbox, profile: string, summary: string): Promise<void> =>
  eventually(async () => {
    const { status, metadata } = await box.readProfile(profile);
    assert.equal(status?.observedGeneration, metadata.generation);
    assert.equal(status?.rollout?.summary, summary, JSON.stringify(status?.rollout));
  });

/** The names of the rules that a namespace has of the profile; undefined without its default-deny. */
export async function rulesIn(
  box: Sandbox,
  namespace: string,
  profile: string,
): Promise<string[] | undefined> {
  const policies = await box.policies(namespace);
  if (!policies.some(({ metadata }) => metadata.name === `${profile}.default-deny`)) return undefined;
  const notes = policies.flatMap(({ metadata }) => metadata.annotations?.['segmentation.dev/rules'] ?? []);
  const names = notes.flatMap((text) => JSON.parse(text) as { rule: string }[]).map(({ rule }) => rule);
  return [...new Set(names)].filter((name) => !name.startsWith('baseline'));
}

/** Waits until the namespaces have these rules. */
export const have = (
  box: Sandbox,
  profile: string,
  expected: Readonly<Record<string, readonly string[] | undefined>>,
): Promise<void> =>
  eventually(async () => {
    for (const [namespace, rules] of Object.entries(expected))
      assert.deepEqual(
        (await rulesIn(box, namespace, profile))?.filter((name) => /^r\d/.test(name)),
        rules,
        namespace,
      );
  });

export const promote = (box: Sandbox, profile: string, wave: string) =>
  box.patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, {
    metadata: { annotations: { 'segmentation.dev/rollout-promote': wave } },
  });

/** The recorded revisions of a profile. */
export async function revisionsOf(
  box: Sandbox,
  profile: string,
): Promise<(KubeObject & { revision: number })[]> {
  const { items } = (await box.plane.admin.send(
    'GET',
    `${REVISIONS}?labelSelector=segmentation.dev/profile=${profile}`,
  )) as { items: (KubeObject & { revision: number })[] };
  return items;
}
