/** Judges the guards of profiles: while they change, and in a converged cluster. It reads the model only. */
import type { KubeObject } from '../../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { GuardKind } from '../../../../src/engines/engine.ts';
import type { GuardCarrier } from '../../../../src/engines/guards/carrier.ts';
import { writtenForm } from '../../../../src/engines/guards/objects.ts';
import { isWithin } from '../../../../src/engines/guards/priority.ts';
import { NAMESPACES, PROFILES } from '../../schedule/actions.ts';
import type { Combination } from '../../schedule/combination.ts';
import type { ProfileValue } from '../../schedule/inputs.ts';
import { definitionName, inForm, schemaOf } from '../../server/definitions.ts';
import { CALICO_STAGED_GLOBAL, CALICO_TIER, DEFINITION, type Kind, type Stored } from '../../server/kinds.ts';
import type { Server } from '../../server/server.ts';
import { type Bounds, type BoundsContext, guardBounds } from './guard-bounds.ts';
import {
  carrierOf,
  type Compiled,
  compiledGuard,
  currentGuard,
  GUARD_KINDS,
  type GuardRecorder,
  type GuardScope,
  guardScope,
  leastScope,
  modeOf,
  unmetForm,
} from '../guards.ts';
import type { EngineObject } from '../references.ts';
import { isWritable, type Served, servedAs } from '../standing.ts';

export class GuardJudge {
  /** The kind that carries guards. */
  readonly guard: Kind;
  #scope: { readonly version: string; readonly scope: GuardScope } | undefined;
  /** The inputs of combinations without exceptions in force, by namespace and combination. */
  readonly #scopes = new Map<string, GuardScope>();
  /** True if guards could not be written at some time of this round. */
  #wasUnwritable = false;
  readonly #carrier: GuardCarrier;
  readonly #recorder: GuardRecorder;
  readonly #server: Server;

  constructor(kind: GuardKind, recorder: GuardRecorder, server: Server) {
    this.guard = GUARD_KINDS[kind].guard;
    this.#carrier = carrierOf(kind);
    this.#recorder = recorder;
    this.#server = server;
  }

  /** Changes with all that the bounds depend on. */
  get key(): string {
    return `${this.#recorder.inputs.version} ${this.#wasUnwritable}`;
  }

  beginRound(): void {
    this.#wasUnwritable = false;
    this.#scopes.clear();
    this.follow();
  }

  /** Looks at the cluster after a change. */
  follow(): void {
    this.#wasUnwritable ||= this.#served !== 'current';
  }

  /** @param known as in BoundsContext */
  bounds(
    combination: Combination,
    { place, policies, known }: Pick<BoundsContext, 'place' | 'policies' | 'known'>,
  ): Bounds {
    const { least, most } = guardBounds(combination, {
      kind: this.guard,
      carrier: this.#carrier,
      own: this.#scopeOf(combination, place.name, policies),
      scope: this.#scopeOfRound(),
      place,
      policies,
      known,
    });
    // A guard that can't be written, or whose kind is gone, denies nothing.
    return { least, most: this.#wasUnwritable ? [...most, []] : most };
  }

  #scopeOf(combination: Combination, namespace: string, policies: readonly NetworkPolicy[]): GuardScope {
    // Exceptions in force depend on the policies too.
    if (combination.exceptions.length > 0) return leastScope(combination, namespace, policies);
    const key = `${namespace} ${combination.key}`;
    let scope = this.#scopes.get(key);
    if (scope === undefined) this.#scopes.set(key, (scope = leastScope(combination, namespace, policies)));
    return scope;
  }

  #scopeOfRound(): GuardScope {
    const { inputs, observed } = this.#recorder;
    const { version } = inputs;
    if (this.#scope?.version === version) return this.#scope.scope;
    const combinations = new Map(NAMESPACES.map((each) => [each, inputs.combinations(each)]));
    const scope = guardScope(combinations, (namespace) => observed.policies(namespace));
    this.#scope = { version, scope };
    return scope;
  }

  /** True if all forms that the profile had in this round keep the guard. */
  isWanted(kind: Kind, object: Stored): boolean {
    const name = this.#ownerOf(object);
    if (kind !== this.guard || name === undefined) return false;
    const values = this.#recorder.inputs.values<ProfileValue>(`profile ${name}`);
    const profile = this.#recorder.observed.profile(name);
    if (profile === undefined || !values.every((each) => modeOf(each.profile) === 'Enforce')) return false;
    const made = compiledGuard(currentGuard(profile, this.#recorder), this.#carrier);
    const form = this.#carrier.read(object)?.form;
    return (
      made !== undefined &&
      form !== undefined &&
      unmetForm(
        [],
        made,
        this.#reading(() => form),
      ) !== undefined
    );
  }

  /** @param objects all objects of kinds of the cluster */
  unmet(name: string, objects: readonly EngineObject[]): string | undefined {
    const profile = this.#recorder.observed.profile(name);
    const mode = modeOf(profile);
    const own = (kind: Kind) =>
      objects
        .filter((each) => each.kind === kind && this.#ownerOf(each.object) === name)
        .map(({ object }) => object);
    const guards = own(this.guard);
    if (this.#served !== 'current') return undefined;
    if (mode === 'Disabled' && guards.length > 0) return `its guard ${guards[0]?.metadata.name} is left`;
    if (profile === undefined || mode === 'Disabled')
      return this.#unmetStaged(own(CALICO_STAGED_GLOBAL), undefined);
    const made = compiledGuard(currentGuard(profile, this.#recorder), this.#carrier);
    if (made === undefined) return undefined;
    // Passes of unresolved peers that can't be read back are kept as they are, until the peers are resolved.
    if (made.unresolved.size > 0 && guards.some((each) => !this.#isWhole(each))) return undefined;
    if (mode === 'Enforce') {
      const unmet = unmetForm(
        guards,
        made,
        this.#reading((object) => this.#carrier.read(object)?.form),
      );
      // Until a guard can be enforced, the staged one goes on to show what it would deny.
      const mayBeStaged = guards.length === 0 && made.unresolved.size > 0;
      const staged = mayBeStaged ? undefined : this.#unmetStaged(own(CALICO_STAGED_GLOBAL), undefined);
      return unmet ?? staged ?? this.#misplaced(guards, objects);
    }
    if (guards.length > 0) return `its guard ${guards[0]?.metadata.name} is left under Audit`;
    return this.#unmetStaged(own(CALICO_STAGED_GLOBAL), made);
  }

  /** A guard has a priority of its own, and comes after those whose namespaces are among its own. */
  #misplaced(guards: readonly KubeObject[], objects: readonly EngineObject[]): string | undefined {
    const others = objects
      .filter(({ kind, object }) => kind === this.guard && this.#ownerOf(object) !== undefined)
      .map(({ object }) => object);
    for (const [own, other] of guards.flatMap((each) => others.map((one) => [each, one] as const))) {
      if (own.metadata.name === other.metadata.name) continue;
      const [place, beside] = [this.#carrier.read(own), this.#carrier.read(other)];
      if (place === undefined || beside === undefined || place.priority > beside.priority) continue;
      if (place.priority === beside.priority) return `its guard has the priority of ${other.metadata.name}`;
      if (isWithin(beside.form.subject, place.form.subject))
        return `its guard comes before ${other.metadata.name}, which is for fewer of its namespaces`;
    }
    return undefined;
  }

  /** True if the guard is as it was written. */
  #isWhole(guard: KubeObject): boolean {
    const form = this.#carrier.read(guard)?.form;
    return form !== undefined && writtenForm(guard, form).isWhole;
  }

  /** The status that the condition should have; undefined if either may be. */
  status(name: string): 'True' | 'False' | undefined {
    const profile = this.#recorder.observed.profile(name);
    const mode = modeOf(profile);
    if (profile === undefined || mode === 'Disabled') return undefined;
    if (this.#served === 'gone') return mode === 'Enforce' ? 'False' : undefined;
    if (this.#served === 'changed') return undefined;
    const made = compiledGuard(currentGuard(profile, this.#recorder), this.#carrier);
    if (made === undefined || made.open.length > 0) return 'False';
    if (mode === 'Audit') return 'True';
    return made.unresolved.size > 0 ? 'False' : 'True';
  }

  /** The state of the kind: as that of its definition, or `gone` also if it can't be written for another reason. */
  get #served(): Served {
    const { requires } = this.#carrier;
    if (this.#server.forbidden.has(definitionName(this.guard))) return 'gone';
    return requires === undefined || this.#hasTier(requires) ? servedAs(this.#server, this.guard) : 'gone';
  }

  #hasTier(required: NonNullable<GuardCarrier['requires']>): boolean {
    const { storage, forbidden } = this.#server;
    const schema = schemaOf(CALICO_TIER, storage.get(DEFINITION, definitionName(CALICO_TIER)));
    const tier = storage.get(CALICO_TIER, required.name);
    if (schema === undefined || tier === undefined) return false;
    return !forbidden.has(definitionName(CALICO_TIER)) && required.isRight(inForm(tier, schema));
  }

  /** @param made what is to be staged; undefined: nothing */
  #unmetStaged(objects: readonly KubeObject[], made: Compiled | undefined): string | undefined {
    const { staging } = this.#carrier;
    if (staging === undefined || !isWritable(this.#server, CALICO_STAGED_GLOBAL)) return undefined;
    if (made === undefined) return objects.length === 0 ? undefined : 'its staged guard is left';
    const read = (object: KubeObject) => {
      const guard = staging.staged(object);
      return guard && this.#carrier.read(guard)?.form;
    };
    const unmet = unmetForm(objects, made, this.#reading(read));
    return unmet && `staged: ${unmet}`;
  }

  #reading(read: Parameters<typeof unmetForm>[2]['read']) {
    return { carrier: this.#carrier, read };
  }

  #ownerOf(object: KubeObject): string | undefined {
    const name = this.#recorder.observed.ownerOf(object as NetworkPolicy);
    return name !== undefined && PROFILES.includes(name) ? name : undefined;
  }
}
