/** The objects and settings that a snapshot is made of. */
import type { EngineSetting } from '../engines/engine.ts';
import type { GuardSetting } from '../engines/guards/objects.ts';
import type { MeshSetting } from '../engines/mesh.ts';
import type { AccountFailure, ClusterConfiguration } from '../policy/facts.ts';
import type { ManifestExceptions } from './exceptions.ts';
import type { ObjectSet } from './objects.ts';

/** The origin of a snapshot that was read from manifests alone. */
export const MANIFESTS = 'manifests';

export interface SnapshotInput {
  readonly objects: ObjectSet;
  readonly assumed: readonly string[];
  /** Kinds that could not be read, with the reason. */
  readonly unread: ReadonlyMap<string, string>;
  readonly configuration: ClusterConfiguration;
  /** `guard` of the operator's configuration; absent: none. */
  readonly guard?: GuardSetting | undefined;
  /** `engine` of the operator's configuration; absent: None. */
  readonly engine?: EngineSetting | undefined;
  /** `mesh` of the operator's configuration; absent: None. */
  readonly mesh?: MeshSetting | undefined;
  /** True if policies of the configured engine's own kind were read. */
  readonly readsExtensions?: boolean;
  /** Namespaces that no profile selects. */
  readonly protectedNamespaces: readonly string[];
  /** For messages: "context kind-dev", "manifests". */
  readonly origin: string;
  /** True if the policies are those of a cluster; false if they still have to be compiled from the profiles. */
  readonly isObserved: boolean;
  /** The namespace of names without one. */
  readonly namespace: string;
  /** True if the recorded revisions of profiles are among the objects; otherwise each profile counts as it is. */
  readonly knowsRevisions?: boolean;
  /** Why pods are not labelled with their ServiceAccount; absent if they are, as among manifests. */
  readonly accountFailure?: AccountFailure | undefined;
  /** The version that the API server tells; absent among manifests, and where nobody asked. */
  readonly serverVersion?: string | undefined;
  /** Exceptions whose policies are to be compiled; absent: none. */
  readonly exceptions?: ManifestExceptions;
}
