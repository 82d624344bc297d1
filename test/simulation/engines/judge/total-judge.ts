/**
 * Judges all that decides about the flows of a namespace together, at every revision:
 * *allowed = not guard denies and (not isolated or base or extensions) and overlay*. It is never wider than what the states
 * before and the intents since allow, and never cuts what all of them allow (I1, I2).
 */
import { isTunnelDeny } from '../../../../src/engines/istio/ambient/objects.ts';
import type { EngineSetting, GuardKind } from '../../../../src/engines/engine.ts';
import { isTransitionalCover } from '../../../../src/policy/planning/transition.ts';
import { isolates } from '../../../../src/policy/semantics/normalize.ts';
import { notesOf, type RuleNote } from '../../../../src/policy/notes.ts';
import { canonicalJSON } from '../../../../src/util/canonical-json.ts';
import type { Pod } from '../../../../src/analysis/cluster.ts';
import type { Judge } from '../../../support/judge/judge.ts';
import { NAMESPACES } from '../../schedule/actions.ts';
import { hasStablePods } from '../../schedule/users.ts';
import {
  AUTHORIZATION_POLICY,
  DEFINITION,
  ENGINE_KINDS,
  type Kind,
  NAMESPACE,
  NETWORK_POLICY,
  type Stored,
} from '../../server/kinds.ts';
import { isOperator, type Server } from '../../server/server.ts';
import type { Revision } from '../../server/storage.ts';
import { ACCOUNT } from '../effects.ts';
import { desiredExtensions, type EngineObject, engineOfKind } from '../references.ts';
import { GuardJudge } from './guard-judge.ts';
import { MESH_KINDS } from '../mesh.ts';
import { MeshJudge } from './mesh-bounds.ts';
import { servedAs } from '../standing.ts';
import { Completeness } from './completeness.ts';
import { type PolicyRecorder, TotalReferences } from './total-references.ts';
import { NamespaceStates } from './namespace-states.ts';

const ACCOUNTS = ['one', 'two', 'default'];

/** The operator's configuration. */
export interface Configured {
  readonly setting: () => EngineSetting;
  readonly guard: GuardKind | undefined;
  readonly hasMesh: boolean;
  /** The namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string;
}

export class TotalJudge {
  readonly states: NamespaceStates;
  readonly completeness: Completeness;
  readonly #references: TotalReferences;
  readonly #server: Server;
  /** The uids of objects that the API server stored in another form. */
  readonly #altered = new Set<string>();
  readonly #recorder: PolicyRecorder;
  readonly #judge: Judge;
  readonly #rootNamespace: string;
  /** Absent if the configuration names no mesh. */
  readonly #mesh: MeshJudge | undefined;
  /** Absent if the configuration names no kind of policies for guards. */
  readonly #guards: GuardJudge | undefined;

  constructor(
    recorder: PolicyRecorder,
    server: Server,
    judge: Judge,
    { setting, guard, hasMesh, rootNamespace }: Configured,
  ) {
    this.#server = server;
    this.#recorder = recorder;
    this.#judge = judge;
    this.#rootNamespace = rootNamespace;
    const mesh = hasMesh ? new MeshJudge(server) : undefined;
    const guards = guard && new GuardJudge(guard, recorder, server);
    const { storage } = server;
    const states = new NamespaceStates({ server, observed: recorder.observed, setting, mesh });
    this.#mesh = mesh;
    this.#guards = guards;
    this.states = states;
    this.#references = new TotalReferences({ recorder, states, storage, setting, mesh, guards });
    this.completeness = new Completeness({ recorder, server, states, judge, setting, mesh, rootNamespace });
  }

  beginRound(): void {
    this.#references.beginRound();
    this.states.beginRound();
    this.#guards?.beginRound();
    this.#mesh?.beginRound(
      NAMESPACES.flatMap((each) =>
        this.states.objects(each).filter(({ object }) => this.states.isOwned(object)),
      ),
    );
  }

  /** Describes the fault that a revision brings. */
  follow({ kind, type, author, object, previous }: Revision): string | undefined {
    this.#guards?.follow();
    // Connections take another way by themselves: that is not the operator's doing.
    if (this.#mesh?.follow() === true) for (const namespace of NAMESPACES) this.states.note(namespace, false);
    const isOwn = isOperator(author);
    const { uid = '', name, namespace } = object.metadata;
    if (isOwn && type === 'ADDED') this.states.created(object);
    else if (
      isOwn &&
      ENGINE_KINDS.includes(kind) &&
      !this.states.isCreatedByOperator(previous?.metadata.uid ?? '')
    )
      return `I5, the operator changed the foreign object ${name}: ${type}`;
    if (isOwn && type !== 'DELETED' && MESH_KINDS.includes(kind) && namespace === this.#rootNamespace)
      return `I2, ${kind.kind} ${name} of the root namespace holds for the whole mesh`;
    if (kind === DEFINITION) {
      for (const namespace of NAMESPACES) this.states.note(namespace, false);
      return undefined;
    }
    if (kind === NAMESPACE && type === 'ADDED') this.states.begin(object.metadata.name);
    if (isOwn && type === 'ADDED' && servedAs(this.#server, kind) === 'changed') this.#altered.add(uid);
    const isWanted = () =>
      this.#isWanted(kind, object) ||
      this.#guards?.isWanted(kind, object) === true ||
      this.#isLastRestriction({ kind, object });
    if (isOwn && type === 'DELETED' && !this.#altered.has(uid) && isWanted())
      return `I3, the operator deleted ${name}, which every intent keeps`;
    const isEmptied = isOwn && type === 'MODIFIED' && previous !== undefined && !isTunnelDeny(object);
    if (isEmptied && isTunnelDeny(previous) && this.#isLastRestriction({ kind, object: previous }))
      return `I3, the operator emptied ${name}, which every intent keeps`;
    const isStatus = kind === AUTHORIZATION_POLICY && type === 'MODIFIED' && isSameForm(object, previous);
    if (kind === AUTHORIZATION_POLICY && !isStatus) this.states.changed(isOwn);
    const isPolicy = !isStatus && (kind === NETWORK_POLICY || ENGINE_KINDS.includes(kind));
    if (!isPolicy && kind !== NAMESPACE) return undefined;
    const touched = namespace === undefined ? NAMESPACES : [namespace];
    for (const each of touched) {
      if (!NAMESPACES.includes(each)) continue;
      // A leader that does not know yet of the tunnel which carries connections can't keep it open for them.
      const isKnown =
        this.#mesh === undefined || kind !== NETWORK_POLICY || this.#recorder.knewLabels(author, each);
      if (isPolicy) this.states.note(each, isOwn && isKnown);
      if (kind === NETWORK_POLICY && !isOwn && this.#recorder.observed.operatorPolicies.has(uid))
        this.states.noteUncovered(each);
      const fault = this.#fault(each);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Describes the fault that begins as ztunnel goes by these AuthorizationPolicies. */
  push(policies: readonly Stored[]): string | undefined {
    this.states.push(policies);
    for (const namespace of NAMESPACES) {
      const fault = this.#fault(namespace);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  /** Describes how the guard of a profile differs from what the profile asks for; undefined if it does not. */
  unmetGuard(name: string): string | undefined {
    return this.#guards?.unmet(name, this.states.objects(undefined));
  }

  /** The status that the condition of a guard should have; undefined if either may be. */
  guardStatus(name: string): 'True' | 'False' | undefined {
    return this.#guards?.status(name);
  }

  /**
   * True if all profiles as they were in this round have a rule for the extension, or an unresolved peer whose rule it has, and
   * its direction is isolated: where it is postponed, the extension allows nothing that is not open. A cover isolates nothing.
   */
  #isWanted(kind: Kind, object: Stored): boolean {
    const { name, namespace = '' } = object.metadata;
    const engine = engineOfKind(kind);
    if (engine === undefined || !this.#recorder.observed.labels.has(namespace)) return false;
    const { policies } = this.states.state(namespace);
    const notes = notesOf(object);
    const isKnown = ({ rule, peer }: RuleNote) =>
      notes.some((note) => note?.rule === rule && note.peer === peer);
    return this.#recorder.inputs
      .combinations(namespace)
      .every((each) =>
        desiredExtensions(each, namespace, policies).some(
          ({ metadata, direction, rules, unresolved }) =>
            (engine.namePrefix ?? '') + metadata.name === name &&
            policies.some((each) => isolates(each.spec).includes(direction) && !isTransitionalCover(each)) &&
            (rules.length > 0 || unresolved.some(isKnown)),
        ),
      );
  }

  /** True if all intents keep the deleted object of a mesh, and no other one of the namespace restricts as it did. */
  #isLastRestriction(deleted: EngineObject): boolean {
    const mesh = this.#mesh;
    const { namespace = '' } = deleted.object.metadata;
    if (mesh === undefined || !this.#recorder.observed.labels.has(namespace)) return false;
    const combinations = this.#recorder.inputs.combinations(namespace);
    const isKept = (each: EngineObject) =>
      mesh.isKept(each, { owner: this.states.formerOwnerOf(each.object), namespace, combinations });
    return isKept(deleted) && !this.states.objects(namespace).some(isKept);
  }

  #fault(namespace: string): string | undefined {
    const { labels } = this.#recorder.observed;
    if (!labels.has(namespace)) return undefined;
    const states = this.states.judged(namespace);
    for (const state of states) {
      const fault = this.#judge.fault({
        namespace,
        policies: this.states.total(namespace, state),
        references: this.#references.of(namespace),
        labels,
        mayCut: !hasStablePods(namespace),
        tunnel: this.#mesh?.tunnel(),
      });
      if (fault !== undefined)
        return state === states[0] ? fault : `${fault}, if istiod passes policies on now`;
    }
    return undefined;
  }
}

/** True if both differ in nothing but status. Under an older definition, a write of the status removes fields of the spec. */
function isSameForm(object: Stored, previous: Stored | undefined): boolean {
  const formOf = ({ metadata, ...rest }: Stored) => {
    const { labels, annotations, ownerReferences, generation } = metadata;
    return canonicalJSON([labels, annotations, ownerReferences, generation, rest['spec']]);
  };
  return previous !== undefined && formOf(object) === formOf(previous);
}

/** The pods of a namespace, each with another account. @param pods in the order of their names */
export function withAccounts(pods: readonly Pod[]): Pod[] {
  return pods.map((pod, index) => ({
    ...pod,
    labels: { ...pod.labels, [ACCOUNT]: ACCOUNTS[index % ACCOUNTS.length] ?? '' },
  }));
}
