/** Describes objects of network engines and of the mesh that a converged cluster lacks, or has too many. */
import type { EngineSetting } from '../../../../src/engines/engine.ts';
import { LABEL_PROFILE } from '../../../../src/api/names.ts';
import { isolatesAll } from '../../../../src/policy/planning/effect.ts';
import type { TunnelPlan } from '../../../../src/engines/istio/ambient/plan.ts';
import { isTunnel, type MeshTunnels } from '../../../../src/policy/tunnels.ts';
import type { Judge, LayeredPolicy, Tunnel } from '../../../support/judge/judge.ts';
import { NAMESPACES } from '../../schedule/actions.ts';
import { CALICO_STAGED, CALICO_STAGED_POLICY, PEER_AUTHENTICATION } from '../../server/kinds.ts';
import type { Server } from '../../server/server.ts';
import type { Storage } from '../../server/storage.ts';
import { isUnresolved } from '../../schedule/inputs.ts';
import { engineOf, extensionPlan, type PostponedDirections } from '../references.ts';
import { asksForStrict, isFound, isLabelledAmbient, MESH_KINDS, overlaying } from '../mesh.ts';
import type { MeshJudge } from './mesh-bounds.ts';
import { tunnelPlan, unmetOverlay } from './mesh-judge.ts';
import { unmetStaged } from './staged.ts';
import { engineInForce, isWritable } from '../standing.ts';
import { EXTENSION_KIND } from '../users.ts';
import { asMeant, type PolicyRecorder } from './total-references.ts';
import type { NamespaceStates } from './namespace-states.ts';

export interface CompletenessOptions {
  readonly recorder: PolicyRecorder;
  readonly server: Server;
  readonly states: NamespaceStates;
  readonly judge: Judge;
  readonly setting: () => EngineSetting;
  /** Absent if the configuration names no mesh. */
  readonly mesh: MeshJudge | undefined;
  /** The namespace whose policies hold for the whole mesh. */
  readonly rootNamespace: string;
}

export class Completeness {
  readonly #recorder: PolicyRecorder;
  readonly #server: Server;
  readonly #storage: Storage;
  readonly #states: NamespaceStates;
  readonly #judge: Judge;
  readonly #setting: () => EngineSetting;
  readonly #mesh: MeshJudge | undefined;
  readonly #rootNamespace: string;

  constructor({ recorder, server, states, judge, setting, mesh, rootNamespace }: CompletenessOptions) {
    this.#recorder = recorder;
    this.#server = server;
    this.#storage = server.storage;
    this.#states = states;
    this.#judge = judge;
    this.#setting = setting;
    this.#mesh = mesh;
    this.#rootNamespace = rootNamespace;
  }

  /** Describes extensions that differ from those that the profiles ask for; undefined if none do. */
  unmet(namespace: string, postponed: PostponedDirections): string | undefined {
    const { inputs } = this.#recorder;
    const current = inputs.current(namespace);
    const engine = engineOf(current.facts.engine());
    if (engine === undefined || !isWritable(this.#server, EXTENSION_KIND[engine.engine])) return undefined;
    const { ownerOf } = this.#states;
    const found = extensionPlan(current, namespace, this.#states.state(namespace), { ownerOf, postponed });
    const [step] = [...(found?.widen ?? []), ...(found?.narrow ?? [])];
    if (step === undefined) return undefined;
    const { metadata } = step.verb === 'delete' ? step.before : step.object;
    return `the extension ${metadata.name} is still to be written: ${step.verb} ${JSON.stringify(step)}`;
  }

  /** Describes objects of the mesh that differ from those for the NetworkPolicies of the namespace; undefined if none do. */
  unmetOverlay(namespace: string, postponed: PostponedDirections): string | undefined {
    const { inputs } = this.#recorder;
    if (this.#mesh === undefined || !isFound(this.#storage) || namespace === this.#rootNamespace)
      return undefined;
    if (MESH_KINDS.some((kind) => !isWritable(this.#server, kind))) return undefined;
    const { ownerOf } = this.#states;
    const context = { ownerOf, postponed, storage: this.#storage };
    return unmetOverlay(inputs.current(namespace), namespace, this.#states.state(namespace), context);
  }

  /** The tunnel of a namespace as it should be, by profile; undefined if it has none. */
  tunnels(namespace: string): MeshTunnels | undefined {
    return this.#tunnelPlan(namespace)?.profiles;
  }

  #tunnelPlan(namespace: string): TunnelPlan | undefined {
    if (this.#mesh === undefined) return undefined;
    const { inputs } = this.#recorder;
    const { ownerOf } = this.#states;
    const context = { ownerOf, storage: this.#storage };
    return tunnelPlan(inputs.current(namespace), namespace, this.#states.state(namespace), context);
  }

  /**
   * Describes connections through the tunnel that pass, and are not meant, or the reverse. It is for a namespace whose rules
   * can all be carried, and that has no policies of somebody else, nor objects that a new leader has to take for such.
   */
  unmetPassages(namespace: string): string | undefined {
    const { observed, inputs } = this.#recorder;
    const tunnel = this.#mesh?.tunnel();
    const place = this.#states.place(namespace);
    const current = inputs.current(namespace);
    const plan = this.#tunnelPlan(namespace);
    const state = this.#states.state(namespace);
    if (tunnel === undefined || plan === undefined || place.isAmbient?.(namespace) !== true) return undefined;
    if ([...plan.profiles.values()].some(({ unresolved }) => unresolved.length > 0)) return undefined;
    if (
      isUnresolved(current, namespace) ||
      this.#states.isUnmarked(state) ||
      state.policies.some((each) => observed.ownerOf(each) === undefined)
    )
      return undefined;
    const { labels } = observed;
    const meant = state.policies.filter((each) => !isTunnel(each)).map(asMeant);
    const guards = this.#states.total(namespace, state).filter(({ layer }) => layer === 'guard');
    const through = (policies: readonly LayeredPolicy[]) =>
      this.#judge
        .allowed(namespace, policies, labels, tunnel)
        .filter((flow) => flow.startsWith('Ingress') && isThrough(flow, tunnel, namespace));
    // The tunnel carries rules with ports only of profiles that ask for it.
    const carried = meant.filter(
      (each) =>
        (each.spec.ingress ?? []).length === 0 ||
        plan.profiles.has(each.metadata.labels?.[LABEL_PROFILE] ?? ''),
    );
    const [is, may, must] = [
      this.#states.total(namespace, state),
      [...meant, ...guards],
      [...carried, ...guards],
    ].map(through);
    const wider = is?.find((flow) => may?.includes(flow) !== true);
    const missing = must?.find((flow) => is?.includes(flow) !== true);
    if (wider !== undefined) return `it passes through the tunnel and is not meant: ${wider}`;
    return missing && `it is meant and does not pass through the tunnel: ${missing}`;
  }

  /** Describes policies that Calico stages for profiles in Audit, and that differ from those which these would enforce. */
  unmetStaged(namespace: string): string | undefined {
    if (engineInForce(this.#server, this.#setting()) !== 'Calico') return undefined;
    if ([CALICO_STAGED, CALICO_STAGED_POLICY].some((kind) => !isWritable(this.#server, kind)))
      return undefined;
    const { inputs } = this.#recorder;
    const { ownerOf } = this.#states;
    return unmetStaged(inputs.current(namespace), namespace, this.#states.state(namespace), ownerOf);
  }

  /**
   * True if a profile asks for strict mutual TLS in a namespace that has none, so that its condition has to say why: most
   * often, a rule has a peer that strict mutual TLS would cut.
   */
  lacksStrict(profile: string): boolean {
    if (this.#mesh === undefined || !isFound(this.#storage)) return false;
    if (MESH_KINDS.some((kind) => !isWritable(this.#server, kind))) return false;
    const { inputs, observed } = this.#recorder;
    return NAMESPACES.filter((each) => each !== this.#rootNamespace).some((namespace) => {
      const current = inputs.current(namespace);
      const asking = overlaying(current, namespace).find(({ metadata }) => metadata.name === profile);
      const isInjected =
        current.labels?.['istio-injection'] === 'enabled' || isLabelledAmbient(current.labels);
      const isIsolated = observed
        .policies(namespace)
        .some((each) => isolatesAll(each.spec, 'Ingress') && observed.ownerOf(each) === profile);
      if (asking === undefined || !asksForStrict(asking) || !isInjected || !isIsolated) return false;
      return !this.#states
        .objects(namespace)
        .some(({ kind, object }) => kind === PEER_AUTHENTICATION && this.#states.isOwned(object));
    });
  }
}

/** True if the tunnel carries the flow, by its description. */
function isThrough(flow: string, { carries }: Tunnel, namespace: string): boolean {
  const peer = / peer ([^/,]+)\//.exec(flow)?.[1];
  return peer !== undefined && carries(namespace, peer);
}
