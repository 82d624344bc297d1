// The set-up of tests of config/workloads: namespaces with profiles whose bindings exist, and requests of which the API
// server's refusal and warnings can be read. No operator runs: bindings are those that it would write.
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { parse } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { workloadBindings } from '../../../src/policy/workloads/groups.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';

const CONFIG = join(import.meta.dirname, '../../../config/workloads');
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const IN_FORCE = 60_000; // ms: the API server takes up bindings every second, and the machine is busy

export interface Answer {
  readonly status: number;
  /** The message of a refusal; '' if the request was admitted. */
  readonly message: string;
  /** Warnings of policies: the API server has others. */
  readonly warnings: readonly string[];
  /** The id of the request in the API server's audit log. */
  readonly auditId: string;
  /** The object as it would be stored, of a request that was admitted. */
  readonly object?: KubeObject;
}

interface RequestOptions {
  readonly method?: 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'GET';
  readonly contentType?: string;
  /** Groups of the user, who is an administrator too. */
  readonly groups?: readonly string[];
}

interface Kubeconfig {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string };
  }[];
  readonly users: readonly {
    readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string };
  }[];
}

/** A namespace in which a profile's limits are in force. */
export interface Limited {
  readonly profile: string;
  readonly namespace: string;
}

export class WorkloadScene {
  readonly #box: Sandbox;
  readonly #server: string;
  readonly #agent: Agent;
  #count = 0;

  private constructor(plane: ControlPlane) {
    this.#box = new Sandbox(plane, 'workloads');
    const { clusters, users } = parse(readFileSync(plane.kubeconfig, 'utf8')) as Kubeconfig;
    const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
    assert.ok(cluster && user);
    const pem = (data: string) => Buffer.from(data, 'base64').toString();
    this.#server = cluster.server;
    this.#agent = new Agent({
      connections: 16,
      allowH2: false, // HTTP/2 would join the headers of several groups
      connect: {
        ca: pem(cluster['certificate-authority-data']),
        cert: pem(user['client-certificate-data']),
        key: pem(user['client-key-data']),
      },
    });
  }

  static async make(): Promise<WorkloadScene> {
    const plane = await sharedControlPlane();
    await installOperator(plane);
    await plane.kubectlRun(['apply', '-k', CONFIG]);
    return new WorkloadScene(plane);
  }

  get plane(): ControlPlane {
    return this.#box.plane;
  }

  async end(): Promise<void> {
    await this.#agent.destroy();
    await this.#box.remove();
    await this.plane.kubectlRun(['delete', '-k', CONFIG]);
  }

  /**
   * Creates a namespace, a profile that selects it with these limits, and the profile's bindings. The API server takes
   * them up after a moment.
   *
   * @param before creates what is in the namespace before the limits
   */
  async limited(
    workloads: object | undefined,
    before: (at: Limited) => Promise<unknown> = () => Promise.resolve(),
  ): Promise<Limited> {
    const name = `n${++this.#count}`;
    const label = { [`test.segmentation.dev/${name}`]: this.#box.id };
    const namespace = await this.#box.namespace(name, label);
    const profile = await this.#box.profile(name, { namespaceSelector: { matchLabels: label }, workloads });
    const stored: SegmentationProfile = await this.#box.readProfile(profile);
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await this.plane.admin.send('POST', accounts, { metadata: { name: 'web' } });
    await eventually(() => this.plane.admin.send('GET', `${accounts}/default`), IN_FORCE);
    await before({ profile, namespace });
    for (const binding of workloadBindings(stored, [])) await this.#box.create(BINDINGS, binding as never);
    return { profile, namespace };
  }

  /** The profile as it is stored. */
  profile({ profile }: Limited): Promise<SegmentationProfile> {
    return this.#box.readProfile(profile);
  }

  /** Takes the owner off the bindings of a profile, so that they outlive it. */
  async orphanBindings({ profile }: Limited): Promise<void> {
    const { items } = (await this.plane.admin.send(
      'GET',
      `${BINDINGS}?labelSelector=segmentation.dev/profile=${profile}`,
    )) as { items: KubeObject[] };
    for (const { metadata } of items)
      await this.#box.patch(`${BINDINGS}/${metadata.name}`, { metadata: { ownerReferences: null } });
  }

  /**
   * Waits until a policy refuses the request, or warns of it. The API server has other refusals, of a ServiceAccount that is
   * new, say, and other warnings.
   */
  async inForce(ask: () => Promise<Answer>): Promise<void> {
    await eventually(async () => {
      const { status, message, warnings } = await ask();
      const isJudged = [message, ...warnings].some((each) => each.includes('ValidatingAdmissionPolicy'));
      assert.ok(isJudged, `HTTP ${status} ${message}`);
    }, IN_FORCE);
  }

  /** Asks to create the Pod, as a dry run. */
  createPod({ namespace }: Limited, spec: object): Promise<Answer> {
    const metadata = { name: `pod-${++this.#count}` };
    return this.ask(`/api/v1/namespaces/${namespace}/pods?dryRun=All`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec,
    });
  }

  async ask(
    path: string,
    body: unknown,
    { method = 'POST', contentType = 'application/json', groups }: RequestOptions = {},
  ): Promise<Answer> {
    const response = await request(this.#server + path, {
      method,
      dispatcher: this.#agent,
      // A flat list has each group in a header of its own.
      headers: [
        'accept',
        'application/json',
        'content-type',
        contentType,
        ...(groups ? ['impersonate-user', 'someone'] : []),
        ...(groups ? ['system:masters', ...groups] : []).flatMap((group) => ['impersonate-group', group]),
      ],
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.body.text();
    const isAdmitted = response.statusCode < 300;
    const { warning = [] } = response.headers;
    const warnings = [warning].flat().flatMap((each) => [...each.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)]);
    return {
      status: response.statusCode,
      auditId: String(response.headers['audit-id']),
      message: isAdmitted ? '' : (JSON.parse(text) as { message: string }).message,
      warnings: warnings
        .map(([, message = '']) => message.replaceAll(/\\(.)/g, '$1'))
        .filter((message) => message.includes('ValidatingAdmissionPolicy')),
      ...(isAdmitted && { object: JSON.parse(text) as KubeObject }),
    };
  }
}
