/**
 * Rules of policies whose order among each other nobody knows, such as those of ClusterNetworkPolicies with one priority: the
 * engine may apply any policy that matches a flow. Pure.
 */
import type { RankTie } from '../model/peer-classes.ts';

interface Tied {
  readonly tie?: RankTie | undefined;
}

/** The rules in their order, in blocks: the rules of all policies of a tie are one block, and any other rule is one of its own. */
export function blocksOf<T extends Tied>(steps: readonly T[]): T[][] {
  const blocks: T[][] = [];
  let among: string | undefined;
  for (const step of steps) {
    const last = blocks.at(-1);
    if (last !== undefined && among !== undefined && step.tie?.among === among) last.push(step);
    else blocks.push([step]);
    among = step.tie?.among;
  }
  return blocks;
}

/** The rules of a block in an order for each policy of the block, which comes first there; one order if it has one policy. */
export function ordersOf<T extends Tied>(block: readonly T[]): T[][] {
  const policies = new Set(block.map(({ tie }) => tie?.policy));
  return [...policies].map((first) => [
    ...block.filter(({ tie }) => tie?.policy === first),
    ...[...policies].flatMap((policy) =>
      policy === first ? [] : block.filter(({ tie }) => tie?.policy === policy),
    ),
  ]);
}
