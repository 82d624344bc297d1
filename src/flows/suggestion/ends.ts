/** The peers of a proposed connection: those that name an observed end, and nothing else as far as labels tell. Pure. */
import { selectPods } from '../../analysis/remedy/pod-selector.ts';
import type { Peer } from '../../api/profile.ts';
import { ipFamily, singleAddressCidr } from '../../policy/semantics/cidr.ts';
import { compareText } from '../../util/order.ts';
import { isPrivate, PRIVATE_RANGES } from '../address-cells.ts';
import type { FlowGroupEnd } from '../flow-table.ts';
import type { InventoryPod } from '../inventory.ts';

/** The peers for one end. */
export interface EndPeers {
  readonly kind: 'peers';
  /** Equal for equal peers. */
  readonly key: string;
  /** For names of connections. */
  readonly name: string;
  readonly peers: readonly Peer[];
  /** True if the peer brings its own ports, so that the connection lists none. */
  readonly impliesPorts: boolean;
  /** Pods or addresses that the peers name, although no flow of theirs was seen; absent if there are none. */
  readonly wider?: string;
}

/** Why nothing can be proposed for an end. */
export type EndObstacle =
  /** No stable label tells the pods of the workload from others of the namespace. */
  | 'unlabelled'
  /** Too many private addresses: a range of them would be a guess. */
  | 'addresses'
  /** A node, or a pod on its network, whose address is not known. */
  | 'no-address';

export type EndChoice = EndPeers | { readonly kind: 'obstacle'; readonly obstacle: EndObstacle };

export interface EndContext {
  /** All pods of the cluster. */
  readonly pods: readonly InventoryPod[];
  /** Addresses of the API server. */
  readonly apiServer: ReadonlySet<string>;
  /** True if the cluster's Nodes are known, so that the entity Nodes has addresses. */
  readonly knowsNodes: boolean;
}

/** The schema's bound on the ends of a side. */
export const MAX_PEERS = 20;

/** The peers for ends, each chosen once. */
export class EndChooser {
  readonly #context: EndContext;
  readonly #byNamespace: ReadonlyMap<string, readonly InventoryPod[]>;
  readonly #chosen = new Map<string, EndChoice>();

  constructor(context: EndContext) {
    this.#context = context;
    this.#byNamespace = Map.groupBy(
      context.pods.filter(({ hostNetwork }) => hostNetwork !== true),
      ({ namespace }) => namespace,
    );
  }

  /** The peers of a workload or node. */
  choose(end: Exclude<FlowGroupEnd, { kind: 'addresses' }>): EndChoice {
    const key =
      end.kind === 'node'
        ? `node/${end.name}`
        : `${end.workload.namespace}/${end.workload.kind}/${end.workload.name}`;
    let choice = this.#chosen.get(key);
    if (choice === undefined) {
      choice = end.kind === 'node' ? this.#host([end.ip]) : this.#workload(end);
      this.#chosen.set(key, choice);
    }
    return choice;
  }

  /** The peers of addresses outside: each of them if they are few, else all public ones. */
  addresses(ips: ReadonlySet<string>, hasMore: boolean): EndChoice {
    const list = [...ips].sort(compareText);
    if (list.every((ip) => this.#context.apiServer.has(ip))) return API_SERVER;
    if (list.length <= MAX_PEERS && !hasMore)
      return blocks(list.flatMap((ip) => singleAddressCidr(ip) ?? []));
    if (list.some(isPrivate)) return { kind: 'obstacle', obstacle: 'addresses' };
    const seen = new Set(list.map(ipFamily));
    const families = ([4, 6] as const).filter((family) => seen.has(family));
    const peers = families.map((family) => ({
      ipBlock: { cidr: family === 4 ? '0.0.0.0/0' : '::/0', except: [...PRIVATE_RANGES[family]] },
    }));
    return {
      ...blocks([]),
      key: `public ${families.join()}`,
      name: 'world',
      peers,
      wider: `every public address: ${hasMore ? 'more than ' : ''}${list.length} were seen`,
    };
  }

  #workload({ workload, pods }: Extract<FlowGroupEnd, { kind: 'workload' }>): EndChoice {
    const members = pods.filter(({ hostNetwork }) => hostNetwork !== true);
    if (members.length === 0) return this.#host(pods.flatMap(({ ips }) => ips));
    const { namespace, kind, name } = workload;
    const others = (this.#byNamespace.get(namespace) ?? []).filter((pod) => !members.includes(pod));
    const selection = selectPods({ members, others, forbidden: [] });
    const key = `${namespace}/${kind}/${name}`;
    if (selection.kind !== 'selector') {
      // Without other pods, the namespace is the workload.
      if (others.length > 0) return { kind: 'obstacle', obstacle: 'unlabelled' };
      return { kind: 'peers', key, name, peers: [{ namespaces: [namespace] }], impliesPorts: false };
    }
    const also = [...new Set(selection.also.map((pod) => (pod as InventoryPod).workload.name))].sort(
      compareText,
    );
    return {
      kind: 'peers',
      key,
      name,
      peers: [{ namespaces: [namespace], podSelector: selection.selector }],
      impliesPorts: false,
      ...(also.length > 0 && {
        wider: `the pods of ${also.join(', ')}, which no stable label tells from ${name}`,
      }),
    };
  }

  /** Nodes, and pods on their network, are only known by addresses. */
  #host(ips: readonly string[]): EndChoice {
    if (ips.length > 0 && ips.every((ip) => this.#context.apiServer.has(ip))) return API_SERVER;
    if (this.#context.knowsNodes)
      return {
        kind: 'peers',
        key: 'Nodes',
        name: 'nodes',
        peers: [{ entity: 'Nodes' }],
        impliesPorts: false,
      };
    const cidrs = [...new Set(ips.flatMap((ip) => singleAddressCidr(ip) ?? []))].sort(compareText);
    return cidrs.length === 0 || cidrs.length > MAX_PEERS
      ? { kind: 'obstacle', obstacle: 'no-address' }
      : blocks(cidrs);
  }
}

const API_SERVER: EndPeers = {
  kind: 'peers',
  key: 'KubeAPIServer',
  name: 'kube-apiserver',
  peers: [{ entity: 'KubeAPIServer' }],
  impliesPorts: true,
};

function blocks(cidrs: readonly string[]): EndPeers {
  const [first = ''] = cidrs;
  return {
    kind: 'peers',
    key: cidrs.join(),
    name: cidrs.length === 1 ? first.replace(/\/.*/, '') : 'external',
    peers: cidrs.map((cidr) => ({ ipBlock: { cidr } })),
    impliesPorts: false,
  };
}
