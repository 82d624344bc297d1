/** The page's data as views need it: nodes at a level, links between them, and the policies behind them. */
import type { PageData, PageGroup, PageLabel, PagePolicy, PageRule } from '../../reach/page-data.ts';

export type Level = 'namespaces' | 'workloads';
export type Direction = 'ingress' | 'egress';

export interface Node {
  readonly id: string;
  readonly label: string;
  /** The namespace, or that of the workload; undefined for addresses and for groups of namespaces. */
  readonly ns: string | undefined;
  /** The namespaces that it is, is in, or stands for. */
  readonly namespaces: readonly string[];
  /** The workload's kind, `Namespace`, or `Group` for the namespaces with a value of a label. */
  readonly kind: string;
  /** Indices in the data's groups. */
  readonly groups: readonly number[];
  readonly pods: number;
  readonly host: number;
  readonly isolated: readonly [ingress: number, egress: number];
}

export interface Link {
  readonly from: Node;
  readonly to: Node;
  readonly ports: string;
  readonly everyPort: boolean;
  /** True if only some of their pods may use the ports. */
  readonly partial: boolean;
  /** The policies of other kinds that decide about some of the ports, or may. */
  readonly layers: readonly string[];
}

/** A policy that isolates an end of a pair. */
export interface IsolatingPolicy {
  readonly policy: PagePolicy;
  /** Its rules that allow the other end. */
  readonly rules: readonly PageRule[];
}

/** The links between the groups of two nodes, put together. */
interface LinkParts {
  /** Indices in the data's ports. */
  readonly ports: Set<number>;
  /** Indices in the data's sets of policies of other kinds. */
  readonly layers: Set<number>;
  partial: boolean;
  /** Number of links. */
  count: number;
}

/** Links by source and destination. */
type LinkTable = ReadonlyMap<Node, ReadonlyMap<Node, Link>>;

export class Model {
  readonly data: PageData;
  readonly namespaces: readonly string[];
  /** The levels at which the page has nodes and links. */
  readonly levels: readonly Level[];
  /** The labels of namespaces by which the graph can be grouped. */
  readonly labelKeys: readonly string[];
  /** By index in the data's groups. */
  readonly #groupNodes: readonly Node[];
  readonly #nodes: Readonly<Record<Level, readonly Node[]>>;
  /** Collected when a view first needs them: a large cluster has a million, and the findings need none. */
  readonly #links = new Map<Level, LinkTable>();
  readonly #byId: ReadonlyMap<string, Node>;
  /** By key of a label and name of a namespace. */
  readonly #labelGroups: ReadonlyMap<string, ReadonlyMap<string, Node>>;

  constructor(data: PageData) {
    this.data = data;
    const names = data.groups.map(({ ns }) => ns).filter((ns) => ns !== undefined);
    this.namespaces = [...new Set(names)].sort();
    this.#groupNodes = data.groups.map((group, index) => workloadNode(group, index));
    const outside = this.#groupNodes.filter(({ ns }) => ns === undefined);
    this.levels = data.maxLinks === undefined ? ['namespaces', 'workloads'] : ['namespaces'];
    const workloads = this.levels.includes('workloads') ? this.#groupNodes : outside;
    const byNamespace = this.namespaces.map((ns) => namespaceNode(ns, data.groups));
    this.#nodes = { workloads, namespaces: [...byNamespace, ...outside] };
    this.labelKeys = data.labels.map(({ key }) => key);
    this.#labelGroups = new Map(data.labels.map((label) => [label.key, labelGroups(label, byNamespace)]));
    const groups = [...this.#labelGroups.values()].flatMap((ofKey) => [...ofKey.values()]);
    this.#byId = new Map([...groups, ...this.#nodes.namespaces, ...workloads].map((node) => [node.id, node]));
  }

  /** The group of a namespace by a label; undefined if the namespace has no such label. */
  labelGroup(key: string, namespace: string): Node | undefined {
    return this.#labelGroups.get(key)?.get(namespace);
  }

  /** The groups of a label, in the order of their values. */
  labelGroups(key: string): Node[] {
    return [...new Set(this.#labelGroups.get(key)?.values())].sort((a, b) => (a.label < b.label ? -1 : 1));
  }

  nodes(level: Level): readonly Node[] {
    return this.#nodes[level];
  }

  /** A node of either level, or a group of namespaces. */
  node(id: string | undefined): Node | undefined {
    return id === undefined ? undefined : this.#byId.get(id);
  }

  links(level: Level): Link[] {
    return [...this.#linksAt(level).values()].flatMap((links) => [...links.values()]);
  }

  /** Undefined if nothing is allowed. The link of nodes of different levels joins those of their workloads. */
  link(from: Node, to: Node): Link | undefined {
    for (const level of ['namespaces', 'workloads'] as const) {
      const known = this.#linksAt(level).get(from)?.get(to);
      if (known !== undefined) return known;
    }
    const between = this.between(from, to);
    return between.length === 0 ? undefined : joinLinks(from, to, between);
  }

  /** The links between the workloads of two nodes. */
  between(from: Node, to: Node): Link[] {
    return from.groups.flatMap((a) =>
      to.groups.flatMap((b) => {
        const [source, destination] = [this.#groupNodes[a], this.#groupNodes[b]];
        if (source === undefined || destination === undefined) return [];
        return this.#linksAt('workloads').get(source)?.get(destination) ?? [];
      }),
    );
  }

  /** Every link of a node, at its own level. The links of a group lead to and from namespaces. */
  linksOf(node: Node): { readonly out: readonly Link[]; readonly in: readonly Link[] } {
    const links = this.#linksAtLevelOf(node);
    return { out: links.filter(({ from }) => from === node), in: links.filter(({ to }) => to === node) };
  }

  /** The policies that isolate any pod of a node, each with the rules that allow any group of `other`. */
  isolatingPolicies(node: Node, direction: Direction, other: Node): IsolatingPolicy[] {
    return this.policies(node, direction).map((policy) => ({
      policy,
      rules: (policy[direction] ?? []).filter(
        ({ peers }) => peers === 'any' || peers.some((peer) => other.groups.includes(peer)),
      ),
    }));
  }

  policies(node: Node, direction: Direction): PagePolicy[] {
    const indices = new Set(node.groups.flatMap((group) => this.data.groups[group]?.[direction] ?? []));
    return [...indices].map((index) => this.data.policies[index]).filter((policy) => policy !== undefined);
  }

  #linksAt(level: Level): LinkTable {
    const known = this.#links.get(level) ?? this.#collect(this.#nodes[level]);
    this.#links.set(level, known);
    return known;
  }

  #linksAtLevelOf(node: Node): Link[] {
    if (node.kind === 'Group') {
      const members = new Set(node.groups);
      const others = this.#nodes.namespaces.filter(({ groups }) => !groups.some((each) => members.has(each)));
      return [...this.#collect([node, ...others]).values()].flatMap((row) => [...row.values()]);
    }
    return this.links(
      this.#nodes.namespaces.includes(node) && node.ns !== undefined ? 'namespaces' : 'workloads',
    );
  }

  /** The links between nodes that share no workload. */
  #collect(nodes: readonly Node[]): Map<Node, Map<Node, Link>> {
    const nodeOf = new Map<number, Node>();
    for (const node of nodes) for (const group of node.groups) nodeOf.set(group, node);
    const collected = new Map<Node, Map<Node, LinkParts>>();
    const { links, linkLayers } = this.data;
    for (let at = 0; at < links.length; at += 3) {
      const [from, to, packed = 0] = [
        nodeOf.get(links[at] ?? -1),
        nodeOf.get(links[at + 1] ?? -1),
        links[at + 2],
      ];
      if (from === undefined || to === undefined) continue;
      const row = collected.get(from) ?? new Map<Node, LinkParts>();
      collected.set(from, row);
      const entry = row.get(to) ?? {
        ports: new Set<number>(),
        layers: new Set<number>(),
        partial: false,
        count: 0,
      };
      row.set(to, entry);
      entry.ports.add(packed >> 1);
      entry.layers.add(linkLayers?.links[at / 3] ?? 0);
      entry.partial ||= (packed & 1) === 1;
      entry.count++;
    }
    const result = new Map<Node, Map<Node, Link>>();
    for (const [from, row] of collected) {
      const links = [...row].map(([to, { ports, layers, partial, count }]): [Node, Link] => {
        const all = from.groups.length * to.groups.length;
        const texts = [...ports].map((index) => this.data.ports[index] ?? '');
        const isPartial = partial || count < all || ports.size > 1;
        const parts = { texts, partial: isPartial, layers: this.#layersOf(layers) };
        return [to, createLink(from, to, parts)];
      });
      result.set(from, new Map(links));
    }
    return result;
  }

  /** The names of policies of other kinds. @param sets indices of sets of them */
  #layersOf(sets: ReadonlySet<number>): string[] {
    const { layers = [], linkLayers } = this.data;
    const indices = new Set([...sets].flatMap((each) => linkLayers?.sets[each] ?? []));
    return [...indices].sort((a, b) => a - b).map((index) => layers[index] ?? '');
  }
}

/** Joins links between workloads to one between the nodes that these belong to. */
function joinLinks(from: Node, to: Node, links: readonly Link[]): Link {
  const texts = new Set(links.map(({ ports }) => ports));
  const all = from.groups.length * to.groups.length;
  const partial = links.length < all || texts.size > 1 || links.some((link) => link.partial);
  const layers = [...new Set(links.flatMap((link) => link.layers))].sort();
  return createLink(from, to, { texts: [...texts], partial, layers });
}

function createLink(
  from: Node,
  to: Node,
  { texts, ...parts }: Pick<Link, 'partial' | 'layers'> & { readonly texts: readonly string[] },
): Link {
  const everyPort = texts.includes('all ports');
  const ports = everyPort ? 'all ports' : texts.join('; ');
  return { from, to, ports, everyPort, ...parts };
}

function workloadNode({ ns, kind, name, pods, host, isolated }: PageGroup, index: number): Node {
  const id = ns === undefined ? `outside ${name}` : `${ns}/${kind}/${name}`;
  return {
    id,
    label: ns === undefined ? name : `${ns}/${name}`,
    ns,
    namespaces: ns === undefined ? [] : [ns],
    kind,
    groups: [index],
    pods,
    host,
    isolated,
  };
}

function namespaceNode(ns: string, groups: readonly PageGroup[]): Node {
  const members = groups.map(workloadNode).filter((member) => member.ns === ns);
  return { id: ns, label: ns, ns, namespaces: [ns], kind: 'Namespace', ...sums(members) };
}

/** The group of each namespace that has a label. */
function labelGroups({ key, values }: PageLabel, namespaces: readonly Node[]): Map<string, Node> {
  const valueOf = new Map(values);
  const labelled = namespaces.filter(({ label }) => valueOf.has(label));
  const groups = new Map<string, Node>();
  for (const [value, members] of Map.groupBy(labelled, ({ label }) => valueOf.get(label) ?? '')) {
    const label = `${key}=${value}`;
    const namespaces = members.map((member) => member.label);
    const group = { id: `label ${label}`, label, ns: undefined, namespaces, kind: 'Group', ...sums(members) };
    for (const member of members) groups.set(member.label, group);
  }
  return groups;
}

function sums(members: readonly Node[]): Pick<Node, 'groups' | 'pods' | 'host' | 'isolated'> {
  const sum = (of: (node: Node) => number) => members.reduce((total, node) => total + of(node), 0);
  return {
    groups: members.flatMap(({ groups }) => groups),
    pods: sum(({ pods }) => pods),
    host: sum(({ host }) => host),
    isolated: [sum(({ isolated }) => isolated[0]), sum(({ isolated }) => isolated[1])],
  };
}

/** True for a block of addresses outside of the cluster. */
export function isOutside({ ns, kind }: Node): boolean {
  return ns === undefined && kind !== 'Group';
}

export type Isolation = 'closed' | 'partly' | 'open' | 'host' | 'outside';

/** How far a node is isolated. `host`: all of its pods are on the host network, to which no policy applies. */
export function isolation({ pods, host, isolated: [ingress, egress] }: Node): Isolation {
  const subject = pods - host;
  if (pods === 0) return 'outside';
  if (subject === 0) return 'host';
  if (ingress === 0 && egress === 0) return 'open';
  return ingress >= subject && egress >= subject ? 'closed' : 'partly';
}
