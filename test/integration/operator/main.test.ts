// The main job on a real API server: a profile becomes policies, and they stay as it wants them.
import assert from 'node:assert/strict';
import { LABEL_MANAGED_BY } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { consistently, eventually, PROMPTLY, Sandbox } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const QUIET = 700; // ms: longer than the operator waits before it writes a status once more

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

/** What the operator answers for, of a policy. */
const content = ({ metadata: { name, labels, annotations, ownerReferences }, spec }: NetworkPolicy) => ({
  name,
  labels,
  annotations,
  ownerReferences,
  spec,
});

describe('the operator', () => {
  const at = new OperatorSuite('main');

  /** A namespace with the policies of a profile that is Ready. */
  async function segmented(
    within = at.box,
  ): Promise<{ namespace: string; profile: string; policies: NetworkPolicy[] }> {
    const namespace = await within.namespace('shop');
    const profile = await within.profile('strict', { ingress: [fromStorefront], egress: [toLedger] });
    await within.ready(profile);
    return { namespace, profile, policies: await within.policies(namespace) };
  }

  describe('given a profile', () => {
    it('is Ready for its generation', async () => {
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

    it('writes exactly its policies, labelled, annotated and owned by it', async () => {
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

    it('follows an edit, and removes the object of a rule that is gone', async () => {
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

    it('leaves the policies alone that an edit does not change', async () => {
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

    it('isolates a namespace with pods through a transition object, and leaves none', async () => {
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
    it('all policies of a namespace, deleted at once', async () => {
      const { namespace, policies } = await segmented();
      await at.plane.kubectlRun(['-n', namespace, 'delete', 'netpol', '--all', '--wait=false']);
      await eventually(async () => {
        const now = await at.box.policies(namespace);
        assert.deepEqual(now.map(content), policies.map(content));
        assert.ok(
          now.every(({ metadata }, index) => metadata.uid !== policies[index]?.metadata.uid),
          'the old ones still stand',
        );
      }, PROMPTLY);
    });

    const DRIFT: readonly (readonly [what: string, policy: string, patch: object])[] = [
      ['a rule that was widened', 'ingress', { spec: { ingress: [{}] } }],
      ['rules that were taken away', 'ingress', { spec: { ingress: null } }],
      [
        'a pod selector that was narrowed',
        'default-deny',
        { spec: { podSelector: { matchLabels: { app: 'none' } } } },
      ],
      ['a direction that was taken off', 'default-deny', { spec: { policyTypes: ['Ingress'] } }],
      ['a label that was stripped', 'ingress', { metadata: { labels: { [LABEL_MANAGED_BY]: null } } }],
      [
        'a label that was changed',
        'ingress',
        { metadata: { labels: { 'segmentation.dev/profile': 'another' } } },
      ],
      ['all labels stripped', 'default-deny', { metadata: { labels: null } }],
      ['the ownerReference taken off', 'ingress', { metadata: { ownerReferences: null } }],
      [
        'labels and ownerReference stripped, and the rules opened',
        'ingress',
        { metadata: { labels: null, ownerReferences: null }, spec: { ingress: [{}] } },
      ],
      [
        'an annotation that was changed',
        'ingress',
        { metadata: { annotations: { 'segmentation.dev/rules': '[]' } } },
      ],
      ['an annotation that was taken off', 'egress.to-ledger', { metadata: { annotations: null } }],
    ];
    describe('of one namespace, one after the other,', () => {
      let own: Sandbox;
      let shop: Awaited<ReturnType<typeof segmented>>;

      before(async () => {
        own = new Sandbox(at.plane, 'drift');
        shop = await segmented(own);
      });
      after(() => own.remove());

      for (const [what, role, patch] of DRIFT) {
        it(`${what}`, async () => {
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

    it('nothing where somebody adds a label, an annotation or a finalizer of their own, and keeps them', async () => {
      const { namespace, profile } = await segmented();
      const name = `${profile}.ingress`;
      const theirs = {
        labels: { team: 'a' },
        annotations: { note: 'b' },
        finalizers: ['example.com/theirs'],
      };
      const { metadata } = await at.box.patchPolicy(namespace, name, { metadata: theirs });
      await consistently(async () => {
        assert.equal(
          (await at.box.policy(namespace, name)).metadata.resourceVersion,
          metadata.resourceVersion,
        );
      }, QUIET);
      await at.box.patchPolicy(namespace, name, { spec: { ingress: [{}] } });
      await eventually(async () => {
        const now = await at.box.policy(namespace, name);
        assert.notDeepEqual(now.spec.ingress, [{}]);
        assert.partialDeepStrictEqual(now.metadata, theirs);
      });
      await at.box.patchPolicy(namespace, name, { metadata: { finalizers: null } });
    });
  });

  describe('selects namespaces', () => {
    it('that are labelled in, and lets go of those that are labelled out', async () => {
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

    it('but for those that it excludes, also when they are excluded later', async () => {
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

    it('never those that are protected, even if all are selected', async () => {
      const own = await at.box.namespace('own');
      const { items } = (await at.box.read('/api/v1/namespaces')) as unknown as {
        items: { metadata: { name: string } }[];
      };
      const isProtected = ['kube-system', 'kube-public', 'kube-node-lease', 'segmentation-system'];
      // Those of other suites are none of this one's business; but for them, the selector is what picks.
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
