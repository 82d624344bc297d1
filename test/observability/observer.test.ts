import assert from 'node:assert/strict';
import {
  ADMISSION,
  type Key,
  namespaceKey,
  SERVICE_ACCOUNTS,
  WORKLOADS,
} from '../../src/controller/queue/key.ts';
import type { Outcome } from '../../src/controller/queue/key-queue.ts';
import { ApiError } from '../../src/kube/errors.ts';
import { createObserver } from '../../src/observability/observer.ts';
import { PlanTooComplexError } from '../../src/policy/planning/transition.ts';
import { createLogger } from '../../src/observability/logs/logger.ts';
import { createMetrics } from '../../src/observability/metrics/registry.ts';
import { ProfileEvents } from '../../src/observability/profile-events.ts';
import { parseExposition } from './metrics/exposition-parser.ts';

const refused = (status: number) =>
  new ApiError({ status, reason: 'R', message: 'm', method: 'PUT', path: '/p' });
const retry = (error: unknown): Outcome => ({ kind: 'retry', error });

interface Counted {
  readonly result: 'success' | 'error' | 'requeue_after';
  readonly errors: number;
  readonly terminal: number;
  readonly panics: number;
}

const SHOP = namespaceKey('shop');
const none = { errors: 0, terminal: 0, panics: 0 };
const CASES: readonly (readonly [what: string, outcome: Outcome, panicked: boolean, counted: Counted])[] = [
  ['the outcome done', { kind: 'done' }, false, { ...none, result: 'success' }],
  ['the outcome again', { kind: 'again', afterMs: 5 }, false, { ...none, result: 'requeue_after' }],
  ['a transient error', retry(refused(503)), false, { ...none, result: 'error', errors: 1 }],
  ['a missing permission', retry(refused(403)), false, { ...none, result: 'error', errors: 1 }],
  ['a refusal', retry(refused(422)), false, { ...none, result: 'error', errors: 1, terminal: 1 }],
  [
    'a plan that is too complex',
    retry(new PlanTooComplexError('x')),
    false,
    { ...none, result: 'error', errors: 1, terminal: 1 },
  ],
  ['a defect', retry(new TypeError('x')), true, { ...none, result: 'error', errors: 1, panics: 1 }],
];

describe('the observer', () => {
  for (const [what, outcome, panicked, { result, errors, terminal, panics }] of CASES) {
    it(`counts a reconcile with ${what}`, async () => {
      const { observer, metrics } = observed(4);
      const read = async () => parseExposition(await metrics.render('prometheus'));
      observer.onReconciling(SHOP);
      const active = 'controller_runtime_active_workers{controller="namespace"}';
      assert.equal((await read()).value(active), 1);
      observer.onReconciled(SHOP, { durationMs: 20, outcome, panicked });
      const { value } = await read();
      const of = (name: string) => value(`controller_runtime_${name}{controller="namespace"}`);
      assert.equal(value(active), 0);
      assert.equal(value(`controller_runtime_reconcile_total{controller="namespace",result="${result}"}`), 1);
      assert.deepEqual(
        [of('reconcile_errors_total'), of('terminal_reconcile_errors_total'), of('reconcile_panics_total')],
        [errors, terminal, panics],
      );
      assert.equal(of('reconcile_time_seconds_count'), 1);
      assert.equal(of('max_concurrent_reconciles'), 4);
      for (const other of ['profile', 'admission', 'service-accounts', 'workloads']) {
        const succeeded = `controller_runtime_reconcile_total{controller="${other}",result="success"}`;
        assert.equal(value(succeeded), 0);
      }
    });
  }

  it('never counts more reconciles of a controller at once than its declared concurrency', async () => {
    const { observer, metrics } = observed(1);
    const keys: readonly Key[] = [
      namespaceKey('shop'),
      { kind: 'profile', name: 'web' },
      ADMISSION,
      SERVICE_ACCOUNTS,
      WORKLOADS,
    ];
    // Each of these keys takes the only worker of its controller.
    for (const key of keys) observer.onReconciling(key);
    const { value } = parseExposition(await metrics.render('prometheus'));
    for (const { kind } of keys) {
      const of = (name: string) => value(`controller_runtime_${name}{controller="${kind}"}`) ?? Number.NaN;
      assert.ok(of('active_workers') <= of('max_concurrent_reconciles'), kind);
    }
  });
});

/** An observer with metrics of its own, of a controller with `concurrency` workers. */
function observed(concurrency: number) {
  const metrics = createMetrics({ version: '1' });
  const events = new ProfileEvents(
    { record: () => {}, withdraw: () => false },
    { profile: () => undefined, result: () => undefined },
  );
  const observer = createObserver({
    logger: createLogger({ level: 'error', format: 'json' }),
    metrics,
    queue: metrics.queue('q'),
    events,
    concurrency,
    now: () => 0,
  });
  return { metrics, observer };
}
