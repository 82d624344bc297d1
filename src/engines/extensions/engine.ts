/** The interface of an engine whose own policies carry extensions. Each such engine implements it in its folder. Pure. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import type { NetworkPolicySpec } from '../../api/network-policy.ts';
import type { ExtensionKind, ExtensionPolicy } from '../../policy/extensions.ts';
import type { RuleNote } from '../../policy/notes.ts';
import type { WritingEngine } from '../engine.ts';

export interface ExtensionEngine extends WritingEngine {
  readonly carries: ReadonlySet<ExtensionKind>;
  /** The prefix of the names of own objects. An object without it is foreign, whatever its labels are. */
  readonly namePrefix?: string;
  /** The object for an extension: its frame without rules, and the rules for it, in order. */
  compile(policy: ExtensionPolicy): CompiledExtension;
  /** `frame` with these rules: at least one. */
  withRules(frame: ExtensionFrame, rules: readonly [object, ...object[]]): KubeObject;
  /** The frame and the rules of an object as the API server returned it; undefined if it is not as `withRules` makes it. */
  read(object: KubeObject): { readonly frame: ExtensionFrame; readonly rules: readonly object[] } | undefined;
  /**
   * Only of an engine whose policies isolate their pods as NetworkPolicies do: an object as a NetworkPolicy for the same pods,
   * with a rule for each of its rules that no other rule equals. Undefined if the object is not as `withRules` makes it.
   */
  readonly asPolicy?: (object: KubeObject) => NetworkPolicySpec | undefined;
  /** Beside `asPolicy`: the objects of others. */
  readonly foreign?: ForeignObjects;
}

/** The objects of somebody else, as far as they isolate pods. Each is kept in memory as its `part` only. */
export interface ForeignObjects {
  /** The fields by which an object isolates, so that `isolation` finds the same in this part. */
  readonly part: (object: KubeObject) => object;
  readonly isolation: (object: KubeObject) => Isolation;
  /** The engine's policies of the cluster, which may isolate pods too; each is kept as its `part`. Absent: there are none. */
  readonly ofCluster?: {
    readonly kind: {
      readonly group: string;
      readonly version: string;
      readonly plural: string;
      readonly namespaced: false;
    };
    readonly isolation: (
      object: KubeObject,
      namespace: { readonly name: string; readonly labels: StringMap },
    ) => Isolation;
  };
}

/** A NetworkPolicy without rules that isolates the same pods. `none`: it isolates none; `unclear`: no label selector selects them. */
export type Isolation = NetworkPolicySpec | 'none' | 'unclear';

/** An object without its rules. It selects pods and has a direction. */
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
