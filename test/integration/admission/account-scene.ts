// What tests of peers by ServiceAccount begin with: an operator that may bind, namespaces of clients and servers.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import { coveredBy, type GuardBinding } from '../../../src/policy/admission/accounts.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
export const GUARDS = `${ADMISSION}/validatingadmissionpolicybindings`;
export const LABELS = `${ADMISSION}/mutatingadmissionpolicybindings`;
export const GUARD = 'service-account-guard.segmentation.dev';
/** What peers by ServiceAccount need beside the operator itself. */
export const CONFIG = join(import.meta.dirname, '../../../config/service-accounts');
/** Milliseconds: the API server's refresh of bindings, the next count of pods, a busy machine. */
export const IN_FORCE = 30_000;

/** A namespace whose pods are clients, one in which they are let in, and what tests ask of both. */
export class Scene {
  readonly box: Sandbox;
  readonly client: string;
  readonly server: string;
  readonly #plane: ControlPlane;

  private constructor(plane: ControlPlane, box: Sandbox, client: string, server: string) {
    this.#plane = plane;
    this.box = box;
    this.client = client;
    this.server = server;
  }

  static async make(plane: ControlPlane): Promise<Scene> {
    const box = new Sandbox(plane, 'accounts');
    const client = await box.namespace('client', null);
    const server = await box.namespace('server');
    await plane.kubectlRun(['-n', client, 'create', 'serviceaccount', 'web']);
    return new Scene(plane, box, client, server);
  }

  /** A profile's spec, by which pods of the account are let in. */
  from(name = 'web'): { ingress: object[] } {
    return { ingress: [{ name, from: [{ serviceAccount: { namespace: this.client, name } }] }] };
  }

  async ready(profile: string): Promise<void> {
    await this.box.ready(profile, IN_FORCE);
  }

  /** Waits for what the condition PeersResolved says. */
  async says(profile: string, reason: string, message: RegExp): Promise<void> {
    await eventually(async () => {
      const condition = await this.box.condition(profile, 'PeersResolved');
      assert.deepEqual([condition.status, condition.reason], ['False', reason], condition.message);
      assert.match(condition.message, message);
    }, IN_FORCE);
  }

  /** Creates a pod of the client; its label, or the refusal as an error. */
  async pod(
    name: string,
    account: string,
    labels: StringMap = {},
    more: object = {},
  ): Promise<string | undefined | Error> {
    const spec = { ...podSpec(account), ...more };
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels }, spec };
    return eventually(async () => {
      try {
        const made = (await this.#plane.admin.send('POST', pods(this.client), body)) as KubeObject;
        return made.metadata.labels?.[LABEL];
      } catch (error) {
        // The namespace's default account takes a moment to be there.
        if (/serviceaccount .* not found/.test((error as Error).message)) throw error;
        return error as Error;
      }
    });
  }

  async remove(pod: string): Promise<void> {
    await this.#plane.admin.send('DELETE', `${pods(this.client)}/${pod}`);
  }

  /** Whether the rule stands. */
  async isRuled(profile: string, namespace = this.server): Promise<boolean> {
    const policies = await this.box.policies(namespace);
    return JSON.stringify(policies.filter(({ metadata }) => metadata.name === `${profile}.ingress`)).includes(
      LABEL,
    );
  }

  async isCovered(): Promise<boolean> {
    const guard = await this.box.read(`${GUARDS}/${GUARD}`).catch(() => undefined);
    return coveredBy(guard as GuardBinding | undefined).includes(this.client);
  }
}

export function podSpec(account: string) {
  const containers = [{ name: 'main', image: 'main' }];
  return { containers, serviceAccountName: account, terminationGracePeriodSeconds: 0 };
}

export const pods = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;

/** The shared control plane with CONFIG, and an operator that runs there. Registers the hooks for it. */
export class AccountSuite {
  readonly operators = new Operators();
  readonly #scenes: Scene[] = [];
  #plane: ControlPlane | undefined;
  #operator: Operator | undefined;

  constructor() {
    before(async () => {
      this.#plane = await sharedControlPlane();
      await this.plane.kubectlRun(['apply', '-k', CONFIG]);
      await this.restart();
    });
    after(async () => {
      await this.operators.end();
      await this.clean();
      // They are one pair for the whole cluster, and were in use until just now.
      for (const kind of ['validatingadmissionpolicybinding', 'mutatingadmissionpolicybinding'])
        await this.#removeBindings(kind);
    });
  }

  get plane(): ControlPlane {
    assert.ok(this.#plane);
    return this.#plane;
  }

  /** The one that was started last. */
  get operator(): Operator {
    assert.ok(this.#operator);
    return this.#operator;
  }

  /** Starts an operator, the first or in the place of one that has ended. */
  async restart(): Promise<void> {
    this.#operator = await this.operators.start(await installOperator(this.plane));
  }

  async scene(): Promise<Scene> {
    const made = await Scene.make(this.plane);
    this.#scenes.push(made);
    return made;
  }

  /** Removes what the scenes so far have made. */
  async clean(): Promise<void> {
    await Promise.all(this.#scenes.splice(0).map(({ box }) => box.remove()));
  }

  async #removeBindings(kind: string): Promise<void> {
    const names = (await this.plane.kubectlRun(['get', kind, '-o', 'name'])).split('\n');
    const ours = names.filter((name) => /\/service-account-/.test(name));
    if (ours.length > 0) await this.plane.kubectlRun(['delete', ...ours]);
  }
}
