/** The objects and reports of a network engine or mesh that a test needs to change it beneath a running operator. */
import type { KubeObject } from '../../../../src/api/meta.ts';
import type { Sandbox } from '../../../support/cluster.ts';
import type { DefinitionObject } from '../definition.ts';

/** The namespaces of a scene. */
export interface Place {
  readonly box: Sandbox;
  /** A namespace with pods, in which foreign policies stand too. */
  readonly shop: string;
  /** A namespace without pods, which leaves the profiles. */
  readonly leaving: string;
  /** Further namespaces that the scene has prepared, by their short names. */
  readonly further: Readonly<Record<string, string>>;
}

/** A kind that the operator writes beside NetworkPolicies. */
export interface SceneKind {
  readonly definition: DefinitionObject;
  /** The version that the operator writes. */
  readonly version: string;
  /**
   * A field that the operator writes, as the names that lead to it from `spec`, past lists: an older definition lacks it.
   * Absent if the definition is not to change, as objects of another kind would change with it.
   */
  readonly lacking?: readonly string[];
  /** A change of this definition alone. */
  readonly apart?: {
    /** A field that the operator writes, as `lacking` has it. */
    readonly lacking: readonly string[];
    /** The condition that says so. */
    readonly report: Expected;
    /** The plural name of the kind whose objects go meanwhile. */
    readonly going: string;
  };
  /** The spec of an object of somebody else, which concerns no pod of the test. */
  readonly foreign: (place: Place) => object;
  /** The short name of the further namespace in which it stands; absent: it stands in `shop`. */
  readonly foreignIn?: string;
  /** True if the operator's objects go with the engine. */
  readonly goesWithEngine?: true;
}

/** A condition that a profile has to have. */
export interface Expected {
  /** The short name of the profile. */
  readonly profile: string;
  readonly type: string;
  readonly reason: string;
  /** Matches the message, which says what happened and what to do. */
  readonly message: RegExp;
}

/** An entry of the table of engines. */
export interface SceneEntry {
  readonly name: string;
  /** True if the definitions of its kinds come with a module of Go. */
  readonly needsGo: boolean;
  /** True if a kind of the scene has `apart`. */
  readonly changesApart?: true;
  readonly scene: () => Promise<Scene>;
}

export interface Scene {
  /** Folders of config/. */
  readonly components: readonly string[];
  /** The operator's configuration. */
  readonly configuration: object;
  /** A configuration that names another engine, or none. */
  readonly otherConfiguration: object;
  readonly kinds: readonly SceneKind[];
  /** Definitions of other kinds that the components need. */
  readonly furtherKinds?: readonly DefinitionObject[];
  /** Labels of the namespaces. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Creates what the profiles need beside the namespace `shop`. @returns further namespaces */
  readonly prepare: (box: Sandbox, shop: string) => Promise<Readonly<Record<string, string>>>;
  /** The objects by which the engine is found. No agent runs. */
  readonly traces: (place: Place) => readonly KubeObject[];
  /** True if the operator looks for the engine at its start, and then too seldom for a test. */
  readonly isFoundAtStart?: true;
  /** Plays the part of the engine in the status of its objects. */
  readonly tend?: (place: Place) => Promise<void>;
  /** The specs of the profiles, by short name. */
  readonly profiles: (place: Place) => Readonly<Record<string, object>>;
  /** Changes by which all kinds and the NetworkPolicies are written, by the short name of the profile. */
  readonly edits: (place: Place) => Readonly<Record<string, object>>;
  /** The conditions of the profiles while the engine, its configuration or its kinds have changed. */
  readonly reports: Readonly<
    Record<'gone' | 'changed' | 'missing' | 'older' | 'otherForm', readonly Expected[]>
  >;
}

/** Makes the conditions that a profile has to have. @param profile its short name */
export const conditionsOf =
  (profile: string) =>
  (type: string, reason: string, message: RegExp): Expected => ({ profile, type, reason, message });
