/** The ports that a question is about: those of --port, or those that the destination serves. */
import type { ContainerPort } from '../../analysis/cluster.ts';
import type { Protocol } from '../../api/network-policy.ts';
import type { ServicePort } from '../../policy/facts.ts';
import type { FlowEnd } from './flow-ends.ts';
import { CliError } from '../shell/failure.ts';
import { listText } from '../../util/list-text.ts';
import type { SnapshotService } from '../../snapshot/services.ts';

/** A port, or a range of ports that no rule tells apart. */
export interface PortQuestion {
  readonly protocol: Protocol;
  readonly port: number;
  /** Last port of a range. */
  readonly to?: number;
  readonly label: string;
}

/** A port as `--port` names it. */
interface NamedPort {
  /** The argument, for messages. */
  readonly text: string;
  readonly name: string;
  /** Undefined if the port is given by name. */
  readonly number: number | undefined;
  readonly protocol: Protocol | undefined;
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
  const wanted = parsePort(text);
  const { name, number, protocol } = wanted;
  const own = containerPorts(destination);
  if (service !== undefined) {
    const named = service.ports.filter((each) => each.name === name || each.port === number);
    const found = named.filter(hasProtocol(protocol));
    if (found.length > 0) return found.flatMap((each) => targetsOf(each, own));
    // A number may also be a port of the pods.
    if (number === undefined || !own.some(({ containerPort }) => containerPort === number)) {
      const label = `Service ${service.namespace}/${service.name}`;
      throw portNotFound(wanted, label, named, `no such port; it has ${servicePortsText(service)}`);
    }
  }
  if (number !== undefined) return [question(number, protocol ?? 'TCP', own)];
  const named = own.filter((each) => each.name === name);
  const found = named.filter(hasProtocol(protocol));
  if (found.length > 0)
    return found.map(({ containerPort, protocol = 'TCP' }) => question(containerPort, protocol, own));
  const names = own.flatMap((each) => each.name ?? []);
  const others = names.length > 0 ? `it has ${names.join(', ')}` : 'write a number';
  throw portNotFound(wanted, destination.label, named, `no port of that name; ${others}`);
}

/** @throws CliError if the text is no port */
function parsePort(text: string): NamedPort {
  const [, name = '', protocolText] = /^([^/]+)(?:\/(\w+))?$/.exec(text) ?? [];
  const protocol = protocolText?.toUpperCase() as Protocol | undefined;
  if (name === '' || (protocol !== undefined && !['TCP', 'UDP', 'SCTP'].includes(protocol))) {
    throw new CliError(`--port ${text}: write a port or its name, such as 8443, 53/UDP or http`);
  }
  const number = /^\d+$/.test(name) ? Number(name) : undefined;
  if (number !== undefined && (number < 1 || number > 65_535))
    throw new CliError(`--port ${text}: ports are from 1 to 65535`);
  return { text, name, number, protocol };
}

function hasProtocol(
  wanted: Protocol | undefined,
): ({ protocol }: { readonly protocol?: Protocol }) => boolean {
  return ({ protocol = 'TCP' }) => wanted === undefined || protocol === wanted;
}

/** @param named ports of that name or number, which then have other protocols than the wanted one */
function portNotFound(
  { text, name }: NamedPort,
  label: string,
  named: readonly { readonly protocol?: Protocol }[],
  otherwise: string,
): CliError {
  if (named.length === 0) return new CliError(`--port ${text}: ${label} has ${otherwise}`);
  const protocols = [...new Set(named.map(({ protocol = 'TCP' }) => protocol))];
  const forms = protocols.map((protocol) => `${name}/${protocol}`);
  const advice = [...(protocols.includes('TCP') ? [name] : []), ...forms].join(' or ');
  return new CliError(
    `--port ${text}: ${label} has port ${name} for ${listText(protocols)} only: write ${advice}`,
  );
}

function servicePortsText({ ports }: SnapshotService): string {
  const texts = ports.map(({ port, name, protocol = 'TCP' }) => {
    const number = protocol === 'TCP' ? String(port) : `${port}/${protocol}`;
    return name ? `${number} (${name})` : number;
  });
  return texts.join(', ') || 'none';
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
