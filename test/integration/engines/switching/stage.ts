/** A cluster with the engine of a scene, its profiles, foreign objects, and an operator whose requests a test can stop. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../../../../src/api/meta.ts';
import { canonicalJSON } from '../../../../src/util/canonical-json.ts';
import { type ControlPlane, sharedControlPlane } from '../../../env/index.ts';
import { ApiProxy } from '../../../faults/api-proxy.ts';
import { type AuditEvent, auditedRequests } from '../../../support/audit.ts';
import { eventually, Sandbox } from '../../../support/cluster.ts';
import { installOperator, type Operator, type Operators, vacateLease } from '../../../support/operator.ts';
import { Definition, type Schema } from '../definition.ts';
import type { Expected, Place, Scene, SceneKind } from './scene.ts';

const CONFIG = join(import.meta.dirname, '../../../../config');
const SOON = 60_000;
const FOREIGN = 'foreign';
const NETWORK_POLICIES = { group: 'networking.k8s.io', version: 'v1', plural: 'networkpolicies' };

/** An object that a test compares with an earlier state of it. */
export interface Observed {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly spec: object;
}

/** By kind, namespace and name. */
export type Objects = ReadonlyMap<string, Observed>;

/** A change of the definitions of kinds. */
export interface KindChange {
  /** True for the kinds that change; absent: all that may change together. */
  readonly isOf?: (kind: SceneKind) => boolean;
  readonly edit: (spec: Schema, kind: SceneKind) => void;
  /** Matches the answer to a strict dry run that creates a written object, with the fields `sent`, once the change is taken up. */
  readonly answer: RegExp;
  readonly sent?: object;
  /** The name of a version that is served too; absent: none. */
  readonly served?: string;
}

export interface HeldWrites {
  /** The specs of the objects as they were stored, by kind, namespace and name. */
  readonly stored: readonly (readonly [name: string, spec: object])[];
  /** Waits until a write is held. */
  readonly begun: () => Promise<void>;
  readonly release: () => void;
}

export class Stage {
  /** For each kind the largest spec that the operator has written. */
  readonly #written = new Map<SceneKind, object>();
  readonly #scene: Scene;
  readonly #operators: Operators;
  readonly #folder = mkdtempSync(join(tmpdir(), 'switching-'));
  readonly #definitions: readonly Definition[];
  readonly #furtherDefinitions: readonly Definition[];
  readonly #plane: ControlPlane;
  readonly #proxy: ApiProxy;
  readonly #place: Place;
  readonly #profiles = new Map<string, string>();
  readonly #since = new Date().toISOString();
  #operator: Operator | undefined;
  #looks = 0;

  private constructor(
    scene: Scene,
    operators: Operators,
    plane: ControlPlane,
    proxy: ApiProxy,
    place: Place,
  ) {
    this.#scene = scene;
    this.#operators = operators;
    this.#plane = plane;
    this.#proxy = proxy;
    this.#place = place;
    this.#definitions = scene.kinds.map(({ definition }) => new Definition(plane.admin, definition));
    this.#furtherDefinitions = (scene.furtherKinds ?? []).map((each) => new Definition(plane.admin, each));
  }

  static async open(scene: Scene, operators: Operators): Promise<Stage> {
    const plane = await sharedControlPlane();
    const kubeconfig = await installOperator(plane);
    const box = new Sandbox(plane, 'switching');
    const [shop, leaving] = await Promise.all([
      box.namespace('shop', scene.labels),
      box.namespace('leaving', scene.labels),
    ]);
    const further = await scene.prepare(box, shop);
    const proxy = await ApiProxy.start(kubeconfig);
    const stage = new Stage(scene, operators, plane, proxy, { box, shop, leaving, further });
    try {
      await stage.#furnish();
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  get place(): Place {
    return this.#place;
  }

  /** Namespaces whose policies are compared. */
  get #namespaces(): string[] {
    const { shop, leaving, further } = this.#place;
    return [shop, leaving, ...Object.values(further)];
  }

  async #furnish(): Promise<void> {
    const { components, profiles, configuration } = this.#scene;
    await Promise.all([...this.#definitions, ...this.#furtherDefinitions].map((each) => each.apply()));
    for (const each of components) await this.#kubectl('apply', '-k', join(CONFIG, each));
    await this.placeTraces();
    await this.placeForeign();
    const { box, shop } = this.#place;
    await box.createPolicy(shop, FOREIGN, { podSelector: { matchLabels: { app: 'other' } }, ingress: [{}] });
    for (const [name, spec] of Object.entries(profiles(this.#place)))
      this.#profiles.set(name, await box.profile(name, spec as Record<string, unknown>));
    await this.start(configuration);
    await this.settled();
    await eventually(async () => {
      const objects = [...(await this.extras())].filter(([name]) => !name.endsWith(FOREIGN));
      for (const kind of this.#scene.kinds) {
        const prefix = `${kind.definition.metadata.name} `;
        const own = objects.filter(([name]) => name.startsWith(prefix)).map(([, { spec }]) => spec);
        const [largest] = own.sort((a, b) => canonicalJSON(b).length - canonicalJSON(a).length);
        assert.ok(largest, `no object of ${prefix}`);
        this.#written.set(kind, largest);
      }
    }, SOON);
  }

  async close(): Promise<void> {
    try {
      await this.#place.box.remove();
      await this.#operator?.kill();
      await this.removeTraces();
      for (const each of this.#scene.components)
        await this.#kubectl('delete', '--ignore-not-found', '-k', join(CONFIG, each));
      await Promise.all([...this.#definitions, ...this.#furtherDefinitions].map((each) => each.delete()));
    } finally {
      await this.#proxy.stop();
      rmSync(this.#folder, { recursive: true });
    }
  }

  #kubectl(...args: readonly string[]): Promise<string> {
    return this.#plane.kubectlRun([...args]);
  }

  // The operator.

  /** Starts an operator with this configuration. */
  async start(configuration: object): Promise<void> {
    const file = join(this.#folder, 'operator.yaml');
    const header = { apiVersion: 'config.segmentation.dev/v1alpha1', kind: 'OperatorConfiguration' };
    writeFileSync(file, JSON.stringify({ ...header, ...configuration }));
    this.#operator = await this.#operators.start(this.#proxy.kubeconfig, `--config=${file}`);
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.stop();
  }

  /** Starts another operator in place of the one that runs. */
  async restart(configuration: object = this.#scene.configuration): Promise<void> {
    await this.#operator?.stop();
    await this.start(configuration);
  }

  /** Resolves when the operator was killed at its first write of a NetworkPolicy, which has not reached the API server. */
  killedAtNetworkPolicies(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let isKilled = false;
    this.#proxy.intercept = (exchange) => {
      const collections = this.#namespaces.map((each) => collectionOf(NETWORK_POLICIES, each));
      const isStopped = exchange.isWrite && collections.some((each) => exchange.path.startsWith(each));
      if (!isStopped && !isKilled) return exchange.pass();
      exchange.reset();
      if (isKilled) return undefined;
      isKilled = true;
      this.#operator?.kill().then(resolve, reject);
      return undefined;
    };
    return promise;
  }

  /** Holds the operator's writes of objects of the kinds from now on, until `release` passes them. */
  holdWrites(): HeldWrites {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const stored: [string, object][] = [];
    let held = 0;
    const paths = this.#scene.kinds.map(({ definition: { spec }, version }) => {
      const names = spec.names.plural;
      return { prefix: `/apis/${spec.group}/${version}/`, part: `/${names}`, kind: `${names}.${spec.group}` };
    });
    this.#proxy.intercept = async (exchange) => {
      const found = paths.find(
        ({ prefix, part }) => exchange.path.startsWith(prefix) && exchange.path.includes(part),
      );
      if (found === undefined || !['POST', 'PUT'].includes(exchange.method)) return exchange.pass();
      held += 1;
      await released;
      const { status, body } = await exchange.commit();
      const { metadata, spec = {} } = JSON.parse(body) as KubeObject & { readonly spec?: object };
      const name = `${metadata.namespace ?? ''}/${metadata.name}`.replaceAll(this.#place.box.id, 'ID');
      if (status < 300) stored.push([`${found.kind} ${name}`, spec]);
      return exchange.answer(status, body);
    };
    return { stored, release, begun: () => eventually(async () => assert.ok(held > 0), SOON) };
  }

  /** Ends what a test does to the operator's requests. */
  heal(): void {
    this.#proxy.heal();
  }

  /** Starts an operator after one that was killed. */
  async resume(): Promise<void> {
    this.#proxy.heal();
    await vacateLease(this.#plane);
    await this.start(this.#scene.configuration);
  }

  /** Has the operator look for the engine: a profile begins to depend on it. */
  async look(): Promise<void> {
    if (this.#scene.isFoundAtStart) return this.restart();
    return this.#depend();
  }

  /** Creates a profile that depends on the engine. */
  async #depend(): Promise<void> {
    this.#looks += 1;
    const { box } = this.#place;
    const namespaceSelector = { matchLabels: { [`test.segmentation.dev/none-${this.#looks}`]: box.id } };
    const egress = [{ name: 'api', to: [{ entity: 'KubeAPIServer' }] }];
    // Guards pass what profiles allow that enforce.
    await box.profile(`look-${this.#looks}`, { mode: 'Audit', namespaceSelector, egress });
  }

  /** Waits until the operator has found the engine again. */
  async found(): Promise<void> {
    await eventually(async () => {
      await this.look();
      await this.settled(5000);
    }, SOON);
  }

  /** Waits until the running operator has noticed the engine's kinds. */
  async noticed(): Promise<void> {
    await eventually(async () => {
      if (this.#scene.isFoundAtStart !== true) await this.#depend();
      await this.settled(3000);
    }, SOON);
  }

  // The engine.

  /** Creates the objects by which the engine is found, and waits until its agent is ready. */
  async placeTraces(): Promise<void> {
    await this.#plane.kubectlRun(['apply', '--server-side', '-f', '-'], { stdin: this.#traces });
    for (const { kind, metadata } of this.#scene.traces(this.#place)) {
      if (kind !== 'DaemonSet') continue;
      const path = `/apis/apps/v1/namespaces/${metadata.namespace}/daemonsets/${metadata.name}`;
      await eventually(async () => {
        const { status } = await this.#place.box.read(path);
        assert.equal((status as { readonly numberReady?: number }).numberReady, 1);
      }, SOON);
    }
  }

  async removeTraces(): Promise<void> {
    await this.#plane.kubectlRun(['delete', '--ignore-not-found', '-f', '-'], { stdin: this.#traces });
  }

  get #traces(): string {
    return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: this.#scene.traces(this.#place) });
  }

  /** Creates the objects of somebody else. */
  async placeForeign(): Promise<void> {
    await Promise.all(this.#scene.kinds.map((kind) => this.#create(kind, kind.foreign(this.#place))));
  }

  async deleteKinds(): Promise<void> {
    await Promise.all(this.#definitions.map((each) => each.delete()));
  }

  async applyKinds(): Promise<void> {
    await Promise.all(this.#definitions.map((each) => each.apply()));
  }

  /** Changes the definitions of kinds, and waits until the API server has taken that up. */
  async changeKinds({
    isOf = ({ lacking }) => lacking !== undefined,
    edit,
    sent = {},
    served,
    answer,
  }: KindChange): Promise<void> {
    await Promise.all(
      this.#scene.kinds.map(async (kind, index) => {
        if (!isOf(kind)) return;
        const definition = this.#definitions[index];
        await definition?.change((versions) => {
          for (const { schema } of versions) edit(schema.openAPIV3Schema.properties?.['spec'] ?? {}, kind);
          const [first] = versions;
          if (served !== undefined && first !== undefined)
            versions.push({ ...structuredClone(first), name: served, served: true, storage: false });
        });
        const spec = { ...this.#written.get(kind), ...sent };
        const attempt = () => this.#create(kind, spec, '?dryRun=All&fieldValidation=Strict');
        await eventually(
          async () => assert.match(await attempt().then(JSON.stringify, String), answer),
          SOON,
        );
      }),
    );
  }

  #create({ definition, version, foreignIn = '' }: SceneKind, spec: object, query = ''): Promise<unknown> {
    const { group, names, scope } = definition.spec;
    const { box, further } = this.#place;
    const { [foreignIn]: shop = this.#place.shop } = further;
    const collection = collectionOf(
      { group, version, plural: names.plural },
      scope === 'Cluster' ? undefined : shop,
    );
    const metadata = { name: `${box.id}-${query === '' ? FOREIGN : 'tried'}` };
    const object = { apiVersion: `${group}/${version}`, kind: names.kind, metadata, spec };
    return this.#plane.admin.send('POST', collection + query, object);
  }

  // The world.

  /** All NetworkPolicies of the namespaces. */
  base(): Promise<Objects> {
    return this.#read(NETWORK_POLICIES, this.#namespaces);
  }

  /** All objects of the kinds of the scene; none of a kind that is not served. */
  async extras(): Promise<Objects> {
    const found = this.#scene.kinds.map(({ definition: { spec }, version }) => {
      const places = spec.scope === 'Cluster' ? [undefined] : this.#namespaces;
      return this.#read({ group: spec.group, version, plural: spec.names.plural }, places);
    });
    return new Map((await Promise.all(found)).flatMap((each) => [...each]));
  }

  /** The revision of each NetworkPolicy and of each object of the kinds. */
  async revisions(): Promise<Readonly<Record<string, string>>> {
    return { ...revisionsOf(await this.base()), ...revisionsOf(await this.extras()) };
  }

  async #read(kind: Kind, namespaces: readonly (string | undefined)[]): Promise<Objects> {
    const { id } = this.#place.box;
    const lists = namespaces.map(async (namespace) => {
      const { items } = (await this.#plane.admin
        .send('GET', collectionOf(kind, namespace))
        .catch(noItems)) as {
        readonly items: readonly (KubeObject & { readonly spec?: object })[];
      };
      return items.filter(({ metadata }) => namespace !== undefined || metadata.name.includes(id));
    });
    return new Map(
      (await Promise.all(lists))
        .flat()
        .map(({ metadata, spec = {} }) => [
          `${kind.plural}.${kind.group} ${metadata.namespace ?? ''}/${metadata.name}`.replaceAll(id, 'ID'),
          { uid: metadata.uid ?? '', resourceVersion: metadata.resourceVersion ?? '', spec },
        ]),
    );
  }

  /** Waits until the profiles are Ready, and nothing is being written. */
  async settled(ms = SOON): Promise<void> {
    await eventually(async () => {
      await this.#scene.tend?.(this.#place);
      for (const profile of this.#profiles.values()) {
        const { status, message } = await this.#place.box.condition(profile, 'Ready');
        assert.equal(status, 'True', message);
        assert.equal((await this.#place.box.condition(profile, 'Reconciling')).status, 'False');
      }
    }, ms);
  }

  /** Waits until the objects of the kinds have these specs, and there are no others; the engine has seen them then. */
  async become(specs: Specs): Promise<void> {
    await eventually(async () => assert.deepEqual(specsOf(await this.extras()), specs), SOON);
    await this.#scene.tend?.(this.#place);
  }

  /** Waits until the kinds have exactly the objects of these names. */
  async haveNames(names: readonly string[]): Promise<void> {
    await eventually(
      async () => assert.deepEqual([...(await this.extras()).keys()].sort(), [...names].sort()),
      SOON,
    );
  }

  /** Waits until exactly those of the present NetworkPolicies are left whose name `isLeft` accepts. */
  async baseBecomes(isLeft: (name: string) => boolean): Promise<void> {
    await eventually(async () => {
      const names = [...(await this.base()).keys()];
      assert.deepEqual(
        names.filter((name) => !isLeft(name)),
        [],
      );
    }, SOON);
  }

  /** Waits until the profiles have these conditions. */
  async report(expected: readonly Expected[]): Promise<void> {
    await eventually(async () => {
      const found = expected.map(async ({ profile, type, reason, message }) => {
        const condition = await this.#place.box.condition(this.#profiles.get(profile) ?? '', type);
        const isMet = condition.reason === reason && message.test(condition.message);
        return isMet
          ? []
          : [`${profile}: ${type} is ${condition.reason}, ${condition.message}; not ${reason}, ${message}`];
      });
      assert.deepEqual((await Promise.all(found)).flat(), []);
    }, SOON);
  }

  async edit(edits: Readonly<Record<string, object>>): Promise<void> {
    for (const [name, spec] of Object.entries(edits))
      await this.#place.box.edit(this.#profiles.get(name) ?? '', spec as Record<string, unknown>);
  }

  /** Deletes the profiles, and waits until they are gone. */
  async removeProfiles(): Promise<void> {
    const { box } = this.#place;
    for (const each of this.#profiles.values()) await box.removeProfile(each);
    for (const each of this.#profiles.values())
      await eventually(() => assert.rejects(box.readProfile(each), /HTTP 404/), SOON);
  }

  /** The operator's successful writes of NetworkPolicies and of objects of the kinds. */
  writes(): AuditEvent[] {
    const groups = new Set(this.#scene.kinds.map(({ definition }) => definition.spec.group));
    const isOfScene = ({ objectRef: { apiGroup = '', namespace = '', name = '' } = {} }: AuditEvent) =>
      (groups.has(apiGroup) || apiGroup === NETWORK_POLICIES.group) &&
      (namespace === '' ? name.includes(this.#place.box.id) : this.#namespaces.includes(namespace));
    return auditedRequests(this.#plane, this.#since).filter(
      (each) => WRITES.has(each.verb) && (each.responseStatus?.code ?? 500) < 300 && isOfScene(each),
    );
  }
}

export type Specs = Readonly<Record<string, unknown>>;

export function specsOf(objects: Objects): Specs {
  return Object.fromEntries(
    [...objects].map(([name, { spec }]) => {
      // Guards that are created anew together take the free priorities in any order.
      const { order: _, ...kept } = spec as { readonly order?: number };
      return [name, kept];
    }),
  );
}

export function revisionsOf(objects: Objects): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...objects].map(([name, { uid, resourceVersion }]) => [name, `${uid} ${resourceVersion}`]),
  );
}

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
}

const WRITES = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

function collectionOf({ group, version, plural }: Kind, namespace: string | undefined): string {
  const place = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `/apis/${group}/${version}${place}/${plural}`;
}

function noItems(error: unknown): { readonly items: readonly never[] } {
  if ((error as { status?: number }).status !== 404) throw error;
  return { items: [] };
}
