/** The condition ExceptionsReady of a profile that grants exceptions. Pure. */
import { isCollectionMissing } from '../../kube/errors.ts';
import { counted } from '../../util/list-text.ts';
import { errorMessage } from '../../util/error-message.ts';
import type { CapabilityReport } from '../capability.ts';

/** @param error why the exceptions can't be read, as far as that is known */
export function exceptionsReport(
  state: { readonly isRead: boolean; readonly error: unknown },
  inForce: number,
): CapabilityReport {
  if (state.isRead) {
    const message = `${counted(inForce, 'exception')} in force`;
    return {
      condition: { type: 'ExceptionsReady', status: 'True', reason: 'Read', message },
      isStalled: false,
    };
  }
  if (state.error === undefined)
    return lacking('Progressing', 'exceptions are being read for the first time', false);
  const isMissing = isCollectionMissing(state.error);
  const message = `exceptions can't be read: ${errorMessage(state.error)}; kubectl apply -k config/exceptions`;
  return lacking(isMissing ? 'NotInstalled' : 'SourceUnavailable', message, isMissing);
}

function lacking(reason: string, message: string, isStalled: boolean): CapabilityReport {
  return { condition: { type: 'ExceptionsReady', status: 'False', reason, message }, isStalled };
}
