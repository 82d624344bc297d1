// What is wrong with the cluster itself: etcd, the API server or the operator's permissions go away, and come back.
// On a control plane of its own.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ControlPlane, type NodeAgent, startControlPlane, startNodeAgent } from '../env/index.ts';
import { auditedRequests, isRefused } from '../support/audit.ts';
import { eventually, Sandbox } from '../support/cluster.ts';
import { Operators } from '../support/operator.ts';
import { dice } from './model.ts';
import { prepareRounds, type Rounds } from './rounds.ts';
import { SEED, tellReplay } from './seed.ts';
import { type Field, resetWatches, type Trouble } from './troubles.ts';

const RBAC = join(import.meta.dirname, '../../config/rbac');
const OUTAGE = 2500; // ms

/** Something happens to the control plane at one of the operator's first writes, and is over after a while. */
class Outage implements Trouble {
  readonly name: string;
  readonly atWrites = true;
  /** Resolves when it is over. */
  over: Promise<void> = Promise.resolve();
  readonly #down: (plane: ControlPlane) => unknown;
  readonly #up: (plane: ControlPlane) => unknown;

  constructor(name: string, down: (plane: ControlPlane) => unknown, up: (plane: ControlPlane) => unknown) {
    this.name = name;
    this.#down = down;
    this.#up = up;
  }

  begin({ proxy, roll, plane, changed }: Field): void {
    let left = 1 + roll(3);
    proxy.fault = async (exchange) => {
      if (exchange.isWrite && exchange.resource === 'networkpolicies') left -= 1;
      if (left === 0) {
        left = -1;
        // Whoever made the change has the answer: it is the operator's request that fails.
        await changed();
        this.over = this.#happen(plane);
      }
      await exchange.pass();
    };
  }

  async #happen(plane: ControlPlane): Promise<void> {
    await this.#down(plane);
    await sleep(OUTAGE);
    await this.#up(plane);
  }
}

const OUTAGES = [
  new Outage(
    'an etcd that is frozen for a while',
    (plane) => plane.pauseComponent('etcd'),
    (plane) => plane.resumeComponent('etcd'),
  ),
  new Outage(
    'an etcd that crashes and comes back',
    (plane) => plane.stopComponent('etcd'),
    (plane) => plane.startComponent('etcd'),
  ),
  new Outage(
    'an API server that crashes and comes back',
    (plane) => plane.stopComponent('kube-apiserver'),
    (plane) => plane.startComponent('kube-apiserver'),
  ),
];

const spec = (cidr: string) => ({
  mode: 'Enforce',
  ingress: [{ name: 'r1', podSelector: { matchLabels: { app: 'a' } }, from: [{ ipBlock: { cidr } }] }],
});

describe('the invariants hold', function () {
  this.timeout(180_000);
  this.bail(true); // a round begins where the one before has settled
  const operators = new Operators();
  tellReplay(() => rounds?.told());
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

  it('with permissions that are taken away and granted again', async () => {
    await rounds.round();
    assert.deepEqual(auditedRequests(plane, '').filter(isRefused), []);
    const refused = () => auditedRequests(plane, '').filter(isRefused).length;
    await rounds.round({
      name: 'permissions taken away',
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
    assert.equal(refused(), before, 'refused although everything was granted again');
  });

  for (const [index, outage] of OUTAGES.entries()) {
    it(`with ${outage.name}`, async () => {
      await rounds.round(outage, (changes) => [changes.write('p', spec(`203.0.113.${index * 16}/28`))]);
      await outage.over;
    });
  }
});
