/** Peers that are resolved from the cluster: they follow their objects, and keep their last known form without them. */
import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { consistently, eventually, PROMPTLY } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const QUIET_MS = 700;

describe('peer', () => {
  const at = new OperatorSuite('peers');

  const versions = async (namespace: string) =>
    (await at.box.policies(namespace)).map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);

  const egressOf = async (
    namespace: string,
    profile: string,
    rule?: string,
  ): Promise<NetworkPolicy['spec']['egress']> =>
    (await at.box.policy(namespace, [profile, 'egress', ...(rule ? [rule] : [])].join('.'))).spec.egress;

  describe('sameNamespaceLabels', () => {
    const rule = { name: 'from-own-tenant', from: [{ sameNamespaceLabels: ['example.com/tenant'] }] };

    it('without its label is reported with rule, namespace and remedy, and recovers when the label is set', async () => {
      const good = await at.box.namespace('good', { 'example.com/tenant': 'a' });
      const bad = await at.box.namespace('bad');
      const profile = await at.box.profile('tenants', { ingress: [rule] });
      await eventually(async () => {
        for (const type of ['PeersResolved', 'Ready']) {
          const { status, message } = await at.box.condition(profile, type);
          assert.equal(status, 'False', type);
          assert.match(message, /from-own-tenant/);
          assert.ok(message.includes(bad), message);
          assert.ok(message.includes(`kubectl label namespace ${bad} example.com/tenant=`), message);
        }
      }, PROMPTLY);
      const { failures } = (await at.box.readProfile(profile)).status ?? {};
      assert.deepEqual(
        failures?.map(({ namespace, reason }) => [namespace, reason]),
        [[bad, 'NamespaceLabelMissing']],
      );
      assert.ok((await at.box.policyNames(good)).includes(`${profile}.ingress`));

      await at.box.relabel(bad, { 'example.com/tenant': 'b' });
      await at.box.ready(profile);
      assert.equal((await at.box.condition(profile, 'PeersResolved')).status, 'True');
      assert.deepEqual((await at.box.policy(bad, `${profile}.ingress`)).spec.ingress, [
        {
          from: [{ namespaceSelector: { matchLabels: { 'example.com/tenant': 'b' } } }, { podSelector: {} }],
        },
      ]);
    });
  });

  describe('service', () => {
    const port = (port: number, targetPort: number | string) => ({ ports: [{ port, targetPort }] });
    const grant = (namespace: string, app: string, ports: readonly (number | string)[]) => [
      {
        to: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
            podSelector: { matchLabels: { app } },
          },
        ],
        ports: ports.map((each) => ({ protocol: 'TCP', port: each })),
      },
    ];

    /** A client namespace whose profile allows egress to the Service `api` of another namespace; and an unrelated one. */
    async function clientOfApi(): Promise<{
      client: string;
      backend: string;
      other: string;
      profile: string;
    }> {
      const [client, backend, other] = await Promise.all([
        at.box.namespace('client', { role: 'client' }),
        at.box.namespace('backend', null),
        at.box.namespace('other', { role: 'other' }),
      ]);
      await at.box.service(backend, 'api', { selector: { app: 'api' }, ...port(80, 8080) });
      const select = (role: string) => ({
        namespaceSelector: { matchLabels: { ...at.box.label, role } },
        isolation: ['Egress'],
        baseline: { dns: 'Deny' },
      });
      const profile = await at.box.profile('client', {
        ...select('client'),
        egress: [{ name: 'to-api', to: [{ service: { namespace: backend, name: 'api' } }] }],
      });
      const unrelated = await at.box.profile('other', {
        ...select('other'),
        egress: [{ name: 'out', to: [{ podSelector: {} }] }],
      });
      await Promise.all([at.box.ready(profile), at.box.ready(unrelated)]);
      assert.deepEqual(await egressOf(client, profile), grant(backend, 'api', [8080]));
      return { client, backend, other, profile };
    }

    it('follows the selector and ports of its Service, and changes only namespaces that use it', async () => {
      const { client, backend, other, profile } = await clientOfApi();
      const [untouched, [deny]] = [await versions(other), await versions(client)];
      await at.box.editService(backend, 'api', { selector: { app: 'api-v2' } });
      await eventually(
        async () => assert.deepEqual(await egressOf(client, profile), grant(backend, 'api-v2', [8080])),
        PROMPTLY,
      );
      await at.box.editService(backend, 'api', port(80, 'http'));
      await eventually(
        async () => assert.deepEqual(await egressOf(client, profile), grant(backend, 'api-v2', ['http'])),
        PROMPTLY,
      );
      await at.box.ready(profile);
      assert.deepEqual([await versions(other), (await versions(client))[0]], [untouched, deny]);
    });

    it('without selector keeps the addresses of the last EndpointSlice when they are deleted one by one', async () => {
      const backend = await at.box.namespace('backend', null);
      const slices = `/apis/discovery.k8s.io/v1/namespaces/${backend}/endpointslices`;
      await at.box.service(backend, 'legacy', port(80, 8080));
      for (const [name, address] of Object.entries({ first: '192.0.2.1', second: '192.0.2.2' })) {
        await at.box.create(slices, {
          metadata: { name, labels: { 'kubernetes.io/service-name': 'legacy' } },
          addressType: 'IPv4',
          endpoints: [{ addresses: [address] }],
          ports: [{ port: 8080, protocol: 'TCP' }],
        });
      }
      const client = await at.box.namespace('client', { role: 'client' });
      const profile = await at.box.profile('client', {
        namespaceSelector: { matchLabels: { ...at.box.label, role: 'client' } },
        isolation: ['Egress'],
        baseline: { dns: 'Deny' },
        egress: [{ name: 'to-legacy', to: [{ service: { namespace: backend, name: 'legacy' } }] }],
      });
      const addresses = async () =>
        (await egressOf(client, profile))
          ?.flatMap(({ to = [] }) => to.map(({ ipBlock }) => ipBlock?.cidr))
          .sort();
      await at.box.ready(profile);
      assert.deepEqual(await addresses(), ['192.0.2.1/32', '192.0.2.2/32']);
      await at.plane.admin.send('DELETE', `${slices}/first`);
      await eventually(async () => assert.deepEqual(await addresses(), ['192.0.2.2/32']), PROMPTLY);
      await at.plane.admin.send('DELETE', `${slices}/second`);
      await eventually(
        async () => assert.equal((await at.box.condition(profile, 'PeersResolved')).reason, 'NoEndpoints'),
        PROMPTLY,
      );
      assert.deepEqual(await addresses(), ['192.0.2.2/32']);
    });

    it('keeps its last known form when its Service is deleted, also after a restart, and is reported', async () => {
      const { client, backend, profile } = await clientOfApi();
      const known = await versions(client);
      await at.box.deleteService(backend, 'api');
      const unresolved = async () => {
        const { status, reason, message } = await at.box.condition(profile, 'PeersResolved');
        assert.deepEqual([status, reason], ['False', 'ServiceNotFound']);
        assert.match(message, new RegExp(`to-api.*${backend}/api`));
        assert.equal((await at.box.condition(profile, 'Ready')).status, 'False');
      };
      await eventually(unresolved, PROMPTLY);
      await consistently(async () => assert.deepEqual(await versions(client), known), QUIET_MS);

      await at.operator.kill();
      await at.restart();
      await at.operator.line('all namespaces reconciled');
      await consistently(async () => {
        assert.deepEqual(await versions(client), known);
        await unresolved();
      }, QUIET_MS);

      // Other policies are still repaired, and drift is repaired to the last known form.
      await at.box.patchPolicy(client, `${profile}.default-deny`, {
        spec: { podSelector: { matchLabels: { app: 'none' } } },
      });
      await eventually(async () => {
        assert.deepEqual((await at.box.policy(client, `${profile}.default-deny`)).spec.podSelector, {});
      }, PROMPTLY);
      assert.deepEqual(await egressOf(client, profile), grant(backend, 'api', [8080]));

      await at.box.service(backend, 'api', { selector: { app: 'api-v3' }, ...port(80, 9090) });
      await eventually(
        async () => assert.deepEqual(await egressOf(client, profile), grant(backend, 'api-v3', [9090])),
        PROMPTLY,
      );
      await at.box.ready(profile);
    });

    it('that was never resolved postpones isolation of running pods in its direction only, until it is resolved', async () => {
      const [client, backend] = [await at.box.namespace('client'), await at.box.namespace('backend', null)];
      await at.box.pod(client, 'web', { app: 'web' });
      const profile = await at.box.profile('early', {
        egress: [{ name: 'to-api', to: [{ service: { namespace: backend, name: 'api' } }] }],
      });
      await eventually(
        async () => assert.equal((await at.box.condition(profile, 'Ready')).reason, 'PeersUnresolved'),
        PROMPTLY,
      );
      const deny = `${profile}.default-deny`;
      const isolated = async () => (await at.box.policy(client, deny)).spec.policyTypes;
      await eventually(async () => assert.deepEqual(await isolated(), ['Ingress']), PROMPTLY);
      assert.deepEqual(await at.box.policyNames(client), [deny]);
      await eventually(async () => {
        const { failures } = (await at.box.readProfile(profile)).status ?? {};
        assert.match(failures?.[0]?.message ?? '', /^not isolated yet in Egress: /);
      }, PROMPTLY);
      await at.box.service(backend, 'api', { selector: { app: 'api' }, ...port(80, 8080) });
      await at.box.ready(profile);
      assert.deepEqual(await isolated(), ['Ingress', 'Egress']);
      assert.ok((await at.box.policyNames(client)).includes(`${profile}.egress`));
    });
  });

  describe('entity', () => {
    it('KubeAPIServer is the ClusterIP and every endpoint address', async () => {
      const namespace = await at.box.namespace('client');
      const profile = await at.box.profile('api', { baseline: { dns: 'Deny', kubeAPIServer: 'Allow' } });
      await at.box.ready(profile);
      const { subsets = [] } = (await at.box.read(
        '/api/v1/namespaces/default/endpoints/kubernetes',
      )) as unknown as {
        subsets?: { addresses: { ip: string }[]; ports: { port: number }[] }[];
      };
      const behind = subsets.flatMap(({ addresses, ports }) =>
        addresses.map(({ ip }) => [ip, ports[0]?.port]),
      );
      const allowed = (await egressOf(namespace, profile))?.flatMap(({ to = [], ports = [] }) =>
        to.flatMap((peer) => ports.map(({ port }) => [peer.ipBlock?.cidr, port])),
      );
      assert.ok(behind.length > 0);
      assert.deepEqual(allowed, [['10.96.0.1/32', 443], ...behind.map(([ip, port]) => [`${ip}/32`, port])]);
    });

    it('World excludes pods, Services and link-local addresses', async () => {
      const namespace = await at.box.namespace('client');
      const profile = await at.box.profile('world', {
        baseline: { dns: 'Deny' },
        egress: [{ name: 'out', to: [{ entity: 'World' }] }],
      });
      await at.box.ready(profile);
      const blocks = (await egressOf(namespace, profile))?.map(({ to }) => to?.[0]?.ipBlock);
      assert.deepEqual(
        blocks?.map((block) => block?.cidr),
        ['0.0.0.0/0', '::/0'],
      );
      for (const cidr of ['10.96.0.0/16', '10.244.0.0/16', '169.254.0.0/16']) {
        assert.ok(blocks?.[0]?.except?.includes(cidr), `${cidr} is not excluded`);
      }
    });
  });

  describe('baseline admissionWebhooks', () => {
    it('allows ingress to the pods behind a webhook while its configuration exists', async () => {
      const namespace = await at.box.namespace('hooks');
      await at.box.service(namespace, 'guard', {
        selector: { app: 'guard' },
        ports: [{ port: 443, targetPort: 9443 }],
      });
      const profile = await at.box.profile('strict');
      await at.box.ready(profile);
      const denyOnly = await at.box.policyNames(namespace);
      const configurations = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
      await at.box.create(configurations, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingWebhookConfiguration',
        metadata: { name: at.box.id },
        webhooks: [
          {
            name: 'guard.example.com',
            clientConfig: { service: { namespace, name: 'guard' } },
            // The webhook matches no kind that exists, so no request waits for it.
            rules: [
              {
                apiGroups: ['example.com'],
                apiVersions: ['v1'],
                resources: ['nothings'],
                operations: ['CREATE'],
              },
            ],
            sideEffects: 'None',
            admissionReviewVersions: ['v1'],
          },
        ],
      });
      await eventually(async () => {
        const added = (await at.box.policies(namespace)).filter(
          ({ metadata }) => !denyOnly.includes(metadata.name),
        );
        assert.deepEqual(
          added.map(({ spec }) => spec),
          [
            {
              podSelector: { matchLabels: { app: 'guard' } },
              ingress: [{ ports: [{ protocol: 'TCP', port: 9443 }] }],
              policyTypes: ['Ingress'],
            },
          ],
        );
      }, PROMPTLY);
      await at.box.ready(profile);
      await at.plane.admin.send('DELETE', `${configurations}/${at.box.id}`);
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), denyOnly), PROMPTLY);
    });
  });

  describe('of a profile whose policy name is taken by a foreign policy', () => {
    it('is enforced under an alternative name, with a Conflict, until the name is free', async () => {
      const namespace = await at.box.namespace('shop');
      const name = `${at.box.id}-strict.default-deny`;
      const foreign = await at.box.createPolicy(namespace, name, {
        podSelector: { matchLabels: { app: 'x' } },
        policyTypes: ['Ingress'],
      });
      const profile = await at.box.profile('strict', { baseline: { dns: 'Deny' } });
      await at.box.ready(profile);

      const [own, ...more] = (await at.box.policies(namespace)).filter(
        ({ metadata }) => metadata.name !== name,
      );
      assert.deepEqual(more, []);
      assert.match(own?.metadata.name ?? '', new RegExp(`^${profile}\\.alternative\\.`));
      assert.deepEqual(own?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
      const { failures } = (await at.box.readProfile(profile)).status ?? {};
      assert.deepEqual(
        failures?.map((each) => [each.namespace, each.reason]),
        [[namespace, 'Conflict']],
      );
      assert.ok(failures?.[0]?.message.includes(name), failures?.[0]?.message);
      await consistently(async () => {
        assert.equal(
          (await at.box.policy(namespace, name)).metadata.resourceVersion,
          foreign.metadata.resourceVersion,
        );
      }, QUIET_MS);

      await at.box.deletePolicy(namespace, name);
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), [name]), PROMPTLY);
      assert.notEqual((await at.box.policy(namespace, name)).metadata.uid, foreign.metadata.uid);
      await eventually(
        async () => assert.equal((await at.box.readProfile(profile)).status?.failures, undefined),
        PROMPTLY,
      );
    });
  });
});
