/** The life of exceptions as Events on them: they begin, are refused, end soon, have ended. */
import type { ExceptionStatus, SegmentationException } from '../api/exception.ts';
import { API_VERSION, EXCEPTION_KIND } from '../api/names.ts';
import type { Condition } from '../api/meta.ts';
import type { EventType } from '../kube/events/event.ts';
import type { Occurrence } from '../kube/events/recorder.ts';

/** Every reason that an Event on an exception can have. docs/troubleshooting.md explains each. */
export const EXCEPTION_EVENT_REASONS = {
  InForce: { type: 'Normal', action: 'Open' },
  ApprovalRequired: { type: 'Normal', action: 'AwaitApproval' },
  EndsSoon: { type: 'Warning', action: 'Close' },
  Expired: { type: 'Normal', action: 'Close' },
  Refused: { type: 'Warning', action: 'Refuse' },
} as const satisfies Readonly<Record<string, { type: EventType; action: string }>>;

type EventReason = keyof typeof EXCEPTION_EVENT_REASONS;

/** Records what differs from the stored status, so that a restart repeats no Event. */
export class ExceptionEvents {
  readonly #sink: { record(occurrence: Occurrence): void };

  constructor(sink: { record(occurrence: Occurrence): void }) {
    this.#sink = sink;
  }

  onStatus(exception: SegmentationException, status: ExceptionStatus): void {
    for (const [reason, text] of occurrences(exception, status)) {
      const { name, namespace = '', uid = '' } = exception.metadata;
      const regarding = { apiVersion: API_VERSION, kind: EXCEPTION_KIND, namespace, name, uid };
      this.#sink.record({ regarding, reason, ...EXCEPTION_EVENT_REASONS[reason], note: () => text });
    }
  }
}

function occurrences(
  { status: before, spec }: SegmentationException,
  status: ExceptionStatus,
): [reason: EventReason, text: string][] {
  const found: [EventReason, string][] = [];
  const inForce = conditionOf(status, 'InForce');
  const old = conditionOf(before, 'InForce');
  if (inForce !== undefined && inForce.reason !== old?.reason) {
    if (inForce.status === 'True') found.push(['InForce', inForce.message]);
    else if (inForce.reason === 'ApprovalRequired') found.push(['ApprovalRequired', inForce.message]);
    else if (conditionOf(status, 'Stalled')?.status === 'True') {
      found.push(['Refused', `${inForce.reason}: ${inForce.message}`]);
    }
  }
  const { notice } = status;
  if (notice === before?.notice) return found;
  if (notice === 'Ended') found.push(['Expired', `the exception expired at ${spec.expires}`]);
  else if (notice !== undefined) {
    const time = notice === 'OneHour' ? 'an hour' : 'ten minutes';
    found.push(['EndsSoon', `the exception ends within ${time}, at ${status.until}: ${spec.reason}`]);
  }
  return found;
}

function conditionOf(
  status: ExceptionStatus | undefined,
  type: string,
): Pick<Condition, 'status' | 'reason' | 'message'> | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}
