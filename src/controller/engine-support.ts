/**
 * The policies of the network engine beside the NetworkPolicies, as the reconcile of a namespace sees them. The core knows only
 * this interface; a capability may implement it.
 */
import type { NetworkPolicy, PolicyType } from '../api/network-policy.ts';
import { type EngineFacts, type ExtensionPolicy, NO_ENGINE } from '../policy/extensions.ts';
import type { Companions } from '../policy/planning/plan.ts';
import type { UnknownIsolation } from '../policy/planning/transition.ts';
import type { DesiredStaged } from '../policy/staged.ts';
import type { Send } from './queue/request-lanes.ts';

export interface EngineSupport {
  /** The peers that the engine's policies can carry; undefined as long as nothing is known. */
  facts(): EngineFacts | undefined;
  /** Why nothing is known, if finding out has failed. */
  readonly failure: string | undefined;
  subscribe(listener: EngineListener): void;
  /**
   * True if the cached objects of a namespace are all that there are. Until then, nothing is opened there: an object that
   * isolates pods may be left over.
   */
  readonly isKnown: boolean;
  /** Policies of the engine's own kinds that may isolate pods of the namespace, and are not known; undefined if there are none. */
  unknownIsolation(namespace: string): UnknownIsolation | undefined;
  /** The writes that lead to the desired extensions of a namespace, by the cached objects. */
  plan(namespace: string, desired: DesiredExtensions): ExtensionWrites;
  /** The staged policies of profiles in a namespace, as they were observed or asked for last; undefined if none can be staged. */
  staged(namespace: string): readonly NetworkPolicy[] | undefined;
  /**
   * Takes the policies to stage in a namespace, and writes them in its own time: they enforce nothing.
   *
   * @param desired undefined if the namespace is gone
   */
  stage(namespace: string, desired: DesiredStaged | undefined): void;
}

export interface EngineListener {
  /** The facts, or the failure, have changed. */
  readonly onFacts: () => void;
  /** The objects of the engine's kinds in the namespace may differ from the desired ones, as if somebody else changed them. */
  readonly onDrift: (namespace: string) => void;
}

export interface DesiredExtensions {
  readonly policies: readonly ExtensionPolicy[];
  /** Profiles whose observed extensions stay as they are, but for those of exceptions that are not among `policies`. */
  readonly kept: ReadonlySet<string>;
  /** Directions in which no observed extension is deleted; absent: none. */
  readonly staying?: readonly PolicyType[];
}

export interface ExtensionWrites {
  readonly isEmpty: boolean;
  /** For the plan of the NetworkPolicies, if the engine's policies isolate their pods. */
  readonly companions?: Companions;
  /** To be called before the first write of a NetworkPolicy; with companions, where the plan says. @throws ApiError */
  widen(context: ExtensionWriteContext): Promise<void>;
  /** To be called after the last one; with companions, where the plan says. @throws ApiError */
  narrow(context: ExtensionWriteContext): Promise<void>;
}

export interface ExtensionWriteContext {
  readonly send: Send;
  readonly signal: AbortSignal;
}

export const NOTHING_TO_WRITE: ExtensionWrites = {
  isEmpty: true,
  widen: () => Promise.resolve(),
  narrow: () => Promise.resolve(),
};

/** Where the configuration names no engine. */
export const NO_SUPPORT: EngineSupport = {
  facts: () => NO_ENGINE,
  failure: undefined,
  isKnown: true,
  unknownIsolation: () => undefined,
  subscribe: () => {},
  plan: () => NOTHING_TO_WRITE,
  staged: () => undefined,
  stage: () => {},
};
