/** Permissions that the audit works out, against the answers of the API server's authorizer (SubjectAccessReview). */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { BUILT_IN_ROLES } from '../../../src/audit/service-accounts/built-in-roles.ts';
import {
  type Access,
  type Account,
  type Binding,
  Permissions,
  type Role,
} from '../../../src/audit/service-accounts/permissions.ts';
import type { KindName } from '../../../src/audit/snapshot.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';

const API = '/apis/rbac.authorization.k8s.io/v1';
const LABEL = 'test.segmentation.dev/aggregate';
const ROLES = 16;
const BINDINGS = 24;
const ACCESSES = 400;

const verbs = fc.constantFrom('get', 'list', 'create', 'delete', 'bind', 'impersonate', '*');
const groups = fc.constantFrom('', 'apps', 'rbac.authorization.k8s.io', 'example.com', '*');
const resources = fc.constantFrom(
  'pods',
  'pods/exec',
  '*/exec',
  'secrets',
  'deployments',
  'clusterroles',
  '*',
);
const some = <T>(values: fc.Arbitrary<T>) => fc.uniqueArray(values, { minLength: 1, maxLength: 2 });

const rules = fc.array(
  fc.record(
    {
      verbs: some(verbs),
      apiGroups: some(groups),
      resources: some(resources),
      resourceNames: some(fc.constantFrom('a', 'b')),
    },
    { requiredKeys: ['verbs', 'apiGroups', 'resources'] },
  ),
  { minLength: 1, maxLength: 2 },
);

interface Scene {
  readonly id: string;
  readonly namespaces: readonly string[];
  readonly accounts: readonly Account[];
}

type Create = (path: string, object: RbacObject) => Promise<void>;

type RbacObject = KubeObject & Readonly<Record<string, unknown>>;

/** An index of 0 to `count` - 1 for each of `length` choices. */
const choices = (count: number, length: number) =>
  fc.array(fc.nat(count - 1), { minLength: length, maxLength: length });

async function createRoles({ id, namespaces }: Scene, create: Create): Promise<void> {
  const generated = fc.sample(fc.tuple(rules, fc.nat(2), fc.boolean()), ROLES);
  for (const [index, [own, selected, isLocal]] of generated.entries()) {
    const name = `${id}-${index}`;
    const namespace = namespaces[index % namespaces.length] ?? '';
    const labels = { [LABEL]: `${id}-${selected}` };
    if (isLocal)
      await create(`${API}/namespaces/${namespace}/roles`, { metadata: { name, namespace }, rules: own });
    await create(`${API}/clusterroles`, { metadata: { name, labels }, rules: own });
  }
  for (const selected of [0, 1, 2]) {
    // The second collects the first, which is an aggregated role itself.
    const labels: StringMap = selected === 0 ? { [LABEL]: `${id}-1` } : {};
    await create(`${API}/clusterroles`, {
      metadata: { name: `${id}-all-${selected}`, labels },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [LABEL]: `${id}-${selected}` } }] },
      rules: [],
    });
  }
}

async function createBindings({ id, namespaces, accounts }: Scene, create: Create): Promise<void> {
  const generated = fc.sample(choices(60, 4), BINDINGS);
  for (const [index, [pick = 0, role = 0, place = 0, shape = 0]] of generated.entries()) {
    const { namespace, name } = accounts[pick % accounts.length] ?? { namespace: '', name: '' };
    const subjects = [
      { kind: 'ServiceAccount', namespace, name },
      {
        kind: 'User',
        apiGroup: 'rbac.authorization.k8s.io',
        name: `system:serviceaccount:${namespace}:${name}`,
      },
      { kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: `system:serviceaccounts:${namespace}` },
    ];
    const chosen = role % (ROLES + 3);
    const target = chosen < ROLES ? `${id}-${chosen}` : `${id}-all-${chosen - ROLES}`;
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: target };
    const own: { metadata: KubeObject['metadata']; subjects: unknown[] } = {
      metadata: { name: `${id}-${index}` },
      subjects: [subjects[shape % 3]],
    };
    if (place % 3 === 0) {
      await create(`${API}/clusterrolebindings`, { ...own, roleRef });
      continue;
    }
    const within = namespaces[place % namespaces.length] ?? '';
    // A role that does not exist gives nothing.
    const kind = shape % 2 === 0 ? 'Role' : 'ClusterRole';
    // An account without namespace is one of the binding's namespace.
    if (shape % 5 === 0) own.subjects = [{ kind: 'ServiceAccount', name }];
    await create(`${API}/namespaces/${within}/rolebindings`, { ...own, roleRef: { ...roleRef, kind } });
  }
}

describe('permissions of service accounts', () => {
  let plane: ControlPlane;
  let sandbox: Sandbox;
  let scene: Scene;

  before(async () => {
    plane = await sharedControlPlane();
    sandbox = new Sandbox(plane, 'permissions');
    const namespaces = [await sandbox.namespace('a', null), await sandbox.namespace('b', null)];
    const accounts = namespaces.flatMap((namespace) => ['one', 'two'].map((name) => ({ namespace, name })));
    scene = { id: sandbox.id, namespaces, accounts };
    const create: Create = (path, object) => sandbox.create(path, object);
    await createRoles(scene, create);
    await createBindings(scene, create);
  });

  after(() => sandbox.remove());

  const permissions = async (): Promise<Permissions> => {
    const read = async (kind: string, plural: string): Promise<[string, KubeObject[]]> => {
      const list = (await plane.admin.send('GET', `${API}/${plural}`)) as { readonly items: KubeObject[] };
      return [kind, list.items];
    };
    const objects = new Map(
      await Promise.all([
        read('Role', 'roles'),
        read('ClusterRole', 'clusterroles'),
        read('RoleBinding', 'rolebindings'),
        read('ClusterRoleBinding', 'clusterrolebindings'),
      ]),
    );
    return new Permissions({ objects: (kind: KindName) => objects.get(kind) ?? [] });
  };

  const isAllowed = async ({ namespace, name }: Account, access: Access): Promise<boolean> => {
    const [resource, subresource] = access.resource.split('/');
    const { verb, group } = access;
    const review = (await plane.admin.send('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
      spec: {
        user: `system:serviceaccount:${namespace}:${name}`,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        resourceAttributes: {
          verb,
          group,
          resource,
          subresource,
          name: access.name,
          namespace: access.namespace,
        },
      },
    })) as { readonly status: { readonly allowed: boolean } };
    return review.status.allowed;
  };

  it(`are those of the API server for ${ACCESSES} accesses`, async function () {
    this.timeout('2m');
    const accesses = fc.sample(
      fc.record({
        account: fc.constantFrom(...scene.accounts),
        access: fc.record(
          {
            verb: fc.constantFrom('get', 'list', 'create', 'delete', 'bind', 'impersonate'),
            group: fc.constantFrom('', 'apps', 'rbac.authorization.k8s.io', 'example.com'),
            resource: fc.constantFrom(
              'pods',
              'pods/exec',
              'secrets',
              'deployments',
              'deployments/exec',
              'clusterroles',
            ),
            name: fc.constantFrom('a', 'b', 'c'),
            namespace: fc.constantFrom(...scene.namespaces),
          },
          { requiredKeys: ['verb', 'group', 'resource'] },
        ),
      }),
      ACCESSES,
    );
    // The authorizer and the controller that aggregates roles follow the objects with a delay.
    await eventually(async () => {
      const known = await permissions();
      const different: object[] = [];
      let allowed = 0;
      for (const { account, access } of accesses) {
        const expected = await isAllowed(account, access);
        if (expected) allowed += 1;
        if (known.allows(account, access) !== expected) different.push({ account, access, expected });
      }
      assert.deepEqual(different, []);
      assert.ok(allowed > ACCESSES / 20, `only ${allowed} accesses are allowed`);
      assert.ok(allowed < ACCESSES, 'every access is allowed');
    }, 60_000);
  });

  it('of the roles that every cluster has are those of the API server, in all that checks ask about', async () => {
    const { items } = (await plane.admin.send('GET', `${API}/clusterroles`)) as { readonly items: Role[] };
    const account = { namespace: 'a', name: 'one' };
    const permissionsBy = (role: string, roles: readonly Role[]) => {
      const binding: Binding = {
        metadata: { name: 'b' },
        roleRef: { kind: 'ClusterRole', name: role },
        subjects: [{ kind: 'ServiceAccount', ...account }],
      };
      const objects: Partial<Record<KindName, readonly KubeObject[]>> = {
        ClusterRole: roles,
        ClusterRoleBinding: [binding],
      };
      return new Permissions({ objects: (kind: KindName) => objects[kind] ?? [] });
    };
    const asked = [...BUILT_IN_ROLES.values()].flat();
    const verbs = [...new Set([...asked.flatMap((each) => each.verbs), 'escalate', 'bind'])];
    const targets = [
      ...asked.flatMap(({ apiGroups: [group = ''] = [], resources: own = [] }) =>
        own.map((resource) => ({ group, resource })),
      ),
      { group: '', resource: 'nodes/proxy' },
      { group: '', resource: 'persistentvolumes' },
      { group: 'rbac.authorization.k8s.io', resource: 'clusterroles' },
      { group: 'admissionregistration.k8s.io', resource: 'mutatingwebhookconfigurations' },
      { group: 'certificates.k8s.io', resource: 'certificatesigningrequests/approval' },
    ].filter(({ resource }) => resource !== '*');
    const different: string[] = [];
    for (const role of BUILT_IN_ROLES.keys()) {
      const [known, real] = [permissionsBy(role, []), permissionsBy(role, items)];
      for (const { group, resource } of targets) {
        for (const verb of verbs.filter((each) => each !== '*')) {
          const [ours, theirs] = [known, real].map((each) => each.allows(account, { verb, group, resource }));
          if (ours !== theirs) different.push(`${role}: ${verb} ${resource}.${group} is ${theirs}`);
        }
      }
    }
    assert.deepEqual([...new Set(different)], []);
  });
});
