/** Flows of flow logs, compared with those that policies allow. */
import type { PageFlow, PageSeen } from '../../reach/page-data.ts';
import type { Link, Model, Node } from './nodes.ts';
import { SEEN_STATES, type SeenState } from './seen-state.ts';
import type { Shown } from './selection.ts';
import type { State } from './view-state.ts';

export interface SeenRow {
  readonly state: SeenState;
  readonly from: RowEnd;
  readonly to: RowEnd;
  readonly ports: string;
  readonly count: number;
  readonly last: number | undefined;
}

interface RowEnd {
  readonly label: string;
  /** Undefined for an address that no policy names. */
  readonly node: Node | undefined;
}

export class Seen {
  readonly data: PageSeen;
  readonly #model: Model;
  /** Flows by groups of source and destination. */
  readonly #between = new Map<string, PageFlow[]>();

  constructor(data: PageSeen, model: Model) {
    this.data = data;
    this.#model = model;
    for (const flow of data.flows) {
      for (const from of data.ends[flow.from]?.groups ?? []) {
        for (const to of data.ends[flow.to]?.groups ?? []) {
          const key = `${from} ${to}`;
          const list = this.#between.get(key);
          if (list === undefined) this.#between.set(key, [flow]);
          else list.push(flow);
        }
      }
    }
  }

  /** The flows between the workloads of two nodes. */
  between(from: Node, to: Node): PageFlow[] {
    const found = from.groups.flatMap((a) => to.groups.flatMap((b) => this.#between.get(`${a} ${b}`) ?? []));
    return [...new Set(found)];
  }

  /** True if no flow that is, or may be, allowed used the link. */
  isUnseen({ from, to }: Link): boolean {
    return !this.between(from, to).some(
      (flow) => stateOf(flow) === 'seen' || (stateOf(flow) === 'unknown' && !flow.wasDenied),
    );
  }

  /** A row for each pair of ends and state, of the nodes and links that the filters leave. */
  rows(shown: Shown, { level, flows: wanted, peers, addresses }: State): SeenRow[] {
    const isOutside = ({ node }: RowEnd) => node === undefined || node.ns === undefined;
    const isChosen = ({ node }: RowEnd) => node !== undefined && shown.chosen.has(node);
    const isShown = ({ from, to }: SeenRow) => {
      const ends = [from, to];
      if (ends.some(isOutside) && !addresses) return false;
      return peers ? ends.some(isChosen) : ends.every((end) => isOutside(end) || isChosen(end));
    };
    const unseen = shown.links
      .filter((link) => this.isUnseen(link))
      .map(({ from, to, ports }): SeenRow => {
        return { state: 'unseen', from: endOf(from), to: endOf(to), ports, count: 0, last: undefined };
      });
    return [...this.#flowRows(level).filter(isShown), ...unseen]
      .filter(({ state }) => wanted === '' || state === wanted)
      .sort(
        (a, b) =>
          SEEN_STATES.indexOf(a.state) - SEEN_STATES.indexOf(b.state) ||
          b.count - a.count ||
          (`${a.from.label} ${a.to.label}` < `${b.from.label} ${b.to.label}` ? -1 : 1),
      );
  }

  #flowRows(level: State['level']): SeenRow[] {
    const nodeOf = new Map<number, Node>();
    for (const node of this.#model.nodes(level)) for (const group of node.groups) nodeOf.set(group, node);
    const end = (index: number): RowEnd => {
      const { label = '', groups = [] } = this.data.ends[index] ?? {};
      const node = nodeOf.get(groups[0] ?? -1);
      // Addresses keep their own name, as a block has more than was seen.
      return node === undefined || node.ns === undefined ? { label, node } : endOf(node);
    };
    const rows = Map.groupBy(this.data.flows, (flow) =>
      [stateOf(flow), end(flow.from).label, end(flow.to).label].join('\n'),
    );
    return [...rows.values()].flatMap((group): SeenRow[] => {
      const [first] = group;
      if (first === undefined) return [];
      const times = group.flatMap(({ last }) => last ?? []);
      return [
        {
          state: stateOf(first),
          from: end(first.from),
          to: end(first.to),
          ports: [...new Set(group.map(({ port }) => port))].join(', '),
          count: group.reduce((sum, { count }) => sum + count, 0),
          last: times.length === 0 ? undefined : Math.max(...times),
        },
      ];
    });
  }
}

function endOf(node: Node): RowEnd {
  return { label: node.label, node };
}

export function stateOf({ allowed, isUnknown = false, wasDenied }: PageFlow): SeenState {
  if (isUnknown) return 'unknown';
  if (!allowed) return 'denied';
  return wasDenied ? 'refused' : 'seen';
}
