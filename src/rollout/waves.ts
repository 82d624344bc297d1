/** Which wave of a rollout a namespace belongs to. Pure. */
import { createHash } from 'node:crypto';
import type { StringMap } from '../api/meta.ts';
import { matches } from '../policy/semantics/selector.ts';
import type { Wave } from './revision.ts';

/** Name of the last wave, of the namespaces that no other wave selects. The CRD keeps others from having it. */
export const REST = 'rest';
/** Positions of namespaces are whole numbers from 0 up to this one, exclusive. */
export const END = 2 ** 32;

export interface Member {
  readonly name: string;
  readonly labels: StringMap;
}

/**
 * The fixed position of a namespace among all possible ones, evenly spread: it depends on the names alone, so that
 * other namespaces may come and go. It decides the share of `percent`, and the order within a wave.
 */
export function positionOf(profile: string, namespace: string): number {
  return createHash('sha256').update(`${profile}/${namespace}`).digest().readUInt32BE(0);
}

/** The index of the first wave that selects the namespace; that of the last wave is `waves.length`. */
export function waveOf(waves: readonly Wave[], { name, labels }: Member, profile: string): number {
  const index = waves.findIndex(({ namespaceSelector, percent }) =>
    namespaceSelector === undefined
      ? positionOf(profile, name) < ((percent ?? 0) / 100) * END
      : matches(namespaceSelector, labels),
  );
  return index < 0 ? waves.length : index;
}

export function nameOfWave(waves: readonly Wave[], index: number): string {
  return waves[index]?.name ?? REST;
}
