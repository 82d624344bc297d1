/** The thread of an audit: answers the calls of the operator's thread, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '../../util/error-message.ts';
import { AuditSession } from '../session.ts';
import type { Answer, Call, ThreadInput } from './protocol.ts';

const session = new AuditSession((workerData as ThreadInput).settings);

function answer({ method, args }: Call): Answer {
  try {
    // The types of `RemoteSession` have checked the arguments.
    const run = session[method] as (...given: readonly unknown[]) => unknown;
    return { kind: 'value', value: run.apply(session, [...args]) };
  } catch (error) {
    return { kind: 'error', message: errorMessage(error) };
  }
}

parentPort?.on('message', (call: Call) => parentPort?.postMessage(answer(call)));
