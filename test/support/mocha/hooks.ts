// Root hooks of every mocha run.
import type { Context, RootHookObject } from 'mocha';
import { stopSharedControlPlane } from '../../env/plane/shared.ts';
import { durationRecorder } from './durations.ts';

/**
 * In parallel runs, each worker of mocha has a control plane of its own, and runs the root hooks after every file.
 * There the control plane stays for the next file, and ends with the worker.
 */
const isWorker = process.env['MOCHA_WORKER_ID'] !== undefined;
const durations = process.env['TEST_DURATIONS'];
const record = durations === undefined ? undefined : durationRecorder(durations);

const ofWorker: RootHookObject = {
  afterAll(this: Context) {
    const [suite] = this.test?.parent?.suites ?? [];
    if (suite?.file !== undefined) record?.(suite.file);
  },
};

export const mochaHooks: RootHookObject = isWorker ? ofWorker : { afterAll: stopSharedControlPlane };
