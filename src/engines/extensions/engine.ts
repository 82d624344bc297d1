/** The interface of an engine whose own policies carry extensions. Each such engine implements it in its folder. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { ExtensionKind, ExtensionPolicy } from '../../policy/extensions.ts';
import type { RuleNote } from '../../policy/notes.ts';
import type { Engine } from '../engine.ts';

export interface ExtensionEngine {
  readonly engine: Engine;
  /** The kind of its policies. */
  readonly kind: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly namespaced: true;
  };
  /** The folder of config/ with the permission to write that kind. */
  readonly component: string;
  /** The first version whose kind has all fields that are written. */
  readonly since: string;
  readonly carries: ReadonlySet<ExtensionKind>;
  /** The object for an extension: its frame without rules, and the rules for it, in order. */
  compile(policy: ExtensionPolicy): CompiledExtension;
  /** `frame` with these rules: at least one. */
  withRules(frame: ExtensionFrame, rules: readonly [object, ...object[]]): KubeObject;
  /** The frame and the rules of an object as the API server returned it; undefined if it is not as `withRules` makes it. */
  read(object: KubeObject): { readonly frame: ExtensionFrame; readonly rules: readonly object[] } | undefined;
}

/** An object without its rules. It selects pods and has a direction, and never isolates. */
export interface ExtensionFrame {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec: object;
  readonly direction: ExtensionPolicy['direction'];
}

export interface CompiledExtension {
  readonly frame: ExtensionFrame;
  readonly rules: readonly { readonly rule: object; readonly note: RuleNote }[];
}
