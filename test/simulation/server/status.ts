/** Refusals with the status code, reason and details of metav1.Status that the API server answers with. Pure. */
import type { Kind } from './kinds.ts';

export interface FailureStatus {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly status: 'Failure';
  readonly message: string;
  readonly reason: string;
  readonly code: number;
  readonly details?: object;
}

export class Refusal extends Error {
  readonly status: FailureStatus;

  constructor(code: number, reason: string, message: string, details?: object) {
    super(message);
    this.status = {
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      message,
      reason,
      code,
      ...(details && { details }),
    };
  }
}

const detailsOf = ({ group, plural }: Kind, name: string) => ({
  name,
  ...(group && { group }),
  kind: plural,
});

export function notFound(kind: Kind, name: string): Refusal {
  return new Refusal(404, 'NotFound', `${kind.plural} "${name}" not found`, detailsOf(kind, name));
}

/** The path names no kind that is served. */
export function noSuchPath(): Refusal {
  return new Refusal(404, 'NotFound', 'the server could not find the requested resource', {});
}

/** The client lacks the permission. */
export function forbidden({ group, plural }: Kind): Refusal {
  const resource = group === '' ? plural : `${plural}.${group}`;
  return new Refusal(403, 'Forbidden', `${resource} is forbidden`, { group, kind: plural });
}

export function alreadyExists(kind: Kind, name: string): Refusal {
  return new Refusal(409, 'AlreadyExists', `${kind.plural} "${name}" already exists`, detailsOf(kind, name));
}

export function conflict(kind: Kind, name: string, why: string): Refusal {
  const message = `Operation cannot be fulfilled on ${kind.plural} "${name}": ${why}`;
  return new Refusal(409, 'Conflict', message, detailsOf(kind, name));
}

export function invalid(kind: Kind, name: string, message: string): Refusal {
  return new Refusal(422, 'Invalid', message, detailsOf(kind, name));
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message);
}

export function terminating(kind: Kind, name: string, namespace: string): Refusal {
  const message = `namespace ${namespace} is being terminated`;
  const causes = [{ reason: 'NamespaceTerminating', message, field: 'metadata.namespace' }];
  return new Refusal(
    403,
    'Forbidden',
    `${kind.plural} "${name}" is forbidden: unable to create new content in ${message}`,
    {
      ...detailsOf(kind, name),
      causes,
    },
  );
}

export function expired(message = 'too old resource version'): Refusal {
  return new Refusal(410, 'Expired', message);
}

export function tooLarge(asked: number, current: number): Refusal {
  const message = `Too large resource version: ${asked}, current: ${current}`;
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  return new Refusal(504, 'Timeout', message, { causes, retryAfterSeconds: 1 });
}
