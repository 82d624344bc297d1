/**
 * Outages of the cluster itself: etcd, the API server or the operator's permissions go away and come back. They run on a
 * control plane of their own.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlPlane, type NodeAgent, startControlPlane, startNodeAgent } from '../env/index.ts';
import { auditedRequests, isRefused } from '../support/audit.ts';
import { eventually, Sandbox } from '../support/cluster.ts';
import { Operators } from '../support/operator.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';
import { SEED, printReplayOnFailure } from './seed.ts';
import { type FaultContext, resetWatches, type Fault } from './faults.ts';

const RBAC = join(import.meta.dirname, '../../config/rbac');
const OUTAGE_MS = 2500; // ms

/** Stops a part of the control plane at one of the operator's first writes, and starts it again after a while. */
class Outage implements Fault {
  readonly name: string;
  readonly isAtWrites = true;
  /** Resolves when the outage is over. */
  over: Promise<void> = Promise.resolve();
  readonly #down: (plane: ControlPlane) => unknown;
  readonly #up: (plane: ControlPlane) => unknown;

  constructor(name: string, down: (plane: ControlPlane) => unknown, up: (plane: ControlPlane) => unknown) {
    this.name = name;
    this.#down = down;
    this.#up = up;
  }

  begin({ proxy, roll, plane, changed }: FaultContext): void {
    let left = 1 + roll(3);
    proxy.intercept = async (exchange) => {
      if (exchange.isWrite && exchange.resource === 'networkpolicies') left -= 1;
      if (left === 0) {
        left = -1;
        // The user's request is answered first, so that only the operator's request fails.
        await changed();
        this.over = this.#happen(plane);
      }
      await exchange.pass();
    };
  }

  async #happen(plane: ControlPlane): Promise<void> {
    await this.#down(plane);
    await sleep(OUTAGE_MS);
    await this.#up(plane);
  }
}

const OUTAGES = [
  new Outage(
    'a frozen etcd',
    (plane) => plane.pauseComponent('etcd'),
    (plane) => plane.resumeComponent('etcd'),
  ),
  new Outage(
    'a crash and restart of etcd',
    (plane) => plane.stopComponent('etcd'),
    (plane) => plane.startComponent('etcd'),
  ),
  new Outage(
    'a crash and restart of the API server',
    (plane) => plane.stopComponent('kube-apiserver'),
    (plane) => plane.startComponent('kube-apiserver'),
  ),
];

/** Whatever the profile was: rules of a direction that it does not isolate are refused. */
const spec = (cidr: string) => ({
  mode: 'Enforce',
  isolation: ['Ingress'],
  egress: [],
  ingress: [{ name: 'r1', podSelector: { matchLabels: { app: 'a' } }, from: [{ ipBlock: { cidr } }] }],
});

describe('operator keeps the invariants', function () {
  this.timeout(180_000);
  this.bail(true); // a round needs the converged cluster of the previous one
  const operators = new Operators();
  printReplayOnFailure(() => rounds?.story());
  let plane: ControlPlane;
  let agent: NodeAgent;
  let rounds: Rounds;

  before(async () => {
    plane = await startControlPlane({ auditLog: true });
    agent = await startNodeAgent(plane);
    rounds = await prepareRounds(plane, new Sandbox(plane, 'outages'), operators, dice(SEED));
  });
  after(async () => {
    await rounds.stop();
    await agent.stop();
    await plane.stop();
  });

  it('with permissions that are revoked and granted again', async () => {
    await rounds.round();
    assert.deepEqual(auditedRequests(plane, '').filter(isRefused), []);
    const refused = () => auditedRequests(plane, '').filter(isRefused).length;
    await rounds.round({
      name: 'revoked permissions',
      begin: async ({ proxy }) => {
        await plane.kubectlRun(['delete', 'clusterrolebinding', 'segmentation-operator']);
        await eventually(() => {
          resetWatches(proxy);
          assert.ok(refused() > 0);
        });
      },
      end: async () => void (await plane.kubectlRun(['apply', '-k', RBAC])),
    });
    const before = refused();
    await rounds.round();
    assert.equal(refused(), before, 'requests were refused although all permissions were granted again');
  });

  for (const [index, outage] of OUTAGES.entries()) {
    it(`with ${outage.name}`, async () => {
      await rounds.round(outage, (changes) => [changes.write('p', spec(`203.0.113.${index * 16}/28`))]);
      await outage.over;
    });
  }
});
