/**
 * The interface of an engine that stages NetworkPolicies: it reports which flows they would deny, and enforces nothing. Each
 * such engine implements it in its folder. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { WritingEngine } from '../engine.ts';
import type { ExtensionEngine } from '../extensions/engine.ts';

export interface StagingEngine extends WritingEngine {
  /** Where a user sees what staged policies would deny. */
  readonly shownIn: string;
  /** The object that stages a policy, under the same name. */
  stage(policy: NetworkPolicy): KubeObject;
  /** The engine's extensions, as objects of the kind that stages them. They isolate nothing. */
  readonly extensions: ExtensionEngine;
  /** The policy that an object stages, as the API server returned it; undefined if it is not as `stage` makes it. */
  staged(object: KubeObject): NetworkPolicy | undefined;
}
