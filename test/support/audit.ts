// Requests in the API server's audit log, of the operator or of another user.
import { readFileSync } from 'node:fs';
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

/** Returns the answered requests of a user, the operator by default, since a time in RFC 3339. */
export function auditedRequests(plane: ControlPlane, since: string, user = OPERATOR_USER): AuditEvent[] {
  if (plane.auditLog === undefined) throw new Error('this control plane keeps no audit log');
  return readFileSync(plane.auditLog, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditEvent)
    .filter((event) => event.user.username === user && event.requestReceivedTimestamp >= since);
}

export const isRefused = ({ responseStatus }: AuditEvent): boolean => responseStatus?.code === 403;
