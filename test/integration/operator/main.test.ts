/** Enforcement on a real API server: a profile becomes policies, and drift is repaired. */
import assert from 'node:assert/strict';
import { LABEL_MANAGED_BY } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { consistently, eventually, PROMPTLY, Sandbox } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

/** Longer than the operator waits before it writes a status again. */
const QUIET_MS = 700;

const fromStorefront = {
  name: 'from-storefront',
  description: 'pages place orders',
  from: [{ namespaces: ['storefront'] }],
  ports: [{ port: 8443 }],
};
const toLedger = {
  name: 'to-ledger',
  podSelector: { matchLabels: { app: 'checkout' } },
  to: [{ ipBlock: { cidr: '203.0.113.0/24' } }],
};

/** The fields of a policy that the operator owns. */
const content = ({ metadata: { name, labels, annotations, ownerReferences }, spec }: NetworkPolicy) => ({
  name,
  labels,
  annotations,
  ownerReferences,
  spec,
});

describe('operator', () => {
  const at = new OperatorSuite('main');

  /** Enforces a profile in a namespace, until it is Ready. */
  async function segmented(
    within = at.box,
  ): Promise<{ namespace: string; profile: string; policies: NetworkPolicy[] }> {
    const namespace = await within.namespace('shop');
    const profile = await within.profile('strict', { ingress: [fromStorefront], egress: [toLedger] });
    await within.ready(profile);
    return { namespace, profile, policies: await within.policies(namespace) };
  }

  describe('for a profile', () => {
    it('sets Ready and the counts of the status', async () => {
      const namespace = await at.box.namespace('shop');
      const profile = await at.box.profile('strict', { ingress: [fromStorefront], egress: [toLedger] });
      await at.box.ready(profile, PROMPTLY);
      const { status } = await at.box.readProfile(profile);
      assert.deepEqual(status?.namespaces, {
        matched: 1,
        enforced: 1,
        pending: 0,
        failed: 0,
        summary: '1/1',
      });
      assert.deepEqual(status?.policies, { desired: 4, applied: 4 });
      assert.equal((await at.box.policies(namespace)).length, 4);
    });

    it('writes exactly its policies, with labels, annotations and owner', async () => {
      const { namespace, profile } = await segmented();
      const { uid } = (await at.box.readProfile(profile)).metadata;
      const labels = (role: string, rule?: string) => ({
        [LABEL_MANAGED_BY]: 'segmentation-operator',
        'segmentation.dev/profile': profile,
        'segmentation.dev/role': role,
        ...(rule && { 'segmentation.dev/rule': rule }),
      });
      const rules = (...notes: object[]) => ({ 'segmentation.dev/rules': JSON.stringify(notes) });
      const ownerReferences = [
        {
          apiVersion: 'segmentation.dev/v1alpha1',
          kind: 'SegmentationProfile',
          name: profile,
          uid,
          controller: true,
          blockOwnerDeletion: false,
        },
      ];
      const [deny, egress, ledger, ingress, ...more] = (await at.box.policies(namespace)).map(content);
      assert.deepEqual(more, []);
      assert.deepEqual(deny, {
        name: `${profile}.default-deny`,
        labels: labels('default-deny'),
        annotations: undefined,
        ownerReferences,
        spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
      });
      assert.equal(egress?.name, `${profile}.egress`);
      assert.deepEqual(egress.labels, labels('egress'));
      assert.deepEqual(egress.spec.policyTypes, ['Egress']);
      assert.deepEqual(ledger, {
        name: `${profile}.egress.to-ledger`,
        labels: labels('egress', 'to-ledger'),
        annotations: rules({ rule: 'to-ledger' }),
        ownerReferences,
        spec: {
          podSelector: { matchLabels: { app: 'checkout' } },
          egress: [{ to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }],
          policyTypes: ['Egress'],
        },
      });
      assert.deepEqual(ingress, {
        name: `${profile}.ingress`,
        labels: labels('ingress'),
        annotations: rules({ rule: 'from-storefront', description: 'pages place orders' }),
        ownerReferences,
        spec: {
          podSelector: {},
          ingress: [
            {
              from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'storefront' } } }],
              ports: [{ protocol: 'TCP', port: 8443 }],
            },
          ],
          policyTypes: ['Ingress'],
        },
      });
    });

    it('applies an edit, and deletes the policy of a removed rule', async () => {
      const { namespace, profile } = await segmented();
      const generation = await at.box.edit(profile, {
        egress: [],
        ingress: [{ ...fromStorefront, ports: [{ port: 9443 }] }],
      });
      await at.box.ready(profile, PROMPTLY);
      assert.equal((await at.box.readProfile(profile)).status?.observedGeneration, generation);
      assert.deepEqual(await at.box.policyNames(namespace), [
        `${profile}.default-deny`,
        `${profile}.egress`,
        `${profile}.ingress`,
      ]);
      const { spec } = await at.box.policy(namespace, `${profile}.ingress`);
      assert.deepEqual(spec.ingress?.[0]?.ports, [{ protocol: 'TCP', port: 9443 }]);
    });

    it('does not write policies that an edit leaves unchanged', async () => {
      const { namespace, profile, policies } = await segmented();
      await at.box.edit(profile, { ingress: [{ ...fromStorefront, ports: [{ port: 9443 }] }] });
      await at.box.ready(profile);
      const now = new Map(
        (await at.box.policies(namespace)).map(({ metadata }) => [metadata.name, metadata.resourceVersion]),
      );
      const changed = policies.filter(({ metadata }) => now.get(metadata.name) !== metadata.resourceVersion);
      assert.deepEqual(
        changed.map(({ metadata }) => metadata.name),
        [`${profile}.ingress`],
      );
    });

    it('isolates a namespace with pods by way of a transition policy, and deletes that', async () => {
      const namespace = await at.box.namespace('shop');
      await at.box.pod(namespace, 'checkout', { app: 'checkout' });
      const seen: string[] = [];
      const ended = new AbortController();
      const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies?watch=true&resourceVersion=0`;
      const watching = (async () => {
        for await (const event of at.plane.admin.stream(path, ended.signal)) {
          const { type, object } = event as { type: string; object: NetworkPolicy };
          seen.push(`${type} ${object.metadata.labels?.['segmentation.dev/role']}`);
        }
      })().catch(() => {});
      const profile = await at.box.profile('strict', { ingress: [fromStorefront], egress: [toLedger] });
      await at.box.ready(profile);
      await eventually(() =>
        assert.equal(seen.filter((each) => each.startsWith('DELETED')).length > 0, true),
      );
      ended.abort();
      await watching;
      const denied = seen.indexOf('ADDED default-deny');
      assert.equal(seen[0], 'ADDED transition', seen.join());
      assert.ok(seen.indexOf('DELETED transition') > denied, seen.join());
      assert.deepEqual(
        (await at.box.policies(namespace)).filter(
          ({ metadata }) => metadata.labels?.['segmentation.dev/role'] === 'transition',
        ),
        [],
      );
    });
  });

  describe('repairs', () => {
    it('all policies of a namespace that are deleted at once', async () => {
      const { namespace, policies } = await segmented();
      await at.plane.kubectlRun(['-n', namespace, 'delete', 'netpol', '--all', '--wait=false']);
      await eventually(async () => {
        const now = await at.box.policies(namespace);
        assert.deepEqual(now.map(content), policies.map(content));
        assert.ok(
          now.every(({ metadata }, index) => metadata.uid !== policies[index]?.metadata.uid),
          'a policy was not deleted',
        );
      }, PROMPTLY);
    });

    const DRIFT: readonly (readonly [drift: string, policy: string, patch: object])[] = [
      ['a widened rule', 'ingress', { spec: { ingress: [{}] } }],
      ['removed rules', 'ingress', { spec: { ingress: null } }],
      [
        'a narrowed pod selector',
        'default-deny',
        { spec: { podSelector: { matchLabels: { app: 'none' } } } },
      ],
      ['a removed direction', 'default-deny', { spec: { policyTypes: ['Ingress'] } }],
      ['a removed label', 'ingress', { metadata: { labels: { [LABEL_MANAGED_BY]: null } } }],
      ['a changed label', 'ingress', { metadata: { labels: { 'segmentation.dev/profile': 'another' } } }],
      ['removed labels', 'default-deny', { metadata: { labels: null } }],
      ['a removed ownerReference', 'ingress', { metadata: { ownerReferences: null } }],
      [
        'removed labels and ownerReference, and opened rules',
        'ingress',
        { metadata: { labels: null, ownerReferences: null }, spec: { ingress: [{}] } },
      ],
      ['a changed annotation', 'ingress', { metadata: { annotations: { 'segmentation.dev/rules': '[]' } } }],
      ['a removed annotation', 'egress.to-ledger', { metadata: { annotations: null } }],
    ];
    describe('in a policy', () => {
      let own: Sandbox;
      let shop: Awaited<ReturnType<typeof segmented>>;

      before(async () => {
        own = new Sandbox(at.plane, 'drift');
        shop = await segmented(own);
      });
      after(() => own.remove());

      for (const [drift, role, patch] of DRIFT) {
        it(drift, async () => {
          const { namespace, profile, policies } = shop;
          const name = `${profile}.${role}`;
          const original = policies.find(({ metadata }) => metadata.name === name);
          assert.ok(original);
          const drifted = await own.patchPolicy(namespace, name, patch);
          assert.notDeepEqual(content(drifted), content(original));
          await eventually(async () => {
            const now = await own.policies(namespace);
            assert.deepEqual(now.map(content), policies.map(content));
          }, PROMPTLY);
          assert.equal((await own.policy(namespace, name)).metadata.uid, original.metadata.uid);
        });
      }
    });

    it('no label, annotation or finalizer that a user adds, and keeps them', async () => {
      const { namespace, profile } = await segmented();
      const name = `${profile}.ingress`;
      const added = {
        labels: { team: 'a' },
        annotations: { note: 'b' },
        finalizers: ['example.com/other'],
      };
      const { metadata } = await at.box.patchPolicy(namespace, name, { metadata: added });
      await consistently(async () => {
        assert.equal(
          (await at.box.policy(namespace, name)).metadata.resourceVersion,
          metadata.resourceVersion,
        );
      }, QUIET_MS);
      await at.box.patchPolicy(namespace, name, { spec: { ingress: [{}] } });
      await eventually(async () => {
        const now = await at.box.policy(namespace, name);
        assert.notDeepEqual(now.spec.ingress, [{}]);
        assert.partialDeepStrictEqual(now.metadata, added);
      });
      await at.box.patchPolicy(namespace, name, { metadata: { finalizers: null } });
    });
  });

  describe('selects namespaces', () => {
    it('when they get the label, and removes its policies when they lose it', async () => {
      const profile = await at.box.profile('strict');
      await at.box.ready(profile);
      const namespace = await at.box.namespace('late', null);
      assert.deepEqual(await at.box.policyNames(namespace), []);
      await at.plane.kubectlRun([
        'label',
        'namespace',
        namespace,
        `test.segmentation.dev/suite=${at.box.id}`,
      ]);
      const names = [`${profile}.default-deny`, `${profile}.egress`];
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), names), PROMPTLY);
      await eventually(async () => {
        assert.equal((await at.box.readProfile(profile)).status?.namespaces?.summary, '1/1');
      }, PROMPTLY);
      await at.plane.kubectlRun(['label', 'namespace', namespace, 'test.segmentation.dev/suite-']);
      await eventually(async () => assert.deepEqual(await at.box.policyNames(namespace), []), PROMPTLY);
      await eventually(async () => {
        assert.equal((await at.box.condition(profile, 'Ready')).reason, 'NoNamespaceSelected');
      }, PROMPTLY);
    });

    it('except excluded ones, also when they are excluded later', async () => {
      const [first, second] = [await at.box.namespace('first'), await at.box.namespace('second')];
      const profile = await at.box.profile('strict', { excludeNamespaces: [first] });
      await at.box.ready(profile);
      assert.deepEqual(await at.box.policyNames(first), []);
      assert.notDeepEqual(await at.box.policyNames(second), []);
      await at.box.edit(profile, { excludeNamespaces: [second] });
      await at.box.ready(profile);
      await eventually(async () => {
        assert.deepEqual(await at.box.policyNames(second), []);
        assert.notDeepEqual(await at.box.policyNames(first), []);
      }, PROMPTLY);
    });

    it('except protected ones, even if the selector matches all', async () => {
      const own = await at.box.namespace('own');
      const { items } = (await at.box.read('/api/v1/namespaces')) as unknown as {
        items: { metadata: { name: string } }[];
      };
      const isProtected = ['kube-system', 'kube-public', 'kube-node-lease', 'segmentation-system'];
      // Namespaces of other suites are excluded. Among the rest, only the selector decides.
      const others = items
        .map(({ metadata }) => metadata.name)
        .filter((each) => each !== own && !isProtected.includes(each));
      const profile = await at.box.profile('all', { namespaceSelector: {}, excludeNamespaces: others });
      await eventually(async () => assert.notDeepEqual(await at.box.policyNames(own), []));
      await at.box.ready(profile);
      for (const namespace of isProtected) {
        const names = await at.box.policyNames(namespace);
        assert.deepEqual(
          names.filter((name) => name.startsWith(`${profile}.`)),
          [],
        );
      }
    });
  });
});
