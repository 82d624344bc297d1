/**
 * config/fence: the requests that it refuses to the operator's token, and those that it admits. All other tests here run
 * the operator behind the fence, as installOperator installs it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { alternativeName, policyName, transitionName } from '../../../src/api/names.ts';
import { loadKubeConfig } from '../../../src/kube/config/load.ts';
import { createTransport } from '../../../src/kube/http/transport.ts';
import { PROTECTED_NAMESPACES } from '../../../src/options/cluster-defaults.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const MANAGED_BY = 'app.kubernetes.io/managed-by';
const OWN = { [MANAGED_BY]: 'segmentation-operator', 'segmentation.dev/profile': 'p' };
const TRANSITION = { ...OWN, 'segmentation.dev/role': 'transition' };
const DENY = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
const ALLOW_ALL = { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] };

const NOT_MARKED = /it lacks the labels .* or its name is not made of that profile's/;
const NOT_OWN = /is not the segmentation operator's: .* put the labels .* back, or delete it/;
const PROTECTED = /the namespace is protected\. .* change `protectedNamespaces`/;

describe('fence', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let token: string;
  let box: Sandbox;
  let shop: string;

  before(async () => {
    plane = await sharedControlPlane();
    token = await installOperator(plane);
    box = new Sandbox(plane, 'fence');
    shop = await box.namespace('shop');
    // The API server enforces a new admission policy after a moment.
    await eventually(() => assert.rejects(create(shop, 'unmarked', {}), NOT_MARKED));
  });
  after(() => box.remove());

  /** Sends a dry run with the operator's token. */
  const request = (verb: 'create' | 'replace' | 'delete', path: string, body?: object) =>
    plane.kubectlRun([verb, '--raw', `${path}?dryRun=All`, ...(body === undefined ? [] : ['-f', '-'])], {
      kubeconfig: token,
      ...(body !== undefined && { stdin: JSON.stringify(body) }),
    });
  const pathOf = (namespace: string) => `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
  const create = (namespace: string, name: string, labels: object, spec: object = DENY) =>
    request('create', pathOf(namespace), {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, labels },
      spec,
    });
  const replace = (policy: NetworkPolicy, change: { labels?: object; spec?: object }) =>
    request('replace', `${pathOf(policy.metadata.namespace ?? '')}/${policy.metadata.name}`, {
      ...policy,
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { ...policy.metadata, ...(change.labels && { labels: change.labels }) },
      spec: change.spec ?? policy.spec,
    });
  const remove = ({ metadata }: NetworkPolicy) =>
    request('delete', `${pathOf(metadata.namespace ?? '')}/${metadata.name}`);

  describe('admits the creation of', () => {
    const NAMES: readonly string[] = [
      policyName('p', 'default-deny'),
      policyName('p', 'ingress'),
      policyName('p', 'egress', 'to-payments'),
      alternativeName('p', 'p.ingress'),
      transitionName('p', 'anything'),
    ];
    const long = 'a-profile-whose-name-leaves-no-room-for-anything-behind-it';
    const SHORTENED: readonly string[] = [
      policyName(long, 'default-deny'),
      policyName(long, 'egress', 'to-payments'),
      alternativeName(long, 'any'),
      transitionName(long, 'anything'),
    ];
    for (const name of NAMES) it(name, () => create(shop, name, OWN));
    for (const name of SHORTENED)
      it(name, () => create(shop, name, { ...OWN, 'segmentation.dev/profile': long }));
  });

  describe('refuses the creation of', () => {
    const REFUSED: readonly (readonly [title: string, name: string, labels: object])[] = [
      ['a policy without labels', 'p.ingress', {}],
      ['a policy that is labelled as managed by Helm', 'p.ingress', { ...OWN, [MANAGED_BY]: 'Helm' }],
      ['a policy without a profile label', 'p.ingress', { [MANAGED_BY]: 'segmentation-operator' }],
      ['a policy with the name of another profile', 'q.ingress', OWN],
      ['a policy with a name that the operator never generates', 'p.anything', OWN],
      ['a policy with the shortened name of another profile', 'q.ingress-0123456789.a', OWN],
    ];
    for (const [title, name, labels] of REFUSED) {
      it(title, () => assert.rejects(create(shop, name, labels), NOT_MARKED));
    }
    for (const namespace of [...PROTECTED_NAMESPACES, 'segmentation-system']) {
      it(`any policy in the protected namespace ${namespace}, other than a cover`, async () => {
        await assert.rejects(create(namespace, 'p.default-deny', OWN), PROTECTED);
        await assert.rejects(create(namespace, 'p.transition.1', TRANSITION, DENY), PROTECTED);
        const half = { ...ALLOW_ALL, egress: [{ to: [{ podSelector: {} }] }] };
        await assert.rejects(create(namespace, 'p.transition.1', TRANSITION, half), PROTECTED);
        await create(namespace, 'p.transition.1', TRANSITION, ALLOW_ALL);
      });
    }
  });

  describe("refuses the operator's", () => {
    let foreign: readonly NetworkPolicy[];

    before(async () => {
      const labels = { [MANAGED_BY]: 'Helm' };
      foreign = [
        await box.createPolicy(shop, 'foreign', DENY as NetworkPolicy['spec'], { labels }),
        // The form of its name does not make it an own policy.
        await box.createPolicy(shop, 'foreign.ingress', DENY as NetworkPolicy['spec']),
      ];
    });

    it('update of a foreign policy', async () => {
      for (const policy of foreign) await assert.rejects(replace(policy, { spec: ALLOW_ALL }), NOT_OWN);
    });
    it('adoption of a foreign policy', async () => {
      const labels = { ...OWN, 'segmentation.dev/profile': 'foreign' };
      for (const policy of foreign) await assert.rejects(replace(policy, { labels }), NOT_OWN);
    });
    it('deletion of a foreign policy', async () => {
      for (const policy of foreign) await assert.rejects(remove(policy), NOT_OWN);
    });
  });

  describe('for an own policy,', () => {
    let own: NetworkPolicy;

    before(async () => {
      own = await box.createPolicy(shop, 'p.ingress', DENY as NetworkPolicy['spec'], { labels: OWN });
    });

    it('refuses the removal of its labels', () => assert.rejects(replace(own, { labels: {} }), NOT_MARKED));
    it('admits an update of its spec, and its deletion', async () => {
      await replace(own, { spec: ALLOW_ALL });
      await remove(own);
    });
  });

  it('admits the repair of a retained policy without labels and owner', async () => {
    const operator = await operators.start(token);
    const namespace = await box.namespace('kept');
    const profile = await box.profile('kept', { deletionPolicy: 'Retain' });
    await box.ready(profile);
    const name = `${profile}.default-deny`;
    const before = await box.policy(namespace, name);
    assert.equal(before.metadata.ownerReferences, undefined);
    await box.patchPolicy(namespace, name, { metadata: { labels: null }, spec: { ingress: [{}] } });
    await eventually(async () => {
      const { metadata, spec } = await box.policy(namespace, name);
      assert.deepEqual(
        [metadata.uid, metadata.labels, spec],
        [before.metadata.uid, before.metadata.labels, before.spec],
      );
    });
    await operator.stop();
  });

  describe('for a profile,', () => {
    let profile: string;

    before(async () => {
      profile = await box.profile('edited', { namespaceSelector: { matchLabels: { 'no.such/label': '' } } });
      await box.patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, {
        metadata: { finalizers: ['example.com/other'], annotations: { a: '1' } },
      });
    });

    const patch = (body: object) =>
      plane.kubectlRun(
        ['patch', 'segp', profile, '--type=merge', '--dry-run=server', `-p=${JSON.stringify(body)}`],
        { kubeconfig: token },
      );

    it("admits the addition of the operator's finalizer", async () => {
      await patch({ metadata: { finalizers: ['example.com/other', 'segmentation.dev/finalizer'] } });
    });

    const REFUSED: readonly (readonly [field: string, body: object])[] = [
      ['the spec', { spec: { mode: 'Audit' } }],
      ['a label', { metadata: { labels: { a: '1' } } }],
      ['an annotation', { metadata: { annotations: { a: '2' } } }],
      ["another controller's finalizer", { metadata: { finalizers: ['segmentation.dev/finalizer'] } }],
      [
        'the owners',
        { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' }] } },
      ],
    ];
    for (const [field, body] of REFUSED) {
      it(`refuses a change of ${field}`, () =>
        assert.rejects(patch(body), /it may write the status, and its own finalizer .*, nothing else/));
    }
  });

  describe('for Events,', () => {
    const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';
    const PROFILE = { apiVersion: 'segmentation.dev/v1alpha1', kind: 'SegmentationProfile', name: 'p' };
    const event = (regarding: object, reportingController: string) => ({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: `${box.id}.fence`, namespace: 'default' },
      eventTime: '2026-01-01T00:00:00.000000Z',
      type: 'Normal',
      reason: 'Enforced',
      action: 'Enforce',
      reportingController,
      reportingInstance: 'test',
      regarding,
    });
    const NOT_OWN_EVENT = /it writes Events about SegmentationProfiles and SegmentationExceptions only/;

    for (const kind of ['SegmentationProfile', 'SegmentationException']) {
      it(`admits an Event by the operator about a ${kind}`, () =>
        request('create', EVENTS, event({ ...PROFILE, kind }, 'segmentation-operator')));
    }

    const REFUSED: readonly (readonly [title: string, regarding: object, controller: string])[] = [
      ['about another kind', { ...PROFILE, kind: 'Node' }, 'segmentation-operator'],
      [
        'about the same kind of another API group',
        { ...PROFILE, apiVersion: 'x.io/v1' },
        'segmentation-operator',
      ],
      ['by another controller', PROFILE, 'kubelet'],
    ];
    for (const [title, regarding, controller] of REFUSED) {
      it(`refuses an Event ${title}`, () =>
        assert.rejects(request('create', EVENTS, event(regarding, controller)), NOT_OWN_EVENT));
    }

    // Without kubectl, which would read the Event first: the operator may not read Events.
    it("refuses an update of another controller's Event", async () => {
      await box.create(EVENTS, event({ kind: 'Node', name: 'n' }, 'kubelet'));
      const transport = createTransport(await loadKubeConfig({ kubeconfig: token }), {
        userAgent: 'test',
        env: {},
      });
      const patch = (name: string, body: object) =>
        transport.request({
          method: 'PATCH',
          path: `${EVENTS}/${name}?dryRun=All`,
          contentType: 'application/merge-patch+json',
          body,
        });
      try {
        await assert.rejects(patch(`${box.id}.fence`, { metadata: { labels: { a: 'b' } } }), NOT_OWN_EVENT);
      } finally {
        await transport.close();
      }
    });
  });

  it("protects the operator's default protected namespaces, and its own", () => {
    const file = join(import.meta.dirname, '../../../config/fence/network_policies.yaml');
    const [policy] = parseAllDocuments(readFileSync(file, 'utf8')).map(
      (each) => each.toJS() as { spec: { variables: { name: string; expression: string }[] } },
    );
    const { expression } = policy?.spec.variables.find(({ name }) => name === 'protected') ?? {};
    const names = [...(expression ?? '').matchAll(/'([^']+)'/g)].map(([, name]) => name);
    assert.deepEqual(names, [...PROTECTED_NAMESPACES, 'segmentation-system']);
  });
});
