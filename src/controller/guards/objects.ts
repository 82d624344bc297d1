/** The objects of the kind that carries guards, in the version that the API server serves. */
import type { KubeObject } from '../../api/meta.ts';
import type { ClusterState } from '../../cluster-state/state.ts';
import type { ForeignRank, GuardCarrier } from '../../engines/guards/carrier.ts';
import type { ObjectStep } from '../../engines/object-step.ts';
import { servedVersions } from '../../kube/discovery.ts';
import { ApiError, isAborted, isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource } from '../../kube/resource.ts';
import { type Clock, type Random, sleep } from '../../util/clock.ts';
import { type EngineKind, EngineObjects, type ObjectsState, type OnObjectWrite } from '../engines/objects.ts';

export interface GuardObjectsOptions {
  readonly carrier: GuardCarrier;
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  readonly clock: Clock;
  readonly random: Random;
  /** All objects are listed again after this time, in milliseconds; 0 for never. */
  readonly resyncMs: number;
  /** Somebody else changed an object, or the state has changed. */
  readonly onChange: () => void;
  /** Called after each write. */
  readonly onWrite: OnObjectWrite;
  /** Called for each failure of the watch. */
  readonly onWatchError: (resource: string, error: unknown) => void;
}

/** Milliseconds until the served versions are read again: a CRD appears while a person watches the operator start. */
const VERSION_INTERVAL_MS = 5000;
/** Milliseconds until an object that the carrier requires, and that is there, is read again. */
const REQUIRED_INTERVAL_MS = 60_000;

const UNKNOWN: ObjectsState = { kind: 'unknown' };

interface Watched {
  readonly version: string;
  readonly objects: EngineObjects;
}

export class GuardObjects {
  readonly #options: GuardObjectsOptions;
  readonly #stopping = new AbortController();
  #watched: Watched | undefined;
  #running: Promise<void> = Promise.resolve();
  #isServed = true;
  /** The state of the object that the carrier requires. */
  #required: ObjectsState;
  /** When that object is read again, in monotonic milliseconds. */
  #requiredAt = 0;

  constructor(options: GuardObjectsOptions) {
    this.#options = options;
    this.#required = options.carrier.requires === undefined ? { kind: 'available' } : UNKNOWN;
  }

  start(): void {
    this.#running = this.#follow(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#watched?.objects.stop();
  }

  get state(): ObjectsState {
    const { plural, group } = this.#options.carrier;
    const state = this.#watched?.objects.state ?? UNKNOWN;
    if (this.#isServed && !(state.kind === 'missing' && state.reason === 'Unsupported'))
      return state.kind === 'available' ? this.#required : state;
    const cause =
      this.#isServed && state.kind === 'missing'
        ? state.message
        : `the API server does not serve ${plural}.${group}`;
    const message = `${cause}: install its CRD, and a network engine that enforces it`;
    return { kind: 'missing', reason: 'Unsupported', message };
  }

  /** Why the first list has failed, for another reason than `state` says. */
  get failure(): string | undefined {
    return this.#watched?.objects.failure;
  }

  get apiVersion(): string {
    const { group, versions } = this.#options.carrier;
    return `${group}/${this.#watched?.version ?? versions[0]}`;
  }

  /** The guards of a profile: one, but for those that somebody has copied. */
  of(profile: string): KubeObject[] {
    return this.#all().filter((object) => this.#ownerOf(object) === profile);
  }

  /** The guards of other profiles. */
  others(profile: string): KubeObject[] {
    return this.#all().filter((object) => {
      const owner = this.#ownerOf(object);
      return owner !== undefined && owner !== profile;
    });
  }

  foreign(): { readonly name: string; readonly rank: ForeignRank | undefined }[] {
    return this.#all()
      .filter((object) => this.#ownerOf(object) === undefined)
      .map((object) => ({
        name: object.metadata.name,
        rank: (object as KubeObject & { readonly rank?: ForeignRank }).rank,
      }));
  }

  /** @throws ApiError, SchemaTooOldError */
  async write(step: ObjectStep, signal: AbortSignal): Promise<void> {
    if (this.#watched === undefined) throw new Error('guards are not watched yet');
    await this.#watched.objects.write(step, signal);
  }

  #all(): KubeObject[] {
    return [...(this.#watched?.objects.all() ?? [])];
  }

  #ownerOf(object: KubeObject): string | undefined {
    return this.#watched?.objects.ownerOf(object);
  }

  /** Watches the preferred one of the served versions; another one, if the CRD is replaced. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { carrier, transport, clock, onChange } = this.#options;
    while (!signal.aborted) {
      const { state } = this;
      if (this.#watched === undefined || state.kind === 'missing') {
        const isServed = await servedVersions(transport, signal).catch(ignoreAborted);
        const version = carrier.versions.find((each) => isServed?.({ group: carrier.group, version: each }));
        if (isServed !== undefined && this.#isServed !== (version !== undefined)) {
          this.#isServed = version !== undefined;
          onChange();
        }
        if (version !== undefined && version !== this.#watched?.version) await this.#watch(version);
      }
      if (this.#watched !== undefined) await this.#checkRequired(this.#watched.version, signal);
      await sleep(clock, VERSION_INTERVAL_MS, signal);
    }
  }

  /** Objects that can't be read now stay as they were. */
  async #checkRequired(version: string, signal: AbortSignal): Promise<void> {
    const { carrier, transport, clock, onChange } = this.#options;
    const { requires, component } = carrier;
    if (requires === undefined || clock.monotonic() < this.#requiredAt) return;
    const { plural, name, installed } = requires;
    const object = `${installed.kind} ${name}`;
    const lacks = (what: string): ObjectsState => {
      const message = `${what}, and guards need it as ${component} has it: kubectl apply -k ${component}`;
      return { kind: 'missing', reason: 'NotInstalled', message };
    };
    const before = JSON.stringify(this.#required);
    try {
      const resource = new Resource<KubeObject>(transport, {
        group: carrier.group,
        version,
        plural,
        namespaced: false,
      });
      const isThere = requires.isRight(await resource.get(name, undefined, { signal }));
      this.#required = isThere ? { kind: 'available' } : lacks(`${object} was changed`);
      if (isThere) this.#requiredAt = clock.monotonic() + REQUIRED_INTERVAL_MS;
    } catch (error) {
      if (isNotFound(error)) this.#required = lacks(`${object} does not exist`);
      else if (isForbidden(error)) this.#required = lacks(`the operator may not read ${object}`);
      else if (!(error instanceof ApiError)) throw error;
    }
    if (JSON.stringify(this.#required) !== before) onChange();
  }

  async #watch(version: string): Promise<void> {
    const { carrier, onChange } = this.#options;
    const { group, plural, component, since } = carrier;
    await this.#watched?.objects.stop();
    const kind: EngineKind = {
      kind: { group, version, plural, namespaced: false },
      component,
      since,
      foreignPart: (object) => ({ rank: carrier.rankOf(object) }),
    };
    const listener = { onState: onChange, onDrift: onChange };
    this.#watched = { version, objects: new EngineObjects(kind, this.#options, listener) };
  }
}

function ignoreAborted(error: unknown): undefined {
  if (!isAborted(error)) throw error;
}
