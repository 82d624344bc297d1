// What config/fence refuses to whoever holds the operator's token, and that it is in nobody else's way. That the
// operator itself can do its work under it is shown by every other test here: installOperator installs it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { alternativeName, policyName, transitionName } from '../../../src/api/names.ts';
import { loadKubeConfig } from '../../../src/kube/config.ts';
import { createTransport } from '../../../src/kube/http/transport.ts';
import { PROTECTED_NAMESPACES } from '../../../src/options/cluster-defaults.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const MANAGED_BY = 'app.kubernetes.io/managed-by';
const OURS = { [MANAGED_BY]: 'segmentation-operator', 'segmentation.dev/profile': 'p' };
const TRANSITION = { ...OURS, 'segmentation.dev/role': 'transition' };
const DENY = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
const ALLOW_ALL = { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] };

const NOT_MARKED = /it lacks the labels .* or its name is not made of that profile's/;
const NOT_OWN = /is not the segmentation operator's: .* put the labels .* back, or delete it/;
const PROTECTED = /the namespace is protected\. .* change `protectedNamespaces`/;

describe('the fence around the operator', () => {
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
    // The API server takes a moment to know a new policy.
    await eventually(() => assert.rejects(create(shop, 'unmarked', {}), NOT_MARKED));
  });
  after(() => box.remove());

  /** A request with the operator's token. Nothing is stored, whatever is answered. */
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

  describe('lets it create', () => {
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
    for (const name of NAMES) it(name, () => create(shop, name, OURS));
    for (const name of SHORTENED)
      it(name, () => create(shop, name, { ...OURS, 'segmentation.dev/profile': long }));
  });

  describe('refuses it to create', () => {
    const REFUSED: readonly (readonly [what: string, name: string, labels: object])[] = [
      ['a policy without labels', 'p.ingress', {}],
      ['a policy that is marked as somebody else made it', 'p.ingress', { ...OURS, [MANAGED_BY]: 'Helm' }],
      ['a policy of no profile', 'p.ingress', { [MANAGED_BY]: 'segmentation-operator' }],
      ['a policy under a name that is not made of the profile', 'q.ingress', OURS],
      ['a policy under a name that it never makes', 'p.anything', OURS],
      ['a policy under a shortened name of another profile', 'q.ingress-0123456789.a', OURS],
    ];
    for (const [what, name, labels] of REFUSED) {
      it(what, () => assert.rejects(create(shop, name, labels), NOT_MARKED));
    }
    for (const namespace of [...PROTECTED_NAMESPACES, 'segmentation-system']) {
      it(`anything in ${namespace}, but what it takes to open it`, async () => {
        await assert.rejects(create(namespace, 'p.default-deny', OURS), PROTECTED);
        await assert.rejects(create(namespace, 'p.transition.1', TRANSITION, DENY), PROTECTED);
        const half = { ...ALLOW_ALL, egress: [{ to: [{ podSelector: {} }] }] };
        await assert.rejects(create(namespace, 'p.transition.1', TRANSITION, half), PROTECTED);
        await create(namespace, 'p.transition.1', TRANSITION, ALLOW_ALL);
      });
    }
  });

  describe("refuses it, of somebody else's policy,", () => {
    let theirs: readonly NetworkPolicy[];

    before(async () => {
      const labels = { [MANAGED_BY]: 'Helm' };
      theirs = [
        await box.createPolicy(shop, 'theirs', DENY as NetworkPolicy['spec'], { labels }),
        // Its name alone does not make it the operator's.
        await box.createPolicy(shop, 'theirs.ingress', DENY as NetworkPolicy['spec']),
      ];
    });

    it('to change it', async () => {
      for (const policy of theirs) await assert.rejects(replace(policy, { spec: ALLOW_ALL }), NOT_OWN);
    });
    it('to make it its own', async () => {
      const labels = { ...OURS, 'segmentation.dev/profile': 'theirs' };
      for (const policy of theirs) await assert.rejects(replace(policy, { labels }), NOT_OWN);
    });
    it('to delete it', async () => {
      for (const policy of theirs) await assert.rejects(remove(policy), NOT_OWN);
    });
  });

  describe('refuses it, of its own policy,', () => {
    let own: NetworkPolicy;

    before(async () => {
      own = await box.createPolicy(shop, 'p.ingress', DENY as NetworkPolicy['spec'], { labels: OURS });
    });

    it('to take the labels off', () => assert.rejects(replace(own, { labels: {} }), NOT_MARKED));
    it('nothing else', async () => {
      await replace(own, { spec: ALLOW_ALL });
      await remove(own);
    });
  });

  it('lets it repair a retained policy that lost its labels, and had no owner', async () => {
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

  describe('of a profile', () => {
    let profile: string;

    before(async () => {
      profile = await box.profile('edited', { namespaceSelector: { matchLabels: { 'no.such/label': '' } } });
      await box.patch(`/apis/segmentation.dev/v1alpha1/segmentationprofiles/${profile}`, {
        metadata: { finalizers: ['example.com/theirs'], annotations: { a: '1' } },
      });
    });

    const patch = (body: object) =>
      plane.kubectlRun(
        ['patch', 'segp', profile, '--type=merge', '--dry-run=server', `-p=${JSON.stringify(body)}`],
        { kubeconfig: token },
      );

    it('lets it add its finalizer', async () => {
      await patch({ metadata: { finalizers: ['example.com/theirs', 'segmentation.dev/finalizer'] } });
    });

    const REFUSED: readonly (readonly [what: string, body: object])[] = [
      ['the spec', { spec: { mode: 'Audit' } }],
      ['a label', { metadata: { labels: { a: '1' } } }],
      ['an annotation', { metadata: { annotations: { a: '2' } } }],
      ["somebody else's finalizer", { metadata: { finalizers: ['segmentation.dev/finalizer'] } }],
      [
        'the owners',
        { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' }] } },
      ],
    ];
    for (const [what, body] of REFUSED) {
      it(`refuses it to change ${what}`, () =>
        assert.rejects(patch(body), /it may write the status, and its own finalizer .*, nothing else/));
    }
  });

  describe('of Events', () => {
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
    const NOT_ITS = /it tells of SegmentationProfiles only, in its own name/;

    it('lets it write its own, about a profile', () =>
      request('create', EVENTS, event(PROFILE, 'segmentation-operator')));

    const REFUSED: readonly (readonly [what: string, regarding: object, controller: string])[] = [
      ['about something else', { ...PROFILE, kind: 'Node' }, 'segmentation-operator'],
      ['about a kind of the same name', { ...PROFILE, apiVersion: 'x.io/v1' }, 'segmentation-operator'],
      ["in somebody else's name", PROFILE, 'kubelet'],
    ];
    for (const [what, regarding, controller] of REFUSED) {
      it(`refuses it to write one ${what}`, () =>
        assert.rejects(request('create', EVENTS, event(regarding, controller)), NOT_ITS));
    }

    // Not by kubectl, which reads first what it changes: the operator may not.
    it("refuses it to change somebody else's", async () => {
      await box.create(EVENTS, event({ kind: 'Node', name: 'n' }, 'kubelet'));
      const transport = createTransport(loadKubeConfig({ kubeconfig: token }), {
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
        await assert.rejects(patch(`${box.id}.fence`, { metadata: { labels: { a: 'b' } } }), NOT_ITS);
      } finally {
        await transport.close();
      }
    });
  });

  it('protects the namespaces that the operator protects by default, and its own', () => {
    const file = join(import.meta.dirname, '../../../config/fence/network_policies.yaml');
    const [policy] = parseAllDocuments(readFileSync(file, 'utf8')).map(
      (each) => each.toJS() as { spec: { variables: { name: string; expression: string }[] } },
    );
    const { expression } = policy?.spec.variables.find(({ name }) => name === 'protected') ?? {};
    const names = [...(expression ?? '').matchAll(/'([^']+)'/g)].map(([, name]) => name);
    assert.deepEqual(names, [...PROTECTED_NAMESPACES, 'segmentation-system']);
  });
});
