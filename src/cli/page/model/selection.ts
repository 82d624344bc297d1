/** The nodes and links of a level that pass the filters. */
import type { Link, Model, Node } from './nodes.ts';
import type { State } from './view-state.ts';

export interface Shown {
  readonly nodes: readonly Node[];
  /** The nodes that the filters name, without those that these talk with. */
  readonly chosen: ReadonlySet<Node>;
  readonly links: readonly Link[];
}

export function filtered(model: Model, { level, search, namespaces, peers, addresses }: State): Shown {
  const wanted = search.trim().toLowerCase();
  const isFiltered = wanted !== '' || namespaces.length > 0;
  const candidates = model.nodes(level).filter(({ ns }) => addresses || ns !== undefined);
  const chosen = new Set(
    candidates.filter(
      ({ ns, label }) =>
        (namespaces.length === 0 || (ns !== undefined && namespaces.includes(ns))) &&
        (wanted === '' || label.toLowerCase().includes(wanted)),
    ),
  );
  const allowed = new Set(candidates);
  const links = model
    .links(level)
    .filter(({ from, to }) => allowed.has(from) && allowed.has(to))
    .filter(({ from, to }) =>
      isFiltered && peers ? chosen.has(from) || chosen.has(to) : chosen.has(from) && chosen.has(to),
    );
  const visible = new Set(
    isFiltered && peers ? [...chosen, ...links.flatMap(({ from, to }) => [from, to])] : chosen,
  );
  // Addresses without a link are left out.
  const linked = new Set(links.flatMap(({ from, to }) => [from, to]));
  const nodes = candidates.filter((node) => visible.has(node) && (node.ns !== undefined || linked.has(node)));
  return { nodes, chosen, links };
}
