/** The state of the page. It is kept in the address, for bookmarks and the history. */
import { SEVERITIES, type Severity } from '../../../audit/finding.ts';
import type { Level } from './nodes.ts';
import { SEEN_STATES, type SeenState } from './seen-state.ts';

export const VIEWS = ['graph', 'matrix', 'list', 'flows', 'findings'] as const;
export type View = (typeof VIEWS)[number];

export const GROUPINGS = ['check', 'namespace', 'object'] as const;
export type FindingGrouping = (typeof GROUPINGS)[number];

/** The filters of the findings beside the namespaces. */
export interface FindingFilters {
  /** Empty for all. */
  readonly severities: readonly Severity[];
  /** Empty for all. */
  readonly category: string;
  /** Id of the check; empty for all. */
  readonly check: string;
  /** A part of object, field, message or check; empty for all. */
  readonly text: string;
}

export interface State extends FindingFilters {
  readonly view: View;
  readonly level: Level;
  /** A part of the names to show; empty for all. */
  readonly search: string;
  /** The namespaces to show; empty for all. */
  readonly namespaces: readonly string[];
  /** True if nodes that the filtered ones talk with are shown too. */
  readonly peers: boolean;
  /** True if addresses outside of the cluster are shown. */
  readonly addresses: boolean;
  /** The label of namespaces by which the graph is grouped; empty for none. */
  readonly group: string;
  /** Ids of the namespaces or groups that the graph shows folded. */
  readonly folded: readonly string[];
  /** True if the graph shows the number of findings at each node. */
  readonly badges: boolean;
  /** The state of the flows to show; empty for all. */
  readonly flows: SeenState | '';
  readonly grouping: FindingGrouping;
  /** Id of the node whose findings are listed; undefined for all. */
  readonly subject: string | undefined;
  /** Id of the finding whose details are shown. */
  readonly finding: string | undefined;
  /** Ids of nodes. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

export function readState(hash: string, initial: State): State {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const text = (name: string) => given.get(name) ?? undefined;
  return {
    view: VIEWS.find((view) => view === text('view')) ?? initial.view,
    level: (['namespaces', 'workloads'] as const).find((level) => level === text('level')) ?? initial.level,
    search: text('search') ?? '',
    namespaces: given.getAll('namespace'),
    peers: text('peers') !== 'no',
    addresses: text('addresses') !== 'no',
    group: text('group') ?? '',
    folded: given.getAll('fold'),
    badges: text('badges') !== 'no',
    severities: SEVERITIES.filter((severity) => given.getAll('severity').includes(severity)),
    category: text('category') ?? '',
    check: text('check') ?? '',
    text: text('text') ?? '',
    flows: SEEN_STATES.find((state) => state === text('flows')) ?? '',
    grouping: GROUPINGS.find((grouping) => grouping === text('grouping')) ?? initial.grouping,
    subject: text('of'),
    finding: text('finding'),
    from: text('from'),
    to: text('to'),
  };
}

export function writeState(state: State): string {
  const hash = new URLSearchParams({ view: state.view, level: state.level });
  if (state.search !== '') hash.set('search', state.search);
  for (const namespace of state.namespaces) hash.append('namespace', namespace);
  if (!state.peers) hash.set('peers', 'no');
  if (!state.addresses) hash.set('addresses', 'no');
  if (state.group !== '') hash.set('group', state.group);
  for (const id of state.folded) hash.append('fold', id);
  if (!state.badges) hash.set('badges', 'no');
  for (const severity of state.severities) hash.append('severity', severity);
  for (const name of ['category', 'check', 'text'] as const)
    if (state[name] !== '') hash.set(name, state[name]);
  if (state.flows !== '') hash.set('flows', state.flows);
  if (state.grouping !== 'check') hash.set('grouping', state.grouping);
  if (state.subject !== undefined) hash.set('of', state.subject);
  if (state.finding !== undefined) hash.set('finding', state.finding);
  if (state.from !== undefined) hash.set('from', state.from);
  if (state.to !== undefined) hash.set('to', state.to);
  return `#${hash.toString()}`;
}
