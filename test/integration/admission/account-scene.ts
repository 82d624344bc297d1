// The set-up of tests of peers by ServiceAccount: an operator with config/service-accounts, namespaces of clients and servers.
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
/** The policies and permissions that peers by ServiceAccount need. */
export const CONFIG = join(import.meta.dirname, '../../../config/service-accounts');
/** Milliseconds: the API server's refresh of bindings, the next count of pods, a busy machine. */
export const IN_FORCE = 30_000;

/** A namespace of client pods, a namespace of server pods that profiles let them into, and requests about both. */
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

  /** The spec of a profile that lets in the pods of the account. */
  from(name = 'web'): { ingress: object[] } {
    return { ingress: [{ name, from: [{ serviceAccount: { namespace: this.client, name } }] }] };
  }

  async ready(profile: string): Promise<void> {
    await this.box.ready(profile, IN_FORCE);
  }

  /** Waits until the condition PeersResolved is False for that reason and with that message. */
  async says(profile: string, reason: string, message: RegExp): Promise<void> {
    await eventually(async () => {
      const condition = await this.box.condition(profile, 'PeersResolved');
      assert.deepEqual([condition.status, condition.reason], ['False', reason], condition.message);
      assert.match(condition.message, message);
    }, IN_FORCE);
  }

  /** Creates a pod in the client namespace. @returns its label, or the refusal as an error */
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
        // The API server creates the default ServiceAccount of a namespace a moment after the namespace.
        if (/serviceaccount .* not found/.test((error as Error).message)) throw error;
        return error as Error;
      }
    });
  }

  async remove(pod: string): Promise<void> {
    await this.#plane.admin.send('DELETE', `${pods(this.client)}/${pod}`);
  }

  /** True if the profile's ingress policy relies on the label. */
  async hasRule(profile: string, namespace = this.server): Promise<boolean> {
    const policies = await this.box.policies(namespace);
    return JSON.stringify(policies.filter(({ metadata }) => metadata.name === `${profile}.ingress`)).includes(
      LABEL,
    );
  }

  /** True if the guard covers the client namespace. */
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

/** The shared control plane with CONFIG, and an operator on it. The constructor registers the hooks that start and end both. */
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
      // The bindings serve the whole cluster. The operator would delete them only after their grace period.
      for (const kind of ['validatingadmissionpolicybinding', 'mutatingadmissionpolicybinding'])
        await this.#removeBindings(kind);
      // Where it is installed, operators of other suites rely on the label and not on the policies of an engine.
      await this.plane.kubectlRun(['delete', '-k', CONFIG, '--ignore-not-found']);
    });
  }

  get plane(): ControlPlane {
    assert.ok(this.#plane);
    return this.#plane;
  }

  /** The operator that was started last. */
  get operator(): Operator {
    assert.ok(this.#operator);
    return this.#operator;
  }

  /** Starts an operator. One that runs has to be stopped or killed before. */
  async restart(): Promise<void> {
    this.#operator = await this.operators.start(await installOperator(this.plane));
  }

  async scene(): Promise<Scene> {
    const made = await Scene.make(this.plane);
    this.#scenes.push(made);
    return made;
  }

  /** Deletes all objects of the scenes so far. */
  async clean(): Promise<void> {
    await Promise.all(this.#scenes.splice(0).map(({ box }) => box.remove()));
  }

  async #removeBindings(kind: string): Promise<void> {
    const names = (await this.plane.kubectlRun(['get', kind, '-o', 'name'])).split('\n');
    const own = names.filter((name) => /\/service-account-/.test(name));
    if (own.length > 0) await this.plane.kubectlRun(['delete', ...own]);
  }
}
