/** Carries out the users' actions of a plan. An action on an object that does not exist does nothing. */
import { LABEL_MANAGED_BY, MANAGER } from '../../../src/api/names.ts';
import { MEMBER, serviceSpec, TENANT } from '../../faults/changes.ts';
import { type Action, EXTERNAL, NAMESPACES, NODE_ADDRESSES, TRANSIENT, STABLE } from './plan.ts';
import { NETWORK_POLICY } from '../server/kinds.ts';
import type { Answer, Server } from '../server/server.ts';

export const USER = 'user';
/** The spec of kube-system/kube-dns. */
export const DNS_SERVICE = {
  selector: { 'k8s-app': 'kube-dns' },
  ports: [{ port: 53, protocol: 'UDP' as const }],
};
export const POD_LABELS = [{ app: 'a' }, { app: 'b', tier: 'x' }, {}] as const;

const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
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

  constructor(server: Server) {
    this.#server = server;
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
        throw new Error(`not a user's action: ${action.do}`);
    }
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
    return this.#server.handle({ method, path, body: method === 'POST' ? { ...type, ...body } : body }, USER);
  }
}

/** True if the namespace's pods exist all the time, so that cutting one breaks I2. */
export function hasStablePods(namespace: string): boolean {
  return !(TRANSIENT as readonly string[]).includes(namespace);
}
