import assert from 'node:assert/strict';
import { AuditRunner, type AuditRunnerOptions } from '../../src/audit-runner/runner.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { projectNamespace, projectProfile } from '../../src/cluster-state/items.ts';
import { ClusterState } from '../../src/cluster-state/state.ts';
import type { AuditRun } from '../../src/audit-runner/run.ts';
import { profile } from '../policy/fixture.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';
import { sleep } from '../../src/util/clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const RUN: Omit<AuditRun, 'reports'> = {
  judgement: { counts: [], profiles: new Map(), skipped: [], findings: 0, waived: 0 },
  fresh: [],
  unknownChecks: [],
};

/** A runner whose audits take `durationMs`, and the times at which they began, in milliseconds. */
class Scene {
  readonly clock = new VirtualClock();
  readonly clusterState = new ClusterState([]);
  readonly began: number[] = [];
  readonly failures: number[] = [];
  readonly told: string[] = [];
  durationMs = 1000;
  failing = false;
  reports: AuditRun['reports'] = { kind: 'written', reports: 0, writes: 0, conflicts: [] };
  recorded = 0;
  isBusy = false;
  readonly runner: AuditRunner;

  constructor() {
    this.runner = new AuditRunner({
      audit: {
        enabled: true,
        interval: HOUR,
        changeDelay: MINUTE,
        minSeverity: 'medium',
        skip: [],
        registries: [],
        waivers: [],
        maxResults: 200,
        maxMemoryMiB: 256,
      },
      settings: {} as AuditRunnerOptions['settings'],
      transport: {} as AuditRunnerOptions['transport'],
      clusterState: this.clusterState,
      clock: this.clock,
      random: () => 1,
      log: { complete: () => {}, failed: (_error, retryInMs) => this.failures.push(retryInMs) },
      metrics: { ran: () => {}, found: () => {}, reported: () => {}, age: () => {} },
      events: { record: () => (this.recorded += 1) },
      isBusy: () => this.isBusy,
      run: async ({ turn, signal }) => {
        this.began.push(this.clock.monotonic());
        await turn();
        await sleep(this.clock, this.durationMs, signal);
        if (this.failing) {
          // The fence answers so while this replica does not lead for a moment.
          throw new ApiError({
            method: 'POST',
            path: '/',
            status: 0,
            reason: 'Aborted',
            message: 'given up',
          });
        }
        return { ...RUN, reports: this.reports };
      },
    });
  }

  lead(): void {
    this.runner.lead((name) => this.told.push(name));
  }

  relabel(value: string): void {
    this.clusterState.namespaces.upsert(
      projectNamespace({
        metadata: { name: 'shop', uid: 'u', resourceVersion: `${++revision}`, labels: { value } },
      }),
    );
  }
}

let revision = 1;

describe('audit runner', () => {
  it('audits soon after it leads, and again after the interval', async () => {
    const scene = new Scene();
    scene.lead();
    await scene.clock.advance(2.5 * HOUR);
    assert.deepEqual(scene.began, [MINUTE, MINUTE + 1000 + HOUR, MINUTE + 2 * (1000 + HOUR)]);
  });

  it('audits once after many changes', async () => {
    const scene = new Scene();
    scene.lead();
    await scene.clock.advance(10 * MINUTE);
    for (const value of ['a', 'b', 'c']) {
      scene.relabel(value);
      await scene.clock.advance(1000);
    }
    await scene.clock.advance(20 * MINUTE);
    assert.deepEqual(scene.began, [MINUTE, 11 * MINUTE]);
  });

  it('takes no notice of a status that the operator writes', async () => {
    const scene = new Scene();
    const { metadata, ...rest } = profile();
    scene.clusterState.profiles.upsert(
      projectProfile({ ...rest, metadata: { ...metadata, resourceVersion: '1' } }),
    );
    scene.lead();
    await scene.clock.advance(10 * MINUTE);
    scene.clusterState.profiles.upsert(
      projectProfile({
        ...rest,
        metadata: { ...metadata, resourceVersion: '999999' },
        status: { conditions: [] },
      }),
    );
    await scene.clock.advance(20 * MINUTE);
    assert.deepEqual(scene.began, [MINUTE]);
    assert.deepEqual(scene.told, [metadata.name]);
  });

  it('rests ten times as long as an audit took, whatever changes', async () => {
    const scene = new Scene();
    scene.durationMs = 2 * MINUTE;
    scene.lead();
    await scene.clock.advance(2 * MINUTE);
    scene.relabel('while it audits');
    await scene.clock.advance(30 * MINUTE);
    assert.deepEqual(scene.began, [MINUTE, 3 * MINUTE + 20 * MINUTE]);
  });

  it('repeats a failed audit after growing delays, which no change shortens', async () => {
    const scene = new Scene();
    scene.failing = true;
    scene.durationMs = 0;
    scene.lead();
    await scene.clock.advance(MINUTE);
    for (let minute = 0; minute < 20; minute++) {
      scene.relabel(`${minute}`);
      await scene.clock.advance(MINUTE);
    }
    assert.deepEqual(
      scene.failures.slice(0, 4),
      [1, 2, 4, 8].map((minutes) => minutes * MINUTE),
    );
    assert.deepEqual(
      scene.began.map((at) => at / MINUTE),
      [1, 2, 4, 8, 16],
    );
  });

  it('audits again soon if the reports could not be written, and makes no Event before', async () => {
    const scene = new Scene();
    scene.durationMs = 0;
    scene.reports = { kind: 'failed', message: 'busy' };
    scene.lead();
    await scene.clock.advance(MINUTE);
    assert.equal(scene.recorded, 0);
    scene.reports = { kind: 'written', reports: 1, writes: 1, conflicts: [] };
    await scene.clock.advance(HOUR);
    assert.deepEqual([scene.began, scene.recorded], [[MINUTE, 2 * MINUTE], 1]);
  });

  it('asks for nothing more often if the CRDs are missing', async () => {
    const scene = new Scene();
    scene.durationMs = 0;
    scene.reports = { kind: 'unavailable', reason: 'CRDMissing', message: 'missing' };
    scene.lead();
    await scene.clock.advance(HOUR);
    assert.deepEqual(scene.began, [MINUTE]);
  });

  it('reads slowly while namespaces wait for their policies', async () => {
    const scene = new Scene();
    scene.isBusy = true;
    scene.lead();
    await scene.clock.advance(MINUTE + 2000 + 1000);
    assert.equal(scene.clock.nextAt, MINUTE + 3000 + HOUR);
  });

  it('ends an audit under way when it stops, and begins no more', async () => {
    const scene = new Scene();
    scene.durationMs = HOUR;
    scene.lead();
    await scene.clock.advance(2 * MINUTE);
    await scene.runner.stop();
    scene.relabel('afterwards');
    await scene.clock.advance(5 * HOUR);
    assert.deepEqual(scene.began, [MINUTE]);
    assert.deepEqual(scene.told, []);
  });
});
