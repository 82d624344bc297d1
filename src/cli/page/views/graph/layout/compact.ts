/**
 * Heights within the columns. Dagre makes long edges straight, even if the picture becomes several times as high as its
 * columns. This keeps dagre's order in each column, and moves each card and edge as near to its neighbours as the others
 * in the column allow. Pure, but for the slots that it moves.
 */

/** A card in a column, or an edge that passes one. */
export interface Slot {
  readonly height: number;
  /** Space that it wants above and below; two slots have the average of theirs between them. */
  readonly gap: number;
  /** Its middle. */
  y: number;
  readonly neighbours: Neighbour[];
}

/** A slot of another column on the same edge. */
export interface Neighbour {
  readonly slot: Slot;
  /** How far this slot would be from the neighbour if the edge between them were horizontal. */
  readonly offset: number;
}

/** Slots in a row that touch each other, and so move as one. */
interface Block {
  /** The sum of the middles that its slots want, each less its place in the column. */
  sum: number;
  count: number;
}

const ROUNDS = 12;

/** Moves the slots of columns, each of which is sorted from top to bottom. */
export function compact(columns: readonly (readonly Slot[])[]): void {
  for (const column of columns) stack(column);
  for (let round = 0; round < ROUNDS; round++) {
    for (const column of round % 2 === 0 ? columns : columns.toReversed()) moveToNeighbours(column);
  }
  // Whole pixels make lines straight that are almost so.
  for (const column of columns) for (const slot of column) slot.y = Math.round(slot.y);
}

/** Puts the slots of a column below each other, with the middle at 0. */
function stack(column: readonly Slot[]): void {
  const places = placesOf(column);
  const middle = (places.at(-1) ?? 0) / 2;
  for (const [index, slot] of column.entries()) slot.y = (places[index] ?? 0) - middle;
}

/** The middle of each slot of a column without free space, from the middle of the first. */
function placesOf(column: readonly Slot[]): number[] {
  let place = 0;
  return column.map((slot, index) => {
    const above = column[index - 1];
    if (above !== undefined) place += (above.height + slot.height + above.gap + slot.gap) / 2;
    return place;
  });
}

/** Moves the slots of a column by the least squares of their distances from where they want to be, in their order. */
function moveToNeighbours(column: readonly Slot[]): void {
  const places = placesOf(column);
  const blocks: Block[] = [];
  for (const [index, slot] of column.entries()) {
    let block: Block = { sum: wantedHeight(slot) - (places[index] ?? 0), count: 1 };
    // This is the pool-adjacent-violators algorithm of isotonic regression.
    for (let above = blocks.at(-1); above !== undefined && mean(above) > mean(block); above = blocks.at(-1)) {
      block = { sum: above.sum + block.sum, count: above.count + block.count };
      blocks.pop();
    }
    blocks.push(block);
  }
  const shifts = blocks.flatMap((block) => Array.from({ length: block.count }, () => mean(block)));
  for (const [index, slot] of column.entries()) slot.y = (places[index] ?? 0) + (shifts[index] ?? 0);
}

function mean({ sum, count }: Block): number {
  return sum / count;
}

function wantedHeight({ y, neighbours }: Slot): number {
  if (neighbours.length === 0) return y;
  return neighbours.reduce((sum, { slot, offset }) => sum + slot.y + offset, 0) / neighbours.length;
}
