// Requests in the API server's audit log, of the operator or of another user.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { ControlPlane } from '../env/index.ts';
import { OPERATOR_USER } from './operator.ts';

export interface AuditEvent {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly requestURI: string;
  readonly requestReceivedTimestamp: string;
  readonly responseStatus?: { readonly code?: number };
  readonly objectRef?: {
    readonly resource?: string;
    readonly name?: string;
    readonly apiGroup?: string;
    readonly subresource?: string;
    readonly namespace?: string;
  };
}

/** A size of a log at a moment: requests that arrive later are written behind it. */
interface Mark {
  /** RFC 3339. */
  readonly time: string;
  readonly size: number;
}

/** The marks of each log, oldest first. The log of a shared control plane grows to tens of megabytes. */
const marks = new WeakMap<ControlPlane, Mark[]>();

/** Returns the answered requests of a user, the operator by default, since a time in RFC 3339. */
export function auditedRequests(plane: ControlPlane, since: string, user = OPERATOR_USER): AuditEvent[] {
  const own = JSON.stringify({ username: user }).slice(1, -1);
  return linesSince(plane, since)
    .filter((line) => line.includes(own))
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter((event) => event.user.username === user && event.requestReceivedTimestamp >= since);
}

/** The lines of at least all requests that arrived since the time. */
function linesSince(plane: ControlPlane, since: string): string[] {
  if (plane.auditLog === undefined) throw new Error('this control plane keeps no audit log');
  const known = marks.get(plane) ?? [];
  marks.set(plane, known);
  const from = known.findLast(({ time }) => time < since)?.size ?? 0;
  const file = openSync(plane.auditLog, 'r');
  try {
    const { size } = fstatSync(file);
    known.push({ time: new Date().toISOString(), size }); // in this order: later requests are behind the size
    const bytes = Buffer.alloc(size - from);
    readSync(file, bytes, 0, bytes.length, from);
    // The first line may be the end of a request from before the mark; the last one may be half-written.
    const lines = bytes.toString('utf8').split('\n');
    return lines.filter((line) => line.startsWith('{') && line.endsWith('}'));
  } finally {
    closeSync(file);
  }
}

export const isRefused = ({ responseStatus }: AuditEvent): boolean => responseStatus?.code === 403;
