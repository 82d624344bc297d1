/** Network engines in a plan: what they leave in a cluster, and what people change of it. Pure. */
import type { Engine, EngineSetting, GuardKind } from '../../../src/engines/engine.ts';

/**
 * The form of a CustomResourceDefinition. `older`: it lacks a field that is written; `defaulting`: it adds one; `later`: it has
 * others.
 */
export type DefinitionForm = 'current' | 'older' | 'defaulting' | 'later' | 'gone';

/** How istiod answers an AuthorizationPolicy: soon or late, not at all, or that it refuses it. */
export type Acceptance = 'prompt' | 'slow' | 'lost' | 'refused';

export type EngineAction =
  | { readonly do: 'definition'; readonly kind: string; readonly form: DefinitionForm }
  /** The operator gets or loses its permission for a kind, as PLURAL.GROUP. */
  | { readonly do: 'permission'; readonly kind: string; readonly isGranted: boolean }
  /** The agent of an engine is ready or not, or gone. */
  | { readonly do: 'agent'; readonly engine: Engine; readonly state: 'ready' | 'starting' | 'gone' }
  /** Sidecars are injected into all pods of a namespace, or into none any more. */
  | { readonly do: 'inject'; readonly namespace: string; readonly isInjected: boolean }
  /** The pods of a namespace are redirected to ztunnel, or not any more. */
  | { readonly do: 'ambient'; readonly namespace: string; readonly isAmbient: boolean }
  /** istiod answers what is written from now on so. */
  | { readonly do: 'acceptance'; readonly how: Acceptance }
  /** The traces of the mesh come or go: the webhooks that inject sidecars, or the configuration. */
  | { readonly do: 'mesh'; readonly part: 'injector' | 'configuration'; readonly isThere: boolean }
  /** Somebody creates or deletes the tier of guards of Calico. */
  | { readonly do: 'tier'; readonly isThere: boolean }
  /** The configuration names another engine, and all replicas restart. */
  | { readonly do: 'configure'; readonly setting: EngineSetting }
  /** Somebody changes or deletes an object of the operator of one of the engines' kinds. */
  | { readonly do: 'engine drift'; readonly namespace: string; readonly choice: number; readonly how: number }
  /** Somebody creates an object of an engine's kind under a name that the operator may need, or deletes it. */
  | {
      readonly do: 'foreign object';
      readonly engine: Engine;
      readonly namespace: string;
      readonly name: string;
      readonly isThere: boolean;
      /** True if it isolates pods; otherwise it selects none. */
      readonly isIsolating?: boolean;
    };

export interface EngineScene {
  /** The engine whose agent runs and whose kinds are served at first; absent: none. */
  readonly engine?: Engine;
  /** The operator's configuration at first. */
  readonly setting: EngineSetting;
  /** The kind of policies that carries guards; absent: none. */
  readonly guard?: GuardKind;
  /** True if the operator's configuration names a mesh. */
  readonly hasMesh?: boolean;
  /** The namespace whose policies hold for the whole mesh; absent: that of the control plane. */
  readonly rootNamespace?: string;
  /** True if istiod says in the status of AuthorizationPolicies that it has accepted them, and profiles may depend on the mesh. */
  readonly hasAmbient?: boolean;
}
