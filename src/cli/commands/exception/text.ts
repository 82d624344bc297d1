/** Exceptions as a table, and the flows of one as lines. Pure. */
import type { SegmentationException } from '../../../api/exception.ts';
import type { NetworkPolicyPort } from '../../../api/network-policy.ts';
import type { Peer } from '../../../api/profile.ts';
import { byObjectName, compareText } from '../../../util/order.ts';
import { type Cell, table } from '../../shell/output.ts';
import type { Palette } from '../../shell/terminal.ts';

export function exceptionTable(exceptions: readonly SegmentationException[], paint: Palette): string[] {
  const sorted = exceptions.toSorted(
    (a, b) => compareText(a.metadata.namespace ?? '', b.metadata.namespace ?? '') || byObjectName(a, b),
  );
  return table(
    ['NAMESPACE', 'NAME', 'STATE', 'UNTIL', 'BY', 'APPROVED BY', 'REASON'],
    sorted.map((exception) => {
      const { metadata, spec, status } = exception;
      return [
        metadata.namespace ?? '',
        metadata.name,
        stateOf(exception, paint),
        status?.until ?? spec.expires,
        spec.extendedBy ?? spec.requestedBy,
        spec.approval?.by ?? '-',
        spec.reason,
      ];
    }),
  );
}

function stateOf({ status }: SegmentationException, paint: Palette): Cell {
  const { status: inForce, reason } = status?.conditions?.find(({ type }) => type === 'InForce') ?? {};
  if (reason === undefined) return 'Unknown';
  if (inForce === 'True') return { text: reason, paint: paint.green };
  return reason === 'Expired' ? reason : { text: reason, paint: paint.yellow };
}

/** The flows that an exception opens, a line for each rule and connection. */
export function flowLines({ spec, metadata }: SegmentationException): string[] {
  const { ingress = [], egress = [], connections = [] } = spec;
  const own = (podSelector: Peer['podSelector']) =>
    `${peersText([{ podSelector: podSelector ?? {} }])} of ${metadata.namespace}`;
  return [
    ...egress.map(
      ({ name, podSelector, to, ports }) =>
        `  ${name}: from ${own(podSelector)} to ${peersText(to)} on ${portsText(ports)}`,
    ),
    ...ingress.map(
      ({ name, podSelector, from, ports }) =>
        `  ${name}: from ${peersText(from)} to ${own(podSelector)} on ${portsText(ports)}`,
    ),
    ...connections.map(
      ({ name, from, to, ports }) =>
        `  ${name}: from ${peersText(from)} to ${peersText(to)} on ${portsText(ports)}`,
    ),
  ];
}

/** As it is written, so that nothing is left out. */
function peersText(peers: readonly Peer[]): string {
  return peers.map((peer) => JSON.stringify(peer)).join(' or ');
}

function portsText(ports: readonly NetworkPolicyPort[] = []): string {
  if (ports.length === 0) return 'every port';
  return ports
    .map(({ protocol = 'TCP', port, endPort }) =>
      port === undefined
        ? `every ${protocol} port`
        : `${protocol} ${port}${endPort === undefined ? '' : `-${endPort}`}`,
    )
    .join(', ');
}
