/** Carries out the actions of a plan on what a network engine leaves in the cluster, and on its objects. */
import { LABEL_MANAGED_BY, MANAGER } from '../../../src/api/names.ts';
import type { Engine, GuardKind } from '../../../src/engines/engine.ts';
import { SIGNATURES } from '../../../src/engines/signatures.ts';
import { definitionName, type Schema } from '../server/definitions.ts';
import {
  apiVersionOf,
  AUTHORIZATION_POLICY,
  CALICO_GLOBAL,
  CALICO_POLICY,
  CALICO_STAGED,
  CALICO_STAGED_GLOBAL,
  CALICO_STAGED_POLICY,
  CALICO_TIER,
  CILIUM_POLICY,
  CLUSTER_POLICY,
  CONFIG_MAP,
  ENDPOINT_SLICE,
  INJECTOR,
  NAMESPACE,
  POD,
  SERVICE,
  ENGINE_KINDS,
  GKE_POLICY,
  type Kind,
  PEER_AUTHENTICATION,
  type Stored,
} from '../server/kinds.ts';
import { pathOf } from '../server/route.ts';
import type { Server } from '../server/server.ts';
import { USER } from '../schedule/users.ts';
import type { DefinitionForm, EngineAction } from './actions.ts';
import { GUARD_KINDS, TIER } from './guards.ts';
import {
  AMBIENT_MODE,
  CONFIGURATION,
  CONTROL_PLANE,
  INJECTED,
  INJECTOR_NAME,
  MESH_KINDS,
  REDIRECTED,
  SIDECAR,
} from './mesh.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const DAEMON_SETS = '/apis/apps/v1/namespaces/kube-system/daemonsets';

/** The fields of each kind's spec, and one without which an object would mean something else. */
const FIELDS: readonly (readonly [kind: Kind, fields: readonly string[], since: string])[] = [
  [CILIUM_POLICY, ['endpointSelector', 'enableDefaultDeny', 'ingress', 'egress'], 'enableDefaultDeny'],
  [CALICO_POLICY, ['tier', 'order', 'selector', 'types', 'ingress', 'egress'], 'tier'],
  [
    CALICO_STAGED_POLICY,
    ['stagedAction', 'tier', 'order', 'selector', 'types', 'ingress', 'egress'],
    'stagedAction',
  ],
  [CALICO_STAGED, ['stagedAction', 'podSelector', 'policyTypes', 'ingress', 'egress'], 'stagedAction'],
  [
    CALICO_GLOBAL,
    ['tier', 'order', 'namespaceSelector', 'selector', 'types', 'ingress', 'egress'],
    'namespaceSelector',
  ],
  [
    CALICO_STAGED_GLOBAL,
    ['stagedAction', 'tier', 'order', 'namespaceSelector', 'selector', 'types', 'ingress', 'egress'],
    'stagedAction',
  ],
  [CALICO_TIER, ['order', 'defaultAction'], 'defaultAction'],
  [GKE_POLICY, ['podSelector', 'egress'], 'podSelector'],
  [CLUSTER_POLICY, ['tier', 'priority', 'subject', 'ingress', 'egress'], 'subject'],
  [AUTHORIZATION_POLICY, ['selector', 'action', 'rules'], 'selector'],
  [PEER_AUTHENTICATION, ['selector', 'mtls'], 'mtls'],
];

const DRIFTS: readonly (object | undefined)[] = [
  undefined,
  { spec: { ingress: null, egress: null } },
  { spec: { egress: [] } },
  { metadata: { labels: null } },
  { metadata: { labels: null, ownerReferences: null } },
  { metadata: { annotations: null } },
];

/** The kind that carries an engine's extensions. */
export const EXTENSION_KIND: Readonly<Record<Engine, Kind>> = {
  Cilium: CILIUM_POLICY,
  Calico: CALICO_POLICY,
  GKE: GKE_POLICY,
};

export class EngineUsers {
  readonly #server: Server;
  #rootNamespace: string | undefined;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Serves the kinds of an engine, whose agent becomes ready. */
  prepare(engine: Engine, kinds: readonly string[]): void {
    for (const kind of kinds) this.perform({ do: 'definition', kind, form: 'current' });
    this.perform({ do: 'agent', engine, state: 'ready' });
  }

  /** Installs the control plane of a mesh, and serves its kinds. @param rootNamespace as in EngineScene */
  prepareMesh(rootNamespace: string | undefined): void {
    this.#rootNamespace = rootNamespace;
    for (const kind of MESH_KINDS)
      this.perform({ do: 'definition', kind: definitionName(kind), form: 'current' });
    const { namespace, name } = CONTROL_PLANE;
    this.#send('POST', pathOf(NAMESPACE), {
      metadata: { name: namespace },
    });
    this.#send('POST', pathOf(SERVICE, namespace), {
      metadata: { name },
      spec: { selector: { app: name }, ports: [{ port: 15_012, protocol: 'TCP' }] },
    });
    this.#send('POST', pathOf(ENDPOINT_SLICE, namespace), {
      metadata: { name, labels: { 'kubernetes.io/service-name': name } },
      endpoints: [{ addresses: ['10.1.0.1'], conditions: { ready: true } }],
      ports: [{ port: 15_012, protocol: 'TCP' }],
    });
    this.#setMesh('configuration', true);
    this.#setMesh('injector', true);
  }

  #setMesh(part: 'injector' | 'configuration', isThere: boolean): void {
    const { namespace, name } = CONTROL_PLANE;
    const kind = part === 'injector' ? INJECTOR : CONFIG_MAP;
    const place = part === 'injector' ? undefined : namespace;
    const metadata =
      part === 'injector'
        ? { name: INJECTOR_NAME, labels: { app: 'sidecar-injector' } }
        : { name: CONFIGURATION };
    if (!isThere) return void this.#send('DELETE', pathOf(kind, place, metadata.name));
    const clientConfig = { service: { namespace, name } };
    const namespaceSelector = { matchLabels: INJECTED };
    this.#send('POST', pathOf(kind, place), {
      metadata,
      ...(part === 'injector'
        ? { webhooks: [{ name: 'injector', clientConfig, namespaceSelector }] }
        : { data: { mesh: this.#configuration() } }),
    });
  }

  #configuration(): string {
    const { namespace, name } = CONTROL_PLANE;
    const address = `defaultConfig: {discoveryAddress: "${name}.${namespace}.svc:15012"}`;
    return this.#rootNamespace === undefined ? address : `${address}\nrootNamespace: ${this.#rootNamespace}`;
  }

  #inject({ namespace, isInjected }: Extract<EngineAction, { do: 'inject' }>): void {
    const sidecar = Object.fromEntries(
      Object.entries(SIDECAR).map(([key, value]) => [key, isInjected ? value : null]),
    );
    const injection = Object.fromEntries(
      Object.entries(INJECTED).map(([key, value]) => [key, isInjected ? value : null]),
    );
    const pods = [...this.#server.storage.values(POD)].filter(
      ({ metadata }) => metadata.namespace === namespace,
    );
    const label = () =>
      this.#send('PATCH', pathOf(NAMESPACE, undefined, namespace), { metadata: { labels: injection } });
    if (!isInjected) label();
    for (const { metadata } of pods)
      this.#send('PATCH', pathOf(POD, namespace, metadata.name), { metadata: { labels: sidecar } });
    if (isInjected) label();
  }

  /** Labels the namespace for ambient mode, upon which its pods are redirected; or the reverse. */
  #redirect({ namespace, isAmbient }: Extract<EngineAction, { do: 'ambient' }>): void {
    const set = (keys: object) =>
      Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, isAmbient ? value : null]));
    this.#send('PATCH', pathOf(NAMESPACE, undefined, namespace), { metadata: { labels: set(AMBIENT_MODE) } });
    for (const { metadata } of this.#server.storage.values(POD))
      if (metadata.namespace === namespace)
        this.#send('PATCH', pathOf(POD, namespace, metadata.name), {
          metadata: { annotations: set(REDIRECTED) },
        });
  }

  /** Serves the kinds of guards, and creates the tier that they need. */
  prepareGuards(kind: GuardKind): void {
    const { guard, others } = GUARD_KINDS[kind];
    for (const each of [guard, ...others])
      this.perform({ do: 'definition', kind: definitionName(each), form: 'current' });
    if (kind === 'GlobalNetworkPolicy') this.perform({ do: 'tier', isThere: true });
  }

  perform(action: Exclude<EngineAction, { do: 'configure' | 'acceptance' }>): void {
    switch (action.do) {
      case 'inject':
        return this.#inject(action);
      case 'ambient':
        return this.#redirect(action);
      case 'mesh':
        return this.#setMesh(action.part, action.isThere);
      case 'tier': {
        if (!action.isThere) return void this.#send('DELETE', pathOf(CALICO_TIER, undefined, TIER.name));
        const metadata = { name: TIER.name };
        return void this.#send('POST', pathOf(CALICO_TIER), { metadata, spec: TIER.spec });
      }
      case 'definition':
        return this.#define(action.kind, action.form);
      case 'permission':
        if (action.isGranted) this.#server.forbidden.delete(action.kind);
        else this.#server.forbidden.add(action.kind);
        return;
      case 'agent':
        return this.#setAgent(action.engine, action.state);
      case 'engine drift':
        return this.#drift(action);
      case 'foreign object':
        return this.#writeForeign(action);
    }
  }

  #define(name: string, form: DefinitionForm): void {
    const path = `${DEFINITIONS}/${name}`;
    if (form === 'gone') return void this.#send('DELETE', path);
    const found = FIELDS.find(([kind]) => definitionName(kind) === name);
    if (found === undefined) throw new Error(`no fields of ${name} are known`);
    const [kind, fields, since] = found;
    const properties = Object.fromEntries(
      fields
        .filter((field) => form !== 'older' || field !== since)
        .map((field): [string, Schema] => [field, {}]),
    );
    const further: Readonly<Record<string, Schema>> =
      form === 'later' ? { later: {} } : form === 'defaulting' ? { added: { default: 'added' } } : {};
    const spec = { properties: { ...properties, ...further } };
    const schema: Schema = { properties: { spec, ...(kind.status && { status: {} }) } };
    const versions = [{ name: kind.version, served: true, schema: { openAPIV3Schema: schema } }];
    const labels = { form };
    const { status } = this.#send('PATCH', path, { metadata: { labels }, spec: { versions } });
    if (status === 404) this.#send('POST', DEFINITIONS, { metadata: { name, labels }, spec: { versions } });
  }

  #setAgent(engine: Engine, state: Extract<EngineAction, { do: 'agent' }>['state']): void {
    const name = SIGNATURES.find((each) => each.engine === engine)?.agents.find(
      ({ namespace }) => namespace === 'kube-system',
    )?.name;
    const path = `${DAEMON_SETS}/${name}`;
    if (state === 'gone') return void this.#send('DELETE', path);
    this.#send('POST', DAEMON_SETS, { metadata: { name }, spec: {} });
    this.#send('PATCH', `${path}/status`, { status: { numberReady: state === 'ready' ? 1 : 0 } });
  }

  #drift({ namespace, choice, how }: Extract<EngineAction, { do: 'engine drift' }>): void {
    const own = ENGINE_KINDS.flatMap((kind) =>
      (this.#server.storage.snapshot(kind) ?? []).flatMap(([, object]) =>
        (object.metadata.namespace ?? namespace) === namespace && isOwn(object) ? [{ kind, object }] : [],
      ),
    );
    const found = own[choice % Math.max(1, own.length)];
    if (found === undefined) return;
    const path = pathOf(found.kind, found.object.metadata.namespace, found.object.metadata.name);
    const patch = DRIFTS[how % DRIFTS.length];
    if (patch === undefined) return void this.#send('DELETE', path);
    this.#send('PATCH', path, patch);
  }

  #writeForeign(action: Extract<EngineAction, { do: 'foreign object' }>): void {
    const { engine, namespace, name, isThere, isIsolating = false } = action;
    const kind = EXTENSION_KIND[engine];
    const existing = this.#server.storage.get(kind, `${namespace}/${name}`);
    if (existing !== undefined && isOwn(existing)) return;
    if (!isThere) return void this.#send('DELETE', pathOf(kind, namespace, name));
    const metadata = { name };
    const app = isIsolating ? 'a' : 'none';
    const direction = isIsolating ? { ingress: [{}], egress: [{}] } : { ingress: [{}] };
    this.#send('POST', pathOf(kind, namespace), {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata,
      spec: {
        Cilium: { endpointSelector: { matchLabels: { app } }, ...direction },
        Calico: { tier: 'default', selector: `app == '${app}'`, types: ['Ingress'] },
        GKE: { podSelector: { matchLabels: { app } }, egress: [] },
      }[engine],
    });
  }

  #send(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: object) {
    return this.#server.handle({ method, path, body }, USER);
  }
}

function isOwn({ metadata }: Stored): boolean {
  return metadata.labels?.[LABEL_MANAGED_BY] === MANAGER;
}
