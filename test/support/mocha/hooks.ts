// Root hooks of every mocha run.
import assert from 'node:assert/strict';
import type { Context, RootHookObject } from 'mocha';
import { stopSharedControlPlane, takeLeftovers } from '../../env/plane/shared.ts';
import { durationRecorder } from './durations.ts';

/**
 * In parallel runs, each worker of mocha has a control plane of its own, and runs the root hooks for every file.
 * There the control plane stays for the next file, and ends with the worker.
 */
const isWorker = process.env['MOCHA_WORKER_ID'] !== undefined;
const durations = process.env['TEST_DURATIONS'];
const record = durations === undefined ? undefined : durationRecorder(durations);

/** Gives each suite a last hook, so that a suite that leaves objects fails, and not a later one that meets them. */
function checkSuites(this: Context): void {
  for (const suite of this.test?.parent?.suites ?? [])
    suite.afterAll('leaves the shared control plane as it was', async () => {
      const left = await takeLeftovers();
      assert.deepEqual(
        left,
        [],
        `the suite has left objects on the shared control plane:\n${left.join('\n')}`,
      );
    });
}

function recordDuration(this: Context): void {
  const [suite] = this.test?.parent?.suites ?? [];
  if (suite?.file !== undefined) record?.(suite.file);
}

export const mochaHooks: RootHookObject = {
  beforeAll: checkSuites,
  afterAll: isWorker ? recordDuration : stopSharedControlPlane,
};
