/** The ports that a question is about: those of --port, or those that the destination serves. */
import type { ContainerPort } from '../../analysis/cluster.ts';
import type { Protocol } from '../../api/network-policy.ts';
import type { ServicePort } from '../../policy/facts.ts';
import type { FlowEnd } from './flow-ends.ts';
import { CliError } from '../shell/failure.ts';
import type { SnapshotService } from './snapshot.ts';

/** A port, or a range of ports that no rule tells apart. */
export interface PortQuestion {
  readonly protocol: Protocol;
  readonly port: number;
  /** Last port of a range. */
  readonly to?: number;
  readonly label: string;
}

/**
 * The ports of `--port`: a number or the name of a port of the destination, with /UDP or /SCTP unless it is TCP. The
 * ports of a Service lead to target ports of its pods.
 *
 * @throws CliError if the destination has no such port
 */
export function portsNamed(
  text: string,
  destination: FlowEnd,
  service: SnapshotService | undefined,
): PortQuestion[] {
  const [, name = '', protocolText] = /^([^/]+)(?:\/(\w+))?$/.exec(text) ?? [];
  const given = protocolText?.toUpperCase() as Protocol | undefined;
  if (name === '' || (given !== undefined && !['TCP', 'UDP', 'SCTP'].includes(given))) {
    throw new CliError(`--port ${text}: write a port or its name, such as 8443, 53/UDP or http`);
  }
  const number = /^\d+$/.test(name) ? Number(name) : undefined;
  if (number !== undefined && (number < 1 || number > 65_535))
    throw new CliError(`--port ${text}: ports are from 1 to 65535`);
  const own = containerPorts(destination);
  if (service !== undefined) {
    const found = service.ports.filter(
      (each) =>
        (each.name === name || each.port === number) &&
        (given === undefined || (each.protocol ?? 'TCP') === given),
    );
    if (found.length > 0) return found.flatMap((each) => targetsOf(each, own));
    // A number may also be a port of the pods.
    if (number === undefined || !own.some(({ containerPort }) => containerPort === number)) {
      const known = service.ports.map(
        ({ port, name, protocol }) =>
          `${port}${protocol === undefined || protocol === 'TCP' ? '' : `/${protocol}`}${name ? ` (${name})` : ''}`,
      );
      throw new CliError(
        `--port ${text}: Service ${service.namespace}/${service.name} has no such port; it has ${known.join(', ') || 'none'}`,
      );
    }
  }
  if (number !== undefined) return [question(number, given ?? 'TCP', own)];
  const found = own.filter(
    (each) => each.name === name && (given === undefined || (each.protocol ?? 'TCP') === given),
  );
  if (found.length > 0)
    return found.map(({ containerPort, protocol = 'TCP' }) => question(containerPort, protocol, own));
  const known = own.flatMap((each) => each.name ?? []);
  throw new CliError(
    `--port ${text}: ${destination.label} has no port of that name; ${known.length > 0 ? `it has ${known.join(', ')}` : 'write a number'}`,
  );
}

/** The ports that a destination declares. */
export function portsServed(destination: FlowEnd, service: SnapshotService | undefined): PortQuestion[] {
  const own = containerPorts(destination);
  const all =
    service === undefined
      ? own.map(({ containerPort, protocol = 'TCP' }) => question(containerPort, protocol, own))
      : service.ports.flatMap((each) => targetsOf(each, own));
  return [...new Map(all.map((each) => [`${each.protocol} ${each.port}`, each])).values()];
}

function containerPorts({ pods }: FlowEnd): readonly ContainerPort[] {
  return pods[0]?.ports ?? [];
}

/** The target ports of a Service's port on its pods. */
function targetsOf(
  { port, targetPort = port, protocol = 'TCP' }: ServicePort,
  own: readonly ContainerPort[],
): PortQuestion[] {
  if (typeof targetPort === 'number') return [question(targetPort, protocol, own)];
  return own
    .filter((each) => each.name === targetPort && (each.protocol ?? 'TCP') === protocol)
    .map(({ containerPort }) => question(containerPort, protocol, own));
}

function question(port: number, protocol: Protocol, own: readonly ContainerPort[]): PortQuestion {
  const name = own.find((each) => each.containerPort === port && (each.protocol ?? 'TCP') === protocol)?.name;
  return { port, protocol, label: `${protocol} ${port}${name === undefined ? '' : ` (${name})`}` };
}
