/** Values of records: texts, numbers, times, addresses and protocols. Pure. */
import type { Protocol } from '../../api/network-policy.ts';
import { isRecord } from '../../util/is-record.ts';
import type { JsonRecord } from './format.ts';

/** A text that is neither empty nor `-`, by which most logs say that a value is absent. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value !== '-' ? value : undefined;
}

/** A whole number that is not negative, also if it is written as text. */
export function numberOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** A port from 1 to 65535. */
export function portOf(value: unknown): number | undefined {
  const port = numberOf(value);
  return port !== undefined && port >= 1 && port <= 65_535 ? port : undefined;
}

/** The object of a field; undefined if the field is absent or something else. */
export function objectOf(value: unknown): JsonRecord | undefined {
  return isRecord(value) ? value : undefined;
}

/** Below this, a number is a time in seconds. */
const FIRST_MILLISECONDS = 1e11;
const FIRST_NANOSECONDS = 1e17;

/** Milliseconds since 1970: from RFC 3339, or from a number of seconds, milliseconds or nanoseconds. */
export function timeOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  if (typeof number === 'number') {
    if (!Number.isFinite(number) || number <= 0) return undefined;
    if (number < FIRST_MILLISECONDS) return Math.round(number * 1000);
    return number < FIRST_NANOSECONDS ? Math.round(number) : Math.round(number / 1e6);
  }
  if (typeof value !== 'string') return undefined;
  const time = Date.parse(value);
  return Number.isNaN(time) ? undefined : time;
}

/** IANA's numbers, and names, of the protocols that NetworkPolicies know. */
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  6: 'TCP',
  17: 'UDP',
  132: 'SCTP',
  tcp: 'TCP',
  udp: 'UDP',
  sctp: 'SCTP',
};

/** A protocol by its name or IANA's number; undefined for any other, such as ICMP. */
export function protocolOf(value: unknown): Protocol | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  return PROTOCOLS[String(value).toLowerCase()];
}

export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** An address with its port, as in `10.0.0.1:80`, `[2001:db8::1]:80` or `tcp://10.0.0.1:80`. */
export function socketAddressOf(value: unknown): SocketAddress | undefined {
  const text = textOf(value)?.replace(/^\w+:\/\//, '');
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text ?? '') ?? [];
  const ip = bracketed ?? plain;
  const port = portOf(digits);
  return ip === undefined || port === undefined ? undefined : { ip, port };
}
