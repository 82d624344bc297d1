/** The nodes that are selected, and the edges to draw: those of the selection, or all if there are not too many. Pure. */
import type { Node } from '../../model/nodes.ts';
import type { State } from '../../model/view-state.ts';
import type { Content, LinkEdge } from './cards.ts';

/** More curves than this are unreadable: then only those of the selected nodes are drawn. */
const MAX_CURVES = 800;

export class Focus {
  /** True if a node of the graph is selected. */
  readonly exists: boolean;
  readonly edges: readonly LinkEdge[];
  /** True if too many links are allowed to draw them. */
  readonly isTooMany: boolean;
  readonly #ids: readonly string[];
  readonly #near: ReadonlySet<Node>;

  constructor({ cards, edges }: Content, { from, to }: State) {
    this.#ids = [from, to].filter((id) => id !== undefined);
    const isRelated = ({ link }: LinkEdge) =>
      from !== undefined && to !== undefined
        ? link.from.id === from && link.to.id === to
        : this.isSelected(link.from) || this.isSelected(link.to);
    const related = edges.filter(isRelated);
    this.#near = new Set(related.flatMap(({ link }) => [link.from, link.to]));
    this.exists = cards.some(({ node, rows }) =>
      [node, ...rows.map((row) => row.node)].some((each) => each !== undefined && this.isSelected(each)),
    );
    this.isTooMany = !this.exists && edges.length > MAX_CURVES;
    this.edges = this.exists ? related : this.isTooMany ? [] : edges;
  }

  isSelected(node: Node): boolean {
    return this.#ids.includes(node.id);
  }

  /** True for the selected nodes and those that they may talk with. */
  isNear(node: Node): boolean {
    return this.isSelected(node) || this.#near.has(node);
  }
}
