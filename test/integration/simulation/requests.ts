/** Random requests to compare two servers: chosen once, with references (uid, resourceVersion) resolved for each server. */
import type { Request } from '../../../src/kube/http/transport.ts';
import { type Dice, dice, pick } from '../../faults/model.ts';
import type { Version, ObservedServer } from './observed-server.ts';

/** Makes a request for one of the servers. */
export type RequestFor = (server: ObservedServer) => Request;

interface Kind {
  readonly collection: string;
  readonly head: object;
  /** Complete contents of an object. */
  readonly contents: readonly object[];
  /**
   * More contents, for creation only. The real server stores an empty list as absent, and then counts a PUT of the empty
   * list as a change. The operator never sends one.
   */
  readonly createOnly?: readonly object[];
  readonly names: readonly string[];
}

const NAMESPACES = '/api/v1/namespaces';
const WRITE = { fieldManager: 'comparison', fieldValidation: 'Strict' };
const FINALIZERS = [undefined, undefined, undefined, ['example.com/hold']];
const LABELS = [undefined, { tier: 'x' }, { tier: 'y', app: 'a' }];

export class RandomRequests {
  readonly #roll: Dice;
  readonly #kinds: readonly Kind[];

  constructor(id: string, seed: number) {
    this.#roll = dice(seed);
    this.#kinds = kindsOf(id);
  }

  static setUp(id: string): Request[] {
    return [{ method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: id } } }];
  }

  static collections(id: string): string[] {
    return kindsOf(id)
      .slice(0, 5)
      .map(({ collection }) => collection);
  }

  /** The paths of all objects that may exist, except namespaces. */
  static objects(id: string): string[] {
    return kindsOf(id)
      .filter(({ collection }) => collection !== NAMESPACES)
      .flatMap(({ collection, names }) => names.map((name) => `${collection}/${name}`));
  }

  next(): RequestFor {
    const roll = this.#roll;
    // Most requests are for policies, profiles and exceptions, which the operator writes.
    const kind = this.#kinds[pick(roll, [0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5])] as Kind;
    const path = `${kind.collection}/${pick(roll, kind.names)}`;
    if (kind.collection === NAMESPACES) return this.#relabel(path);
    switch (roll(12)) {
      case 0:
        return () => ({ method: 'GET', path });
      case 1:
        return this.#list(kind);
      case 2:
      case 3:
      case 4:
        return this.#create(kind, path);
      case 5:
      case 6:
        // A PUT can create a Service. The model leaves that out, as no simulation does it.
        return kind.collection.endsWith('/services') ? this.#delete(path) : this.#replace(kind, path);
      case 7:
      case 8:
      case 9:
        return this.#patch(kind, path);
      case 10:
        return kind.collection.includes('segmentation.dev') ? this.#writeStatus(path) : this.#delete(path);
      default:
        return this.#delete(path);
    }
  }

  /** Changes labels only: another test compares the end of a namespace. */
  #relabel(path: string): RequestFor {
    const labels = pick(this.#roll, [{ tier: 'x' }, { tier: null }, { 'kubernetes.io/metadata.name': null }]);
    const refer = this.#reference(path);
    const contentType = 'application/merge-patch+json';
    return (server) => ({
      method: 'PATCH',
      path,
      query: WRITE,
      contentType,
      body: { metadata: { labels, ...refer(server) } },
    });
  }

  #list({ collection }: Kind): RequestFor {
    const limit = pick(this.#roll, [undefined, 1, 2]);
    const labelSelector = pick(this.#roll, [undefined, 'tier', '!tier', 'tier=x', 'tier!=x,app']);
    const isNext = this.#roll(2) === 0;
    // Cluster-scoped lists would contain objects of other tests.
    const path = collection.includes('/namespaces/') ? collection : undefined;
    if (path === undefined) return () => ({ method: 'GET', path: `${collection}/no-such-name` });
    return ({ token }) => ({
      method: 'GET',
      path,
      query: isNext && token !== undefined ? { limit, continue: token } : { limit, labelSelector },
    });
  }

  #create(kind: Kind, path: string): RequestFor {
    const contents = pick(this.#roll, [...kind.contents, ...(kind.createOnly ?? [])]);
    const body = { ...kind.head, ...contents, metadata: this.#metadata(path) };
    const isElsewhere = kind.collection.includes('/namespaces/') && this.#roll(12) === 0;
    const collection = isElsewhere
      ? kind.collection.replace(/\/namespaces\/[^/]+/, '/namespaces/nowhere')
      : kind.collection;
    return () => ({ method: 'POST', path: collection, query: WRITE, body });
  }

  #replace(kind: Kind, path: string): RequestFor {
    const metadata = this.#metadata(path);
    const contents = this.#contents(kind);
    const refer = this.#reference(path);
    return (server) => ({
      method: 'PUT',
      path,
      query: WRITE,
      body: { ...kind.head, ...contents, metadata: { ...metadata, ...refer(server) } },
    });
  }

  #patch(kind: Kind, path: string): RequestFor {
    const roll = this.#roll;
    const refer = this.#reference(path);
    const metadata = pick(roll, [
      {},
      {},
      { labels: pick(roll, [null, { tier: 'x' }, { tier: null }]) },
      { annotations: { note: pick(roll, ['a', 'b', null]) } },
      { finalizers: pick(roll, [null, [], ['example.com/hold'], ['example.com/hold', 'example.com/other']]) },
    ]);
    const change = roll(2) === 0 ? this.#contents(kind) : {};
    const contentType = 'application/merge-patch+json';
    return (server) => ({
      method: 'PATCH',
      path,
      query: WRITE,
      contentType,
      body: { ...change, metadata: { ...metadata, ...refer(server) } },
    });
  }

  /** Writes a status, sometimes with a change of the spec that the server has to ignore. */
  #writeStatus(path: string): RequestFor {
    const refer = this.#reference(path);
    const status = { observedGeneration: this.#roll(3) };
    const isException = path.includes('/segmentationexceptions/');
    const more = pick(this.#roll, [{}, { spec: isException ? { reason: 'INC-2' } : { mode: 'Audit' } }]);
    const contentType = 'application/merge-patch+json';
    return (server) => ({
      method: 'PATCH',
      path: `${path}/status`,
      query: WRITE,
      contentType,
      body: { ...more, status, metadata: refer(server) },
    });
  }

  #delete(path: string): RequestFor {
    const refer = this.#reference(path);
    return (server) => ({
      method: 'DELETE',
      path,
      body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: refer(server) },
    });
  }

  #contents({ contents }: Kind): object {
    return pick(this.#roll, contents);
  }

  #metadata(path: string): object {
    const finalizers = pick(this.#roll, FINALIZERS);
    const labels = pick(this.#roll, LABELS);
    const name = path.slice(path.lastIndexOf('/') + 1);
    return { name, ...(finalizers && { finalizers }), ...(labels && { labels }) };
  }

  /** The uid, the resourceVersion or both of a version of the object, most often the latest. */
  #reference(path: string): (server: ObservedServer) => Partial<Version> {
    const fields = this.#roll(5);
    const back = pick(this.#roll, [1, 1, 1, 1, 2, 3]);
    return (server) => {
      const version = server.versions(path).at(-back);
      if (fields === 0 || version === undefined) return {};
      const { uid, resourceVersion } = version;
      return fields === 1 ? { uid } : fields === 2 ? { resourceVersion } : { uid, resourceVersion };
    };
  }
}

const APP = { matchLabels: { app: 'a' } };
const FROM_ALL = [{ namespaceSelector: {} }];

const POLICIES: readonly object[] = [
  { spec: { podSelector: {} } },
  { spec: { podSelector: {}, policyTypes: ['Ingress'] } },
  { spec: { podSelector: APP, policyTypes: ['Ingress', 'Egress'] } },
  { spec: { podSelector: {}, egress: [{ ports: [{ port: 53, protocol: 'UDP' }, { port: 53 }] }] } },
  { spec: { podSelector: APP, ingress: [{ from: FROM_ALL, ports: [{ port: 'http' }] }, {}] } },
  {
    spec: {
      podSelector: APP,
      ingress: [{ from: FROM_ALL, ports: [{ port: 'http', protocol: 'TCP' }] }, {}],
    },
  },
  { spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }] } },
];

const POLICIES_WITH_EMPTY_LISTS: readonly object[] = [
  { spec: { podSelector: APP, policyTypes: ['Ingress', 'Egress'], ingress: [] } },
  { spec: { podSelector: {}, ingress: [{ from: [], ports: [] }], policyTypes: ['Ingress'] } },
];

function exception(rules: object): object {
  const spec = { reason: 'INC-1', expires: '2026-12-01T06:00:00Z', requestedBy: 'jane', ...rules };
  return { spec };
}

function kindsOf(id: string): readonly Kind[] {
  const names = ['one', 'two', 'three'];
  const own = names.map((name) => `${id}-${name}`);
  return [
    {
      collection: `/apis/networking.k8s.io/v1/namespaces/${id}/networkpolicies`,
      head: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy' },
      names,
      contents: POLICIES,
      createOnly: POLICIES_WITH_EMPTY_LISTS,
    },
    {
      collection: '/apis/segmentation.dev/v1alpha1/segmentationprofiles',
      head: { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile' },
      names: own,
      contents: [
        { spec: { namespaceSelector: APP } },
        { spec: { namespaceSelector: APP, mode: 'Audit', baseline: { dns: 'Deny' } } },
        // Both directions: the real server alone refuses rules of a direction that is not isolated.
        { spec: { namespaceSelector: APP, isolation: ['Egress', 'Ingress'], deletionPolicy: 'Retain' } },
        { spec: { namespaceSelector: APP }, status: { observedGeneration: 7 } },
        { spec: { namespaceSelector: APP, ingress: [{ name: 'in', from: [{ entity: 'Any' }] }] } },
        {
          spec: {
            namespaceSelector: APP,
            egress: [{ name: 'out', to: [{ entity: 'Any' }], ports: [{ port: 1 }] }],
          },
        },
      ],
    },
    {
      collection: `/apis/segmentation.dev/v1alpha1/namespaces/${id}/segmentationexceptions`,
      head: { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationException' },
      names,
      contents: [
        exception({ egress: [{ name: 'out', to: [{ podSelector: {} }] }] }),
        exception({ egress: [{ name: 'out', to: [{ podSelector: {} }], ports: [{ port: 53 }] }] }),
        exception({
          ingress: [
            { name: 'in', podSelector: APP, from: [{ namespaces: ['shop'] }], ports: [{ port: 'http' }] },
          ],
          approval: { by: 'mary', until: '2026-12-01T06:00:00Z' },
        }),
        exception({
          connections: [
            { name: 'both', from: [{ podSelector: {} }], to: [{ podSelector: APP }], ports: [{ port: 1 }] },
          ],
        }),
        { ...exception({ egress: [{ name: 'out', to: [{ entity: 'Any' }] }] }), status: { policies: 7 } },
      ],
    },
    {
      collection: `/apis/discovery.k8s.io/v1/namespaces/${id}/endpointslices`,
      head: { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
      names,
      contents: [
        {
          addressType: 'IPv4',
          endpoints: [{ addresses: ['192.0.2.1'] }],
          ports: [{ name: 'a', port: 80, protocol: 'TCP' }],
        },
        { addressType: 'IPv4', endpoints: [], ports: [] },
      ],
    },
    {
      collection: NAMESPACES,
      head: { apiVersion: 'v1', kind: 'Namespace' },
      names: [id],
      contents: [{}],
    },
    {
      collection: `/api/v1/namespaces/${id}/services`,
      head: { apiVersion: 'v1', kind: 'Service' },
      names: ['web'],
      contents: [{ spec: { clusterIP: 'None', ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }] } }],
    },
  ];
}
