/** config/default on a real API server: objects, permissions, and Pod Security. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';

const root = join(import.meta.dirname, '../../..');
const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';

interface Deployment {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly {
          readonly image: string;
          readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
          readonly securityContext: object;
        }[];
        readonly securityContext: object;
      };
    };
  };
}

interface Service {
  readonly spec: {
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly targetPort: number | string }[];
  };
}

/** The operator's permissions, cluster-wide or in a namespace. */
const ALLOWED: readonly (readonly [resource: string, verbs: readonly string[], namespace?: string])[] = [
  ['segmentationprofiles.segmentation.dev', ['get', 'list', 'watch', 'patch']],
  ['segmentationprofiles.segmentation.dev/status', ['patch']],
  ['namespaces', ['get', 'list', 'watch']],
  ['networkpolicies.networking.k8s.io', ['list', 'watch', 'create', 'update', 'delete']],
  ['pods', ['list']],
  ['services', ['list', 'watch']],
  ['nodes', ['list', 'watch']],
  ['endpointslices.discovery.k8s.io', ['list', 'watch']],
  ['servicecidrs.networking.k8s.io', ['list', 'watch']],
  ['validatingwebhookconfigurations.admissionregistration.k8s.io', ['list', 'watch']],
  ['mutatingwebhookconfigurations.admissionregistration.k8s.io', ['list', 'watch']],
  ['apiservices.apiregistration.k8s.io', ['list', 'watch']],
  ['customresourcedefinitions.apiextensions.k8s.io', ['list', 'watch']],
  ['tokenreviews.authentication.k8s.io', ['create']],
  ['selfsubjectreviews.authentication.k8s.io', ['create']],
  ['subjectaccessreviews.authorization.k8s.io', ['create']],
  [
    'validatingadmissionpolicybindings.admissionregistration.k8s.io',
    ['list', 'watch', 'create', 'update', 'delete'],
  ],
  ['leases.coordination.k8s.io', ['create'], NAMESPACE],
  // The API requires Events about cluster-scoped objects to be there.
  ['events.events.k8s.io', ['create', 'patch'], 'default'],
];

describe('config/default', () => {
  let plane: ControlPlane;
  let deployment: Deployment;

  const kubectl = (args: readonly string[], stdin?: string) => plane.kubectlRun(args, stdin ? { stdin } : {});
  const get = async (kind: string, name: string): Promise<unknown> =>
    JSON.parse(await kubectl(['-n', NAMESPACE, 'get', kind, name, '-o', 'json']));

  before(async () => {
    plane = await sharedControlPlane();
    await kubectl(['apply', '-k', join(root, 'config/default')]);
    deployment = (await get('deployment', OPERATOR)) as Deployment;
  });
  // Nothing runs its pods here, and other tests need no second operator.
  after(async () => {
    await kubectl(['-n', NAMESPACE, 'delete', 'deployment', OPERATOR, '--ignore-not-found']);
  });

  // `diff` and not `apply`, which reports a PodDisruptionBudget as configured although nothing changes.
  it('shows no difference after it was applied', async () => {
    assert.equal(await kubectl(['diff', '-k', join(root, 'config/default')]), '');
  });

  it('runs the image of this version', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    assert.equal(deployment.spec.template.spec.containers[0]?.image, `${OPERATOR}:v${version}`);
  });

  it('points the metrics Service to the metrics port of its pods', async () => {
    const { spec } = (await get('service', `${OPERATOR}-metrics`)) as Service;
    const { metadata, spec: pod } = deployment.spec.template;
    assert.partialDeepStrictEqual(metadata.labels, spec.selector);
    const names = pod.containers.flatMap(({ ports }) => ports.map(({ name }) => name));
    assert.deepEqual(
      spec.ports.filter(({ targetPort }) => !names.includes(String(targetPort))),
      [],
    );
  });

  it('has pods that are admitted', async () => {
    const created = '--for=jsonpath={.status.replicas}=2';
    await kubectl(['-n', NAMESPACE, 'wait', `deployment/${OPERATOR}`, created, '--timeout=30s']);
  });

  describe('enforces the restricted Pod Security Standard', () => {
    const admit = (change: (pod: Deployment['spec']['template']['spec']) => object) => {
      const { metadata, spec } = deployment.spec.template;
      return kubectl(
        ['-n', NAMESPACE, 'create', '--dry-run=server', '-f', '-'],
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name: 'pod-security', labels: metadata.labels },
          spec: change(spec),
        }),
      );
    };

    it("which admits the operator's pod", async () => {
      await admit((spec) => spec);
    });

    it('which refuses the same pod as root', async () => {
      const asRoot = admit((spec) => ({
        ...spec,
        securityContext: { ...spec.securityContext, runAsUser: 0 },
      }));
      await assert.rejects(asRoot, /violates PodSecurity "restricted:latest": runAsUser=0/);
    });

    it('and a read-only root file system', () => {
      for (const { securityContext } of deployment.spec.template.spec.containers) {
        assert.partialDeepStrictEqual(securityContext, {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
        });
      }
    });
  });

  describe('lets the operator', () => {
    const can = async (verb: string, resource: string, namespace: string, object?: string) => {
      const [kind = '', subresource] = resource.split('/');
      const [name = '', ...group] = kind.split('.');
      const review = {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SubjectAccessReview',
        spec: {
          user: `system:serviceaccount:${NAMESPACE}:${OPERATOR}`,
          groups: ['system:serviceaccounts', `system:serviceaccounts:${NAMESPACE}`, 'system:authenticated'],
          resourceAttributes: {
            verb,
            resource: name,
            group: group.join('.'),
            subresource,
            namespace,
            name: object,
          },
        },
      };
      const answer = await plane.admin.send(
        'POST',
        '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        review,
      );
      return (answer as { status: { allowed: boolean } }).status.allowed;
    };

    for (const [resource, verbs, namespace = 'shop'] of ALLOWED) {
      it(`${verbs.join(', ')} ${resource}, and nothing else of them`, async () => {
        const every = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
        const answers = await Promise.all(every.map((verb) => can(verb, resource, namespace)));
        assert.deepEqual(new Set(every.filter((_, index) => answers[index])), new Set(verbs));
      });
    }

    it('get and update its own Lease, and no other', async () => {
      for (const verb of ['get', 'update']) {
        assert.equal(await can(verb, 'leases.coordination.k8s.io', NAMESPACE, OPERATOR), true, verb);
        assert.equal(await can(verb, 'leases.coordination.k8s.io', NAMESPACE, 'another'), false, verb);
      }
    });

    it('get its own admission policies, and no others', async () => {
      const policies = 'validatingadmissionpolicies.admissionregistration.k8s.io';
      assert.equal(await can('get', policies, '', 'probe.segmentation.dev'), true);
      assert.equal(await can('get', policies, '', 'somebody-elses'), false);
      for (const verb of ['list', 'watch', 'create', 'update', 'patch', 'delete'])
        assert.equal(await can(verb, policies, '', 'probe.segmentation.dev'), false, verb);
    });

    it('use no Leases and Events of other namespaces, and no Secrets', async () => {
      assert.equal(await can('get', 'leases.coordination.k8s.io', 'kube-system'), false);
      assert.equal(await can('create', 'events.events.k8s.io', NAMESPACE), false);
      assert.equal(await can('create', 'events', 'default'), false);
      assert.equal(await can('get', 'secrets', NAMESPACE), false);
      assert.equal(await can('list', 'secrets', 'shop'), false);
    });

    it('use no other resource', async () => {
      interface Role {
        readonly rules: readonly {
          readonly apiGroups: string[];
          readonly resources: string[];
          readonly resourceNames?: string[];
        }[];
      }
      const roles = [
        await get('clusterrole', OPERATOR),
        await get('clusterrole', `${OPERATOR}-metrics-auth`),
        await get('clusterrole', `${OPERATOR}-admission`),
      ];
      const granted = (roles as Role[])
        .flatMap(({ rules }) => rules)
        // Permissions for single names have tests of their own.
        .filter(({ resourceNames }) => resourceNames === undefined)
        .flatMap(({ apiGroups, resources }) =>
          resources.map((each) => {
            const [kind = '', subresource] = each.split('/');
            const name = [kind, ...apiGroups.filter(Boolean)].join('.');
            return subresource === undefined ? name : `${name}/${subresource}`;
          }),
        );
      const cluster = ALLOWED.filter(([, , namespace]) => namespace === undefined).map(
        ([resource]) => resource,
      );
      assert.deepEqual(granted.sort(), cluster.sort());
    });
  });
});
