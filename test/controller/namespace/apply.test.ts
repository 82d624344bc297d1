import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { apply, type ApplyContext } from '../../../src/controller/namespace/apply.ts';
import { NamespaceRecord } from '../../../src/controller/namespace/record.ts';
import { PolicyStore } from '../../../src/cluster-state/policies/store.ts';
import { ApiError } from '../../../src/kube/errors.ts';
import type { DeleteOptions } from '../../../src/kube/resource.ts';
import type { Step } from '../../../src/policy/planning/plan.ts';

const policy = (name: string, more: object = {}): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'shop', ...more },
  spec: { podSelector: {}, policyTypes: ['Ingress'] },
});
const refused = (status: number, reason: string) =>
  new ApiError({ status, reason, message: 'no', method: 'DELETE', path: '/p', details: { name: 'p' } });

/** An API server that keeps policies, and notes what was asked for. */
class Server {
  readonly asked: string[] = [];
  readonly store = new PolicyStore();
  readonly record = new NamespaceRecord();
  /** How often somebody else's change was found. */
  drifts = 0;
  /** Called before a request is answered. */
  beforeAnswer: () => void = () => {};
  failure: ApiError | undefined;
  #revision = 10;

  readonly policies = {
    create: async (object: NetworkPolicy) => this.#stored('create', object, `uid-${object.metadata.name}`),
    replace: async (object: NetworkPolicy) => this.#stored('replace', object, object.metadata.uid ?? 'none'),
    delete: async (name: string, namespace: string, { preconditions }: DeleteOptions) => {
      this.asked.push(`delete ${namespace}/${name} ${JSON.stringify(preconditions)}`);
      this.beforeAnswer();
      if (this.failure !== undefined) throw this.failure;
      return undefined;
    },
  };

  /** Carries out `steps` on `observed`; resolves what the store holds after each. */
  async apply(steps: readonly Step[], observed: readonly NetworkPolicy[] = []): Promise<string[][]> {
    for (const each of observed) this.store.upsert(this.store.project(each));
    const known: string[][] = [];
    await apply(steps, observed, {
      namespace: 'shop',
      policies: this.policies as unknown as ApplyContext['policies'],
      store: this.store,
      signal: new AbortController().signal,
      send: (request) => request(),
      record: this.record,
      onDrift: () => (this.drifts += 1),
      onWrite: () => known.push(this.known()),
    });
    return known;
  }

  known(): string[] {
    return [...this.store.values()].map(({ name, resourceVersion }) => `${name}@${resourceVersion}`);
  }

  #stored(verb: string, object: NetworkPolicy, uid: string): NetworkPolicy {
    const { name, resourceVersion } = object.metadata;
    this.asked.push(`${verb} ${name} ${JSON.stringify({ uid: object.metadata.uid, resourceVersion })}`);
    this.beforeAnswer();
    if (this.failure !== undefined) throw this.failure;
    this.#revision += 1;
    return { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(this.#revision) } };
  }
}

const step = (verb: 'create' | 'update', name: string): Step => ({
  verb,
  reason: 'changed',
  policy: policy(name),
});
const removal: Step = { verb: 'delete', reason: 'unwanted', name: 'p' };
const P = policy('p', { uid: 'uid-p', resourceVersion: '7' });

describe('apply', () => {
  it('stores each written policy before the next step, which builds on it', async () => {
    const server = new Server();
    const steps = [step('create', 'p'), step('update', 'p'), step('create', 'q'), removal];
    assert.deepEqual(await server.apply(steps), [['p@11'], ['p@12'], ['p@12', 'q@13'], ['q@13']]);
    assert.deepEqual(server.asked, [
      'create p {}',
      'replace p {"uid":"uid-p","resourceVersion":"11"}',
      'create q {}',
      'delete shop/p {"uid":"uid-p","resourceVersion":"12"}',
    ]);
  });

  it('stores a deletion, also against a late event of the policy', async () => {
    const server = new Server();
    await server.apply([removal], [P]);
    assert.deepEqual(server.asked, ['delete shop/p {"uid":"uid-p","resourceVersion":"7"}']);
    server.store.upsert(server.store.project(policy('p', { uid: 'uid-p', resourceVersion: '9' })));
    assert.deepEqual(server.known(), []);
  });

  it('counts a policy as deleted that somebody else deleted meanwhile', async () => {
    const server = new Server();
    server.failure = refused(404, 'NotFound');
    assert.deepEqual(await server.apply([removal], [P]), [[]]);
  });

  it('stops at the first step that fails, and stores nothing of it', async () => {
    const server = new Server();
    server.failure = refused(409, 'Conflict');
    await assert.rejects(server.apply([step('update', 'p'), removal], [P]), /409 Conflict/);
    assert.equal(server.asked.length, 1);
    assert.deepEqual(server.known(), ['p@7']);
  });

  for (const [events, steps, drifts] of [
    ['the event of the write', { step: step('update', 'p'), revisions: ['11'] }, 0],
    ['the event of the deletion', { step: removal, revisions: [undefined] }, 0],
    ["somebody else's change", { step: step('update', 'p'), revisions: ['8'] }, 1],
    ["somebody else's change and the event of the write", { step: removal, revisions: ['8', undefined] }, 1],
    ["somebody else's deletion", { step: step('update', 'p'), revisions: [undefined] }, 1],
  ] as const) {
    it(`${drifts === 0 ? 'takes' : 'reports drift for'} ${events} before the answer${drifts === 0 ? ' for its own' : ''}`, async () => {
      const server = new Server();
      server.beforeAnswer = () => {
        for (const revision of steps.revisions) assert.ok(server.record.keepEvent('p', revision));
        assert.ok(!server.record.keepEvent('q', '8'), 'another policy is not being written');
      };
      await server.apply([steps.step], [P]);
      assert.equal(server.drifts, drifts);
      assert.ok(!server.record.keepEvent('p', '12'), 'the write has ended');
    });
  }

  it('reports drift for an event of the policy if the write fails', async () => {
    const server = new Server();
    server.failure = refused(409, 'Conflict');
    server.beforeAnswer = () => server.record.keepEvent('p', '8');
    await assert.rejects(server.apply([step('update', 'p')], [P]), /409 Conflict/);
    assert.equal(server.drifts, 1);
  });
});
