/** The interface of the page's controls: they read the state, and report changes of it. */
import type { Findings } from './model/findings.ts';
import type { Model } from './model/nodes.ts';
import type { State, View } from './model/view-state.ts';

export interface ControlsInput {
  readonly model: Model;
  /** Undefined if the page has no findings. */
  readonly findings: Findings | undefined;
  /** True if the page has observed flows. */
  readonly hasFlows: boolean;
  /** The views that the page has. */
  readonly viewNames: readonly View[];
  readonly state: () => State;
  /** `replace` leaves no entry in the browser's history. */
  readonly update: (change: Partial<State>, how?: 'push' | 'replace') => void;
}

/** An element of the page, and a function that sets it to the current state. */
export interface Control<E extends HTMLElement = HTMLElement> {
  readonly element: E;
  readonly show: () => void;
}
