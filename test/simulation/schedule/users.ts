/** Carries out the users' actions of a plan. An action on an object that does not exist does nothing. */
import { ANNOTATION_PROMOTE, ANNOTATION_RETRY, LABEL_MANAGED_BY, MANAGER } from '../../../src/api/names.ts';
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { rfc3339 } from '../../../src/util/rfc3339.ts';
import { MEMBER, serviceSpec, TENANT } from '../../faults/changes.ts';
import { type Action, EXTERNAL, NAMESPACES, NODE_ADDRESSES, TRANSIENT, STABLE } from './actions.ts';
import { EPOCH } from './scheduler.ts';
import { EXCEPTION, NETWORK_POLICY, PROFILE } from '../server/kinds.ts';
import type { Answer, Server } from '../server/server.ts';

export const USER = 'user';
/** The spec of kube-system/kube-dns. */
export const DNS_SERVICE = {
  selector: { 'k8s-app': 'kube-dns' },
  ports: [{ port: 53, protocol: 'UDP' as const }],
};
export const POD_LABELS = [{ app: 'a' }, { app: 'b', tier: 'x' }, {}] as const;

const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
const exceptionsIn = (namespace: string) =>
  `/apis/segmentation.dev/v1alpha1/namespaces/${namespace}/segmentationexceptions`;
const deploymentsIn = (namespace: string) => `/apis/apps/v1/namespaces/${namespace}/deployments`;
const policies = (namespace: string) => `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
const NS = '/api/v1/namespaces';
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/b/endpointslices';

const DRIFTS: readonly (object | undefined)[] = [
  undefined,
  { spec: { podSelector: { matchLabels: { app: 'a' } } } },
  { spec: { ingress: [{}], policyTypes: ['Ingress'] } },
  { spec: { egress: [{ to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }], policyTypes: ['Egress'] } },
  { metadata: { labels: null } },
  { metadata: { labels: null, ownerReferences: null } },
  { metadata: { annotations: null } },
];

export class Users {
  readonly #server: Server;
  readonly #now: () => number;

  /** @param now milliseconds since the simulation began */
  constructor(server: Server, now: () => number) {
    this.#server = server;
    this.#now = now;
  }

  /** Creates the namespace of the operator, in which revisions are recorded. */
  prepareRollouts(): void {
    this.#createNamespace('segmentation-system');
  }

  /** Creates the objects that every schedule begins with. */
  prepare(): void {
    for (const namespace of ['kube-system', 'default', ...NAMESPACES.slice(0, -1)])
      this.#createNamespace(namespace);
    for (const namespace of STABLE)
      POD_LABELS.forEach((labels, index) => this.#pod(namespace, `pod-${index}`, labels));
    this.perform({ do: 'service', app: 'a', port: 8080 });
    this.#send('POST', `${NS}/kube-system/services`, { metadata: { name: 'kube-dns' }, spec: DNS_SERVICE });
    const body = { metadata: { name: 'ext' }, spec: { ports: [{ port: 443 }] } };
    this.#send('POST', `${NS}/b/services`, body);
    this.perform({ do: 'endpoints', addresses: [EXTERNAL[0]] });
    this.perform({ do: 'node', name: 'n1', address: NODE_ADDRESSES[0] });
  }

  perform(action: Action): void {
    switch (action.do) {
      case 'write profile':
        return this.#put(PROFILES, action.name, { spec: action.spec });
      case 'delete profile':
        return void this.#send('DELETE', `${PROFILES}/${action.name}`);
      case 'label':
        return void this.#send('PATCH', `${NS}/${action.namespace}`, { metadata: { labels: action.labels } });
      case 'create namespace':
        return this.#createNamespace(action.namespace);
      case 'delete namespace':
        return void this.#send('DELETE', `${NS}/${action.namespace}`);
      case 'pods':
        for (let index = 0; index < 3; index++) {
          if (index < action.count) this.#pod(action.namespace, `pod-${index}`, POD_LABELS[index] ?? {});
          else this.#send('DELETE', `${NS}/${action.namespace}/pods/pod-${index}`);
        }
        return;
      case 'service':
        return this.#put(`${NS}/a/services`, 'api', { spec: serviceSpec(action.app, action.port) });
      case 'delete service':
        return void this.#send('DELETE', `${NS}/a/services/api`);
      case 'endpoints': {
        const endpoints = action.addresses.map((address) => ({ addresses: [address] }));
        const metadata = { labels: { 'kubernetes.io/service-name': 'ext' } };
        return this.#put(SLICES, 'ext-1', { metadata, endpoints, ports: [{ port: 443, protocol: 'TCP' }] });
      }
      case 'node': {
        if (action.address === undefined) return void this.#send('DELETE', `/api/v1/nodes/${action.name}`);
        this.#send('POST', '/api/v1/nodes', { metadata: { name: action.name }, spec: {} });
        const addresses = [{ type: 'InternalIP', address: action.address }];
        return void this.#send('PATCH', `/api/v1/nodes/${action.name}/status`, { status: { addresses } });
      }
      case 'foreign policy':
        return this.#writeForeignPolicy(action);
      case 'drift':
        return this.#drift(action);
      default:
        return this.#performFeature(action);
    }
  }

  #performFeature(action: Action): void {
    switch (action.do) {
      case 'workload':
        return this.#setAvailable(action);
      case 'promote':
      case 'retry rollout':
      case 'pause rollout':
        return this.#steer(action);
      case 'ask':
        return this.#ask(action);
      case 'approve':
      case 'extend':
        return this.#changeException(action);
      case 'withdraw':
        return void this.#send('DELETE', `${exceptionsIn(action.namespace)}/${action.name}`);
      default:
        throw new Error(`not a user's action: ${action.do}`);
    }
  }

  #setAvailable({ namespace, name, available }: Extract<Action, { do: 'workload' }>): void {
    const path = deploymentsIn(namespace);
    this.#send('POST', path, { metadata: { name }, spec: { replicas: 1 } });
    this.#send('PATCH', `${path}/${name}/status`, { status: { availableReplicas: available } });
  }

  #steer(action: Extract<Action, { do: 'promote' | 'retry rollout' | 'pause rollout' }>): void {
    const profile = this.#server.storage.get(PROFILE, action.profile) as SegmentationProfile | undefined;
    const { rollout } = profile?.status ?? {};
    if (profile?.spec.rollout === undefined || rollout === undefined) return;
    const path = `${PROFILES}/${action.profile}`;
    if (action.do === 'pause rollout')
      return void this.#send('PATCH', path, { spec: { rollout: { paused: action.paused } } });
    const { revision, wave = '*' } = rollout;
    const annotations =
      action.do === 'retry rollout'
        ? { [ANNOTATION_RETRY]: String(revision) }
        : { [ANNOTATION_PROMOTE]: `${revision}/${action.isAll ? '*' : wave}` };
    this.#send('PATCH', path, { metadata: { annotations } });
  }

  #ask({ namespace, name, forMs, spec }: Extract<Action, { do: 'ask' }>): void {
    const expires = rfc3339(EPOCH + this.#now() + forMs);
    const about = { reason: 'INC-1', expires, requestedBy: 'jane' };
    this.#send('POST', exceptionsIn(namespace), { metadata: { name }, spec: { ...about, ...spec } });
  }

  #changeException(action: Extract<Action, { do: 'approve' | 'extend' }>): void {
    const { namespace, name } = action;
    const stored = this.#server.storage.get(EXCEPTION, `${namespace}/${name}`);
    if (stored === undefined) return;
    const { expires } = (stored as unknown as SegmentationException).spec;
    const path = `${exceptionsIn(namespace)}/${name}`;
    if (action.do === 'approve')
      return void this.#send('PATCH', path, { spec: { approval: { by: 'mary', until: expires } } });
    const later = rfc3339(Date.parse(expires) + action.byMs);
    this.#send('PATCH', path, { spec: { expires: later, ...(action.byMs > 0 && { extendedBy: 'jane' }) } });
  }

  #createNamespace(name: string): void {
    const labels = { [TENANT]: name === 'a' || name === 'c' ? 'blue' : 'red', [MEMBER]: 'yes' };
    const metadata = { name, ...(NAMESPACES.includes(name) && { labels }) };
    this.#send('POST', NS, { metadata });
  }

  #pod(namespace: string, name: string, labels: object): void {
    this.#send('POST', `${NS}/${namespace}/pods`, { metadata: { name, labels }, spec: {} });
  }

  #put(
    collection: string,
    name: string,
    body: { readonly metadata?: object; readonly [field: string]: unknown },
  ): void {
    const { status } = this.#send('PATCH', `${collection}/${name}`, body);
    if (status === 404) this.#send('POST', collection, { ...body, metadata: { ...body.metadata, name } });
  }

  /** Writes or deletes a foreign policy. Own policies are left to #drift. */
  #writeForeignPolicy({ namespace, name, spec }: Extract<Action, { do: 'foreign policy' }>): void {
    const existing = this.#server.storage.get(NETWORK_POLICY, `${namespace}/${name}`);
    if (existing?.metadata.labels?.[LABEL_MANAGED_BY] === MANAGER) return;
    if (spec === undefined) this.#send('DELETE', `${policies(namespace)}/${name}`);
    else if (existing === undefined) this.#send('POST', policies(namespace), { metadata: { name }, spec });
    else this.#send('PUT', `${policies(namespace)}/${name}`, { metadata: { name }, spec });
  }

  #drift({ namespace, choice, how }: Extract<Action, { do: 'drift' }>): void {
    const own = (this.#server.storage.snapshot(NETWORK_POLICY) ?? []).filter(
      ([, { metadata }]) =>
        metadata.namespace === namespace && metadata.labels?.[LABEL_MANAGED_BY] === MANAGER,
    );
    const policy = own[choice % Math.max(1, own.length)]?.[1];
    if (policy === undefined) return;
    const path = `${policies(namespace)}/${policy.metadata.name}`;
    const patch = DRIFTS[how % DRIFTS.length];
    if (patch === undefined) this.#send('DELETE', path);
    else this.#send('PATCH', path, patch);
  }

  #send(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Answer {
    const type = path.startsWith(PROFILES)
      ? { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile' }
      : {};
    const created = { ...type, ...(withoutNulls(body) as object) };
    return this.#server.handle({ method, path, body: method === 'POST' ? created : body }, USER);
  }
}

/** A null in a patch removes a field, which an object that is created does not have. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== null)
      .map(([key, each]) => [key, withoutNulls(each)]),
  );
}

/** True if the namespace's pods exist all the time, so that cutting one breaks I2. */
export function hasStablePods(namespace: string): boolean {
  return !(TRANSIENT as readonly string[]).includes(namespace);
}
