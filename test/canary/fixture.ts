/** Pods and policies of a canary on two nodes, as config/canary makes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import type { CanaryPod, Side, Surroundings } from '../../src/canary/model/matrix.ts';
import { CANARY_NAMESPACES, INSIDE, LABEL_CANARY, OUTSIDE } from '../../src/canary/model/names.ts';
import { compile } from '../../src/policy/compile.ts';
import { facts, profile } from '../policy/fixture.ts';

const ROOT = join(import.meta.dirname, '../..');

export function pod(name: string, side: Side, node: string, index: number): CanaryPod {
  return {
    uid: `uid-${name}`,
    namespace: side === 'inside' ? INSIDE : OUTSIDE,
    name,
    labels: { [LABEL_CANARY]: side },
    node,
    ips: [`10.0.0.${index}`, `fd00::${index}`],
    side,
    isReady: true,
  };
}

export const IN_1 = pod('in-1', 'inside', 'node-1', 1);
export const IN_2 = pod('in-2', 'inside', 'node-2', 2);
export const OUT_1 = pod('out-1', 'outside', 'node-1', 3);
export const OUT_2 = pod('out-2', 'outside', 'node-2', 4);

/** The policies that config/canary's own profile has in the namespace inside. */
export function canaryPolicies(): NetworkPolicy[] {
  const { spec } = parse(
    readFileSync(join(ROOT, 'config/canary/profile.yaml'), 'utf8'),
  ) as SegmentationProfile;
  const labels = { 'kubernetes.io/metadata.name': INSIDE };
  const made = { ...profile(spec), metadata: { name: INSIDE, uid: 'uid-1', generation: 1 } };
  return [...compile(made, { name: INSIDE, labels }, facts()).policies];
}

export function surroundings(self: CanaryPod, change: Partial<Surroundings> = {}): Surroundings {
  return {
    self,
    pods: [IN_1, IN_2, OUT_1, OUT_2],
    addresses: [],
    namespaces: CANARY_NAMESPACES.map((name) => ({ name, labels: {} })),
    policies: canaryPolicies(),
    ...change,
  };
}
