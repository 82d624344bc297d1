/**
 * The guards of profiles, as the core sees them: each is one policy for all namespaces of a profile, which has to be as wide as
 * its NetworkPolicies. The core knows only this interface; a capability may implement it.
 */
import type { PeerSources } from '../cluster-state/peer-sources/sources.ts';
import type { PolicyAdditions } from './namespace/additions.ts';

export interface GuardSupport {
  /** Called once, before the first reconcile. */
  connect(inputs: GuardInputs): void;
  /** A fact has changed that `dependent` subscribed to. @returns true if it is a guard, and no namespace */
  factsChanged(dependent: string): boolean;
  /** A capability adds other policies in the namespace than before. */
  additionsChanged(namespace: string): void;
  /**
   * To be awaited before NetworkPolicies are written: resolves when the guards are as wide as the profiles now ask for, or when
   * that has failed. Never rejects.
   */
  widened(signal: AbortSignal): Promise<void>;
}

export interface GuardInputs {
  readonly sources: Pick<PeerSources, 'facts' | 'subscribe' | 'unsubscribe'>;
  readonly additions: readonly PolicyAdditions[];
}

/** Where no guard is written. */
export const NO_GUARDS: GuardSupport = {
  connect: () => {},
  factsChanged: () => false,
  additionsChanged: () => {},
  widened: () => Promise.resolve(),
};
