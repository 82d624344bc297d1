/** The formats of flow logs. A new format is registered here. Pure. */
import { calico } from './calico.ts';
import { conntrack } from './conntrack.ts';
import { envoy } from './envoy.ts';
import type { FlowFormat, LogLine } from './format.ts';
import { gke } from './gke.ts';
import { hubble } from './hubble.ts';
import { csv, json } from './plain.ts';
import { vpc } from './vpc.ts';

/** In the order in which they are tried: the project's own formats last, as they ask for the fewest fields. */
export const FORMATS: readonly FlowFormat[] = [hubble, calico, gke, envoy, conntrack, vpc, json, csv];

/** The format of a line; undefined if it is of none. */
export function formatOf(line: LogLine): FlowFormat | undefined {
  return FORMATS.find(({ detects }) => detects(line));
}
