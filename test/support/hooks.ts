// Root hooks of every mocha run.
import type { RootHookObject } from 'mocha';
import { stopSharedControlPlane } from '../env/plane/shared.ts';

/**
 * In parallel runs, each worker of mocha has a control plane of its own, and runs the root hooks after every file.
 * There the control plane stays for the next file, and ends with the worker.
 */
const isWorker = process.env['MOCHA_WORKER_ID'] !== undefined;

export const mochaHooks: RootHookObject = isWorker ? {} : { afterAll: stopSharedControlPlane };
