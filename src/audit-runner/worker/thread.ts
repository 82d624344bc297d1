/**
 * Starts the thread of an audit. Its memory is bounded and is given back when it ends, and the operator's own thread goes
 * on with its work meanwhile.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { asError } from '../../util/error-message.ts';
import type { SessionSettings } from '../session.ts';
import { type Answer, type Call, METHODS, type RemoteSession, type ThreadInput } from './protocol.ts';

/** The program of the thread: a bundle beside the operator's own, or the source. */
const PROGRAM = import.meta.url.endsWith('.ts') ? './main.ts' : './operator-audit.mjs';

export interface AuditThread {
  readonly session: RemoteSession;
  /** Ends the thread at once. Calls under way fail. */
  end(): Promise<void>;
}

/** @param maxMemoryMiB largest heap of the thread */
export async function startThread(settings: SessionSettings, maxMemoryMiB: number): Promise<AuditThread> {
  const worker = new Worker(new URL(PROGRAM, import.meta.url), {
    name: 'audit',
    workerData: { settings } satisfies ThreadInput,
    resourceLimits: { maxOldGenerationSizeMb: maxMemoryMiB },
    // Flags of the operator's own thread, such as a module to load first, are not for this one.
    execArgv: [],
  });
  await once(worker, 'online');
  const ended = new Promise<never>((_, reject) => {
    worker.once('error', (error: unknown) => reject(asError(explained(error, maxMemoryMiB))));
    worker.once('exit', () => reject(new Error('the thread of the audit has ended')));
  });
  // While no call is under way, no code awaits this promise: without a handler, its rejection would end the process.
  ended.catch(() => undefined);
  const call = async (call: Call): Promise<unknown> => {
    const next = once(worker, 'message') as Promise<[Answer]>;
    worker.postMessage(call);
    const [answer] = await Promise.race([next, ended]);
    if (answer.kind === 'error') throw new Error(answer.message);
    return answer.value;
  };
  const methods = METHODS.map((method) => [method, (...args: readonly unknown[]) => call({ method, args })]);
  return {
    session: Object.fromEntries(methods) as unknown as RemoteSession,
    end: async () => {
      await worker.terminate();
    },
  };
}

function explained(error: unknown, maxMemoryMiB: number): unknown {
  if (!(error instanceof Error) || !('code' in error) || error.code !== 'ERR_WORKER_OUT_OF_MEMORY')
    return error;
  return new Error(
    `the objects of the cluster do not fit into the ${maxMemoryMiB} MiB of an audit: raise audit.maxMemoryMiB and the memory limit of the container, or use the plugin`,
  );
}
