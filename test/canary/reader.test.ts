/** The operator's view of the canary, on a clock of the test. */
import assert from 'node:assert/strict';
import { ANNOTATION_REPORT, INSIDE, LABEL_CANARY, OUTSIDE } from '../../src/canary/model/names.ts';
import type { Report } from '../../src/canary/model/report.ts';
import { CanaryReader } from '../../src/canary/reader.ts';
import { ScriptedTransport, type WatchCall } from '../kube/scripted-transport.ts';
import { VirtualClock } from '../support/clocks/virtual-clock.ts';

const counts = { passed: 9, denied: 9, leaked: 0, cut: 0, settling: 0, unproven: 0 };
const inside: Report = {
  version: 1,
  round: 10,
  pod: `${INSIDE}/in-1`,
  node: 'node-1',
  side: 'inside',
  families: [4],
  counts,
  proofs: [{ node: 'node-1', direction: 'Egress', families: [4] }],
  findings: [],
  foreignPolicies: [],
};
const outside: Report = {
  ...inside,
  pod: `${OUTSIDE}/out-1`,
  side: 'outside',
  proofs: [{ node: 'node-1', direction: 'Ingress', families: [4] }],
};

class Scene {
  readonly clock = new VirtualClock();
  readonly server = new ScriptedTransport();
  readonly verdicts: string[] = [];
  readonly reader = new CanaryReader({
    transport: this.server,
    clock: this.clock,
    random: () => 0.5,
    resyncMs: 600_000,
    onError: (_resource, error) => assert.fail(String(error)),
  });
  readonly #stop = new AbortController();
  readonly #watches: WatchCall[] = [];
  #revision = 1;

  constructor() {
    this.reader.subscribe(() => this.verdicts.push(this.text));
  }

  /** Starts the reader on a cluster with these reports. */
  async start(...reports: readonly Report[]): Promise<void> {
    this.reader.start(this.#stop.signal);
    for (const namespace of [INSIDE, OUTSIDE]) {
      const list = await this.server.next('watch');
      list.send(
        ...reports
          .filter(({ pod }) => pod.startsWith(`${namespace}/`))
          .map((each) => this.#event('ADDED', each)),
        {
          type: 'BOOKMARK',
          object: {
            metadata: {
              resourceVersion: String(this.#revision),
              annotations: { 'k8s.io/initial-events-end': 'true' },
            },
          },
        },
      );
      this.#watches.push(list);
    }
    await this.clock.advance(1000);
  }

  async change(type: 'ADDED' | 'MODIFIED' | 'DELETED', report: Report): Promise<void> {
    this.#watches[report.side === 'inside' ? 0 : 1]?.send(this.#event(type, report));
    await this.clock.advance(1000);
  }

  /** Lets time pass in which these probes report every ten seconds. */
  async pass(ms: number, ...reporting: readonly Report[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10_000) {
      await this.clock.advance(10_000 - 1000 * reporting.length);
      for (const each of reporting) await this.change('MODIFIED', { ...each, round: this.#revision + 1000 });
    }
  }

  get text(): string {
    const { verdict } = this.reader;
    return verdict === 'pending' ? verdict : `${verdict.status} ${verdict.reason}`;
  }

  /** The server ends the watches. @returns for each namespace, true if everything is read anew, and not resumed */
  async endWatches(): Promise<boolean[]> {
    for (const watch of this.#watches) watch.end();
    const next = [await this.server.next('watch'), await this.server.next('watch')];
    this.#watches.splice(0, this.#watches.length, ...next);
    return next.map(({ query }) => query['sendInitialEvents'] === true);
  }

  end(): void {
    this.#stop.abort();
  }

  #event(type: string, report: Report): object {
    this.#revision += 1;
    const [namespace, name] = report.pod.split('/');
    const annotations = { [ANNOTATION_REPORT]: JSON.stringify(report) };
    const labels = { [LABEL_CANARY]: report.side };
    const metadata = {
      namespace,
      name,
      uid: report.pod,
      resourceVersion: String(this.#revision),
      annotations,
      labels,
    };
    return { type, object: { metadata } };
  }
}

describe('canary reader', () => {
  let at: Scene;
  beforeEach(() => {
    at = new Scene();
  });
  afterEach(() => at.end());

  it('says nothing of reports that may be old, until they change', async () => {
    await at.start(inside, outside);
    assert.equal(at.text, 'pending');
    await at.change('MODIFIED', { ...inside, round: 11 });
    assert.equal(at.text, 'pending');
    await at.change('MODIFIED', { ...outside, round: 11 });
    assert.equal(at.text, 'True Verified');
    assert.deepEqual(at.verdicts, ['True Verified']);
  });

  it('says that nobody reports, if the reports it found do not change within a minute', async () => {
    await at.start(inside, outside);
    await at.pass(70_000);
    assert.deepEqual(at.verdicts, ['Unknown NoReport']);
  });

  it('takes a report for old that has not changed for a minute, and is quiet while nothing changes', async () => {
    await at.start(inside, outside);
    await at.pass(300_000, inside, outside);
    assert.deepEqual(at.verdicts, ['True Verified']);
    await at.pass(70_000, inside);
    assert.deepEqual(at.verdicts, ['True Verified', 'Unknown NoReport']);
  });

  it('stays sure while the pods of the canary are replaced', async () => {
    await at.start(inside, outside);
    await at.pass(20_000, inside, outside);
    const next = { ...inside, pod: `${INSIDE}/in-2`, round: 1 };
    await at.change('ADDED', next);
    await at.pass(20_000, inside, outside, next);
    await at.change('DELETED', inside);
    await at.pass(90_000, outside, next);
    assert.deepEqual(at.verdicts, ['True Verified']);
  });

  it('reads all reports again once the time of resyncing has passed', async () => {
    await at.start(inside, outside);
    await at.pass(300_000, inside, outside);
    assert.deepEqual(await at.endWatches(), [false, false]);
    await at.pass(300_000, inside, outside);
    assert.deepEqual(await at.endWatches(), [true, true]);
  });

  it('counts flows and nodes for the metrics of the operator', async () => {
    await at.start(inside, outside);
    assert.deepEqual(at.reader.sample(), {
      status: 'Unknown',
      nodes: 0,
      flows: { passed: 0, denied: 0, leaked: 0, cut: 0, settling: 0, unproven: 0 },
    });
    await at.pass(20_000, inside, outside);
    const { status, nodes, flows } = at.reader.sample();
    assert.deepEqual([status, nodes, flows['denied']], ['True', 1, 18]);
  });
});
