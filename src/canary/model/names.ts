/** The names and ports by which the canary's parts know each other: config/canary has the same. Pure. */
import { GROUP } from '../../api/names.ts';
import type { Protocol } from '../../api/network-policy.ts';

/** The namespace that the canary's own profile isolates. */
export const INSIDE = 'segmentation-canary';
/** The namespace that no profile selects: its pods are ends of flows without policies of their own. */
export const OUTSIDE = 'segmentation-canary-outside';
export const CANARY_NAMESPACES = [INSIDE, OUTSIDE] as const;

/** On every pod of the canary; the value is `inside` or `outside`. */
export const LABEL_CANARY = `${GROUP}/canary`;
/** On the Lease of each probe: its report as JSON. */
export const ANNOTATION_REPORT = `${GROUP}/canary-report`;
/** The NetworkPolicy that a probe creates and deletes to measure how long enforcement takes. */
export const FLIPPED_POLICY = 'segmentation-canary-flip';

/** A port on which every pod of the canary listens, and each protocol of it that is tried. */
export interface CanaryPort {
  readonly port: number;
  readonly protocols: readonly Protocol[];
  /** The criterion by which the rules of config/canary decide about this port. */
  readonly purpose: string;
}

/** The ports of flows. */
export const PORTS: readonly CanaryPort[] = [
  { port: 8601, protocols: ['TCP', 'UDP'], purpose: 'allowed' },
  { port: 8602, protocols: ['TCP', 'UDP'], purpose: 'no rule' },
  { port: 8603, protocols: ['TCP'], purpose: 'pod label' },
  { port: 8604, protocols: ['TCP'], purpose: 'namespace' },
  { port: 8605, protocols: ['TCP', 'UDP'], purpose: 'protocol' },
  { port: 8606, protocols: ['TCP'], purpose: 'named port' },
];
/** Allowed to pods outside only while the flipped policy exists. */
export const FLIPPED_PORT = 8607;
/** The name of port 8606 in the pods of config/canary. */
export const NAMED_PORT = 'canary-named';

/** All ports on which a target listens, both by TCP and UDP. */
export const LISTENED_PORTS: readonly number[] = [...PORTS.map(({ port }) => port), FLIPPED_PORT];
