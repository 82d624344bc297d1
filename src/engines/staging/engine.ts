/**
 * The interface of an engine that stages NetworkPolicies: it reports which flows they would deny, and enforces nothing. Each such
 * engine implements it in its folder. Pure.
 */
import type { KubeObject } from '../../api/meta.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { Engine } from '../engine.ts';

export interface StagingEngine {
  readonly engine: Engine;
  /** The kind of staged policies. */
  readonly kind: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly namespaced: true;
  };
  /** The folder of config/ with the permission to write that kind. */
  readonly component: string;
  /** The first version that stages policies. */
  readonly since: string;
  /** Where a user sees what staged policies would deny. */
  readonly shownIn: string;
  /** The object that stages a policy, under the same name. */
  stage(policy: NetworkPolicy): KubeObject;
  /** The policy that an object stages, as the API server returned it; undefined if it is not as `stage` makes it. */
  staged(object: KubeObject): NetworkPolicy | undefined;
}
