// The set-up of tests of exceptions: config/exceptions, users with roles in a namespace, and exceptions as they write them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { Condition } from '../../../src/api/meta.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually, type Sandbox } from '../../support/cluster.ts';

const CONFIG = join(import.meta.dirname, '../../../config/exceptions');
const CRD = 'segmentationexceptions.segmentation.dev';
export const APPROVER = 'segmentation-operator-exception-approver';
export const REQUESTER = 'segmentation-operator-exception-requester';

/** Installs config/exceptions. */
export async function install(plane: ControlPlane): Promise<void> {
  await plane.kubectlRun(['apply', '-k', CONFIG]);
  await crdEstablished((args) => plane.kubectlRun(args), CRD);
}

export async function uninstall(plane: ControlPlane): Promise<void> {
  await plane.kubectlRun(['delete', '-k', CONFIG, '--ignore-not-found']);
}

/** Has the API server fill in who asks: `apply`, or not any more: `delete`. */
export async function fillIn(plane: ControlPlane, verb: 'apply' | 'delete'): Promise<void> {
  await plane.kubectlRun([verb, '-k', join(CONFIG, 'fill-in')]);
}

/** Binds a ClusterRole to a user in a namespace. */
export async function bind(
  plane: ControlPlane,
  namespace: string,
  role: string,
  ...users: readonly string[]
): Promise<void> {
  const subjects = users.map((user) => `--user=${user}`);
  const name = `${role}-${users.join('-')}`;
  await plane.kubectlRun([
    '-n',
    namespace,
    'create',
    'rolebinding',
    name,
    `--clusterrole=${role}`,
    ...subjects,
  ]);
}

type ExceptionInput = Partial<SegmentationException['spec']>;

/** An exception by which the pods of its namespace reach port 5432 of the pods `app: db` there. */
export function exception(namespace: string, name: string, spec: ExceptionInput = {}): SegmentationException {
  return {
    apiVersion: 'segmentation.dev/v1alpha1',
    kind: 'SegmentationException',
    metadata: { name, namespace },
    spec: {
      reason: 'INC-4711',
      expires: inSeconds(3600),
      requestedBy: 'jane',
      egress: [
        {
          name: 'to-db',
          to: [{ podSelector: { matchLabels: { app: 'db' } } }],
          ports: [{ protocol: 'TCP', port: 5432 }],
        },
      ],
      ...spec,
    },
  };
}

/** A time as the API writes it, in whole seconds. */
export function inSeconds(seconds: number): string {
  return new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Requests of one user, by impersonation. */
export class User {
  readonly name: string;
  readonly #plane: ControlPlane;

  constructor(plane: ControlPlane, name: string) {
    this.#plane = plane;
    this.name = name;
  }

  async create(object: SegmentationException, ...flags: readonly string[]): Promise<SegmentationException> {
    const args = ['create', '-f', '-', '-o', 'json', `--as=${this.name}`, ...flags];
    return JSON.parse(
      await this.#plane.kubectlRun(args, { stdin: JSON.stringify(object) }),
    ) as SegmentationException;
  }

  /** Merges `patch` into an exception. */
  async patch(
    { metadata: { namespace = '', name } }: SegmentationException,
    patch: object,
    ...flags: readonly string[]
  ): Promise<void> {
    const args = ['-n', namespace, 'patch', 'segx', name, '--type=merge', '-p', JSON.stringify(patch)];
    await this.#plane.kubectlRun([...args, `--as=${this.name}`, ...flags]);
  }

  approve(object: SegmentationException, until = object.spec.expires): Promise<void> {
    return this.patch(object, { spec: { approval: { by: this.name, until } } });
  }
}

export async function read(
  box: Sandbox,
  { metadata: { namespace, name } }: SegmentationException,
): Promise<SegmentationException> {
  const path = `/apis/segmentation.dev/v1alpha1/namespaces/${namespace}/segmentationexceptions/${name}`;
  return (await box.read(path)) as unknown as SegmentationException;
}

/** Waits until a condition of the exception has that reason. */
export function says(
  box: Sandbox,
  object: SegmentationException,
  type: string,
  reason: string,
  message = /./,
): Promise<Condition> {
  return eventually(async () => {
    const { metadata, status } = await read(box, object);
    assert.equal(status?.observedGeneration, metadata.generation, 'the status is of an older generation');
    const condition = status?.conditions?.find((each) => each.type === type);
    assert.equal(condition?.reason, reason, condition?.message);
    assert.match(condition?.message ?? '', message);
    return condition;
  });
}

/** The names of the policies of exceptions in a namespace. */
export async function policiesOf(box: Sandbox, namespace: string): Promise<string[]> {
  const policies = await box.policies(namespace);
  return policies
    .filter(({ metadata }) => metadata.labels?.['segmentation.dev/role'] === 'exception')
    .map(({ metadata }) => metadata.name);
}

/** Waits until the policies of exceptions in a namespace have these names. */
export function havePolicies(box: Sandbox, namespace: string, names: readonly string[]): Promise<void> {
  return eventually(async () => assert.deepEqual(await policiesOf(box, namespace), names));
}
