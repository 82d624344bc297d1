/** Violations: why an object can't be stored, each with its place and what to write instead. Pure. */
import type { Path } from './yaml.ts';

export interface Violation {
  readonly path: Path;
  /** The fault, and the text to write instead; without the path. */
  readonly message: string;
  /** True for a value of a wrong type: the object can't be decoded, on no version of Kubernetes. */
  readonly isUndecodable?: true;
}

/** Collects the violations of one object. */
export type Report = (path: Path, message: string) => void;

/** A path as kubectl writes it: `spec.ingress[0].from`, `metadata.labels["a.b/c"]`. */
export function pathText(path: Path): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[\w-]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}
