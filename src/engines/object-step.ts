/** A write of an object of a network engine's own kind. Pure. */
import type { KubeObject } from '../api/meta.ts';

/** `object` is the whole object to send; `before` the observed one, whose identity is the precondition. */
export type ObjectStep =
  | { readonly verb: 'create'; readonly object: KubeObject }
  | { readonly verb: 'update'; readonly object: KubeObject; readonly before: KubeObject }
  | { readonly verb: 'delete'; readonly before: KubeObject };
