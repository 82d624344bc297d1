/**
 * Guards by a real operator: its own permissions, the fence, and an API server with the CRD of ClusterNetworkPolicy. No engine
 * runs there; which flows pass is judged in test/oracle/engines.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { cli } from '../../cli/cli.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { grant, revoke, ROLLOUT } from '../rollout/scene.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, OPERATOR_USER, Operators } from '../../support/operator.ts';

const ROOT = join(import.meta.dirname, '../../..');
const COMPONENT = join(ROOT, 'config/engines/cluster-network-policy');
const PATH = '/apis/policy.networking.k8s.io/v1beta1/clusternetworkpolicies';
const SOON = 60_000;
const ALL = { namespaces: {} };

type Rule = Readonly<Record<string, unknown>> & { readonly name: string; readonly action: string };
type Policy = KubeObject & {
  readonly spec: {
    readonly priority: number;
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
  };
};

(goIsThere ? describe : describe.skip)(`guard of a profile${skippedWithoutGo}`, function () {
  this.timeout('4m');
  const operators = new Operators();
  const folder = mkdtempSync(join(tmpdir(), 'guard-'));
  const config = join(folder, 'operator.yaml');
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let crd: string;
  let shop: string;
  let profile: string;
  let since: string;
  let settledAt: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const policy = async (name = `${profile}.guard`) =>
    (await box.read(`${PATH}/${name}`)) as unknown as Policy;
  const stateOf = async (name = profile) => {
    const { status, reason, message } = await box.condition(name, 'GuardReady');
    return { status, reason, message };
  };
  const becomes = (reason: string, pattern = /./) =>
    eventually(async () => {
      const state = await stateOf();
      assert.equal(state.reason, reason, state.message);
      assert.match(state.message, pattern);
    }, SOON);
  const foreign = (name: string, priority: number, action: string) =>
    plane.admin.send('POST', PATH, {
      apiVersion: 'policy.networking.k8s.io/v1beta1',
      kind: 'ClusterNetworkPolicy',
      metadata: { name },
      spec: { tier: 'Admin', priority, subject: ALL, ingress: [{ action, from: [ALL] }] },
    });

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    const module = await goModuleFolder('network-policy-api', 'sigs.k8s.io/network-policy-api');
    crd = join(module, 'config/crd/standard/policy.networking.k8s.io_clusternetworkpolicies.yaml');
    box = new Sandbox(plane, 'guard');
    shop = await box.namespace('shop');
    writeFileSync(
      config,
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nguard: {kind: ClusterNetworkPolicy}\n',
    );
    profile = await box.profile('p', {
      baseline: { dns: 'Deny', admissionWebhooks: 'Deny' },
      guard: { mode: 'Enforce' },
      egress: [{ name: 'provider', to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ port: 443 }] }],
    });
    operator = await operators.start(kubeconfig);
  });
  after(async () => {
    await box?.remove();
    for (const each of [COMPONENT]) await kubectl('delete', '--ignore-not-found', '-k', each);
    await kubectl('delete', '--ignore-not-found', '-f', crd);
    rmSync(folder, { recursive: true });
  });

  it('is missing, and why, without the setting, the CRD and the permission', async () => {
    await becomes('NotConfigured', /set guard there/);
    await operator.stop();
    operator = await operators.start(kubeconfig, `--config=${config}`);
    await becomes('Unsupported', /does not serve clusternetworkpolicies/);
    await kubectl('apply', '-f', crd);
    await crdEstablished((args) => plane.kubectlRun(args), 'clusternetworkpolicies.policy.networking.k8s.io');
    await becomes('NotInstalled', /kubectl apply -k config\/engines\/cluster-network-policy/);
    assert.equal((await box.condition(profile, 'Ready')).reason, 'GuardNotReady');
    since = new Date().toISOString();
    await kubectl('apply', '-k', COMPONENT);
  });

  it('passes what profiles allow, and denies the rest', async () => {
    await box.ready(profile, SOON);
    const { spec, metadata } = await policy();
    const subject = {
      matchExpressions: [
        {
          key: 'kubernetes.io/metadata.name',
          operator: 'NotIn',
          values: ['kube-node-lease', 'kube-public', 'kube-system', 'segmentation-system'],
        },
      ],
      matchLabels: box.label,
    };
    const own = { name: 'own-namespaces', action: 'Pass' };
    assert.deepEqual(spec, {
      tier: 'Admin',
      priority: spec.priority,
      subject: { namespaces: subject },
      ingress: [
        { ...own, from: [{ namespaces: subject }] },
        { name: 'rest', action: 'Deny', from: [ALL] },
      ],
      egress: [
        { ...own, to: [{ namespaces: subject }] },
        {
          name: 'provider',
          action: 'Pass',
          protocols: [{ tcp: { destinationPort: { number: 443 } } }],
          to: [{ networks: ['203.0.113.0/24'] }],
        },
        { name: 'rest', action: 'Deny', to: [ALL, { networks: ['0.0.0.0/0', '::/0'] }] },
      ],
    });
    assert.equal(metadata.ownerReferences?.[0]?.name, profile);
    const { reason, message } = await stateOf();
    assert.equal(reason, 'Written');
    assert.match(message, /nothing has tried it/);
  });

  it('follows the profile, and is restored if somebody changes or deletes it', async () => {
    await box.edit(profile, { egress: [{ name: 'dns', to: [{ ipBlock: { cidr: '198.51.100.1/32' } }] }] });
    const networks = async () =>
      ((await policy()).spec.egress ?? []).flatMap(({ action, to }) =>
        action === 'Pass' ? (to as { networks?: string[] }[]).flatMap((each) => each.networks ?? []) : [],
      );
    await eventually(async () => assert.deepEqual(await networks(), ['198.51.100.1/32']), SOON);
    const { spec } = await policy();
    await box.patch(`${PATH}/${profile}.guard`, { spec: { egress: null } });
    await eventually(async () => assert.deepEqual((await policy()).spec, spec), SOON);
    await box.patch(`${PATH}/${profile}.guard`, {
      metadata: { labels: { 'segmentation.dev/profile': null }, ownerReferences: null },
    });
    await eventually(async () => {
      const { metadata } = await policy();
      assert.equal(metadata.labels?.['segmentation.dev/profile'], profile);
      assert.equal(metadata.ownerReferences?.length, 1);
    }, SOON);
    await plane.admin.send('DELETE', `${PATH}/${profile}.guard`);
    await eventually(async () => assert.deepEqual((await policy()).spec, spec), SOON);
  });

  it('is widened before NetworkPolicies change, and narrowed after', async () => {
    await box.ready(profile, SOON);
    const from = new Date().toISOString();
    await box.edit(profile, { egress: [{ name: 'dns', to: [{ ipBlock: { cidr: '198.51.100.9/32' } }] }] });
    const written = () =>
      auditedRequests(plane, from)
        .filter((each) => !isRefused(each) && each.verb === 'update')
        .flatMap(({ objectRef }) => {
          const { resource, namespace, name } = objectRef ?? {};
          if (resource === 'clusternetworkpolicies' && name === `${profile}.guard`) return ['guard'];
          return resource === 'networkpolicies' && namespace === shop ? [name] : [];
        });
    await eventually(() => assert.deepEqual(written(), ['guard', `${profile}.egress`, 'guard']), SOON);
    await box.edit(profile, { egress: [{ name: 'dns', to: [{ ipBlock: { cidr: '198.51.100.1/32' } }] }] });
    await box.ready(profile, SOON);
  });

  it('passes what another profile of its namespaces allows, as long as that does', async () => {
    const networks = async () => JSON.stringify((await policy()).spec.egress);
    const other = await box.profile('other', {
      baseline: { dns: 'Deny', admissionWebhooks: 'Deny' },
      egress: [{ name: 'other', to: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }],
    });
    await eventually(async () => assert.match(await networks(), /192\.0\.2\.0/), SOON);
    await box.removeProfile(other);
    await eventually(async () => assert.doesNotMatch(await networks(), /192\.0\.2\.0/), SOON);
    await box.ready(profile, SOON);
  });

  it('comes after the guards of profiles for fewer of its namespaces, and shares no priority with another guard', async () => {
    const named = (...values: readonly string[]) => ({
      matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values }],
    });
    const priorityOf = async (name: string) => (await policy(`${name}.guard`)).spec.priority;
    const isInOrder = (first: string, second: string) =>
      eventually(async () => assert.ok((await priorityOf(first)) < (await priorityOf(second))), SOON);
    const elsewhere = await box.namespace('elsewhere', null);
    const rest = { baseline: { dns: 'Deny', admissionWebhooks: 'Deny' }, guard: { mode: 'Enforce' } };
    const narrow = await box.profile('narrow', {
      namespaceSelector: { matchLabels: box.label, ...named(shop) },
      ...rest,
    });
    await isInOrder(narrow, profile);
    await box.patch(`${PATH}/${narrow}.guard`, { spec: { priority: await priorityOf(profile) } });
    await isInOrder(narrow, profile);
    await eventually(async () => assert.doesNotMatch((await stateOf(narrow)).message, /alone/), SOON);
    const partly = await box.profile('partly', { namespaceSelector: named(shop, elsewhere), ...rest });
    await isInOrder(narrow, partly);
    await eventually(async () => {
      const messages = [(await stateOf(partly)).message, (await stateOf()).message];
      assert.match(messages.join(), /guard decides alone in the namespaces of both, by a lower priority/);
    }, SOON);
    await box.removeProfile(narrow);
    await box.removeProfile(partly);
    await becomes('Written', /stored with priority \d+; that/);
  });

  it('is not written again after a restart', async () => {
    await box.ready(profile, SOON);
    const { resourceVersion } = (await policy()).metadata;
    settledAt = (await box.condition(profile, 'GuardReady')).lastTransitionTime;
    await operator.stop();
    operator = await operators.start(kubeconfig, `--config=${config}`);
    await eventually(async () => {
      assert.equal((await stateOf()).reason, 'Written');
      assert.equal((await box.condition(profile, 'Reconciling')).status, 'False');
    }, SOON);
    assert.equal((await policy()).metadata.resourceVersion, resourceVersion);
  });

  it('names the policies of others that it restricts', async () => {
    await plane.admin.send('POST', `/apis/networking.k8s.io/v1/namespaces/${shop}/networkpolicies`, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'tenant' },
      spec: {
        podSelector: {},
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [{ namespaceSelector: {} }], ports: [{ port: 22 }] }],
        egress: [{ to: [{ ipBlock: { cidr: '198.51.100.1/32' } }] }],
      },
    });
    await eventually(async () => {
      const { guard } = (await box.readProfile(profile)).status ?? {};
      assert.deepEqual(guard, {
        policy: `${profile}.guard`,
        priority: (await policy()).spec.priority,
        restrictedPolicies: 1,
        policies: [
          { namespace: shop, name: 'tenant', message: 'ingress from pods of any namespace on TCP 22' },
        ],
      });
    }, SOON);
    // The status was judged anew since the restart, and the guard never counted as missing.
    assert.equal((await box.condition(profile, 'GuardReady')).lastTransitionTime, settledAt);
  });

  it('stays as it is while a peer is unresolved, or too many rules are asked for', async () => {
    const before = (await policy()).spec;
    const dns = { name: 'dns', to: [{ ipBlock: { cidr: '198.51.100.1/32' } }] };
    await box.edit(profile, {
      egress: [dns, { name: 'db', to: [{ service: { namespace: shop, name: 'absent' } }] }],
    });
    await becomes('PeersUnresolved', /stays as wide as it was.*service .*absent/);
    assert.deepEqual((await policy()).spec, before);
    const ports = Array.from({ length: 25 }, (_, index) => ({
      name: `r-${index}`,
      to: [{ ipBlock: { cidr: '198.51.100.2/32' } }],
      ports: [{ port: 1000 + index }],
    }));
    await box.edit(profile, { egress: [dns, ...ports] });
    await becomes('GuardTooLarge', /27 rules of Egress, and a ClusterNetworkPolicy has at most 25/);
    assert.deepEqual((await policy()).spec, before);
    await box.edit(profile, { egress: [dns] });
    await becomes('Written');
  });

  it('says which foreign policies come before it and after it, or have its priority', async () => {
    const { priority } = (await policy()).spec;
    await foreign(`${box.id}-first`, 3, 'Accept');
    await foreign(`${box.id}-last`, 900, 'Deny');
    await becomes(
      'Written',
      /-first decides before it.*-last comes after it, and is not asked about what it/,
    );
    await plane.admin.send('DELETE', `${PATH}/${box.id}-last`);
    await foreign(`${box.id}-same`, priority, 'Deny');
    await becomes('PriorityTaken', /-same has the guard's priority/);
    await plane.admin.send('DELETE', `${PATH}/${box.id}-same`);
    await plane.admin.send('DELETE', `${PATH}/${box.id}-first`);
    await becomes('Written', /stored with priority \d+; that/);
  });

  it('follows its profile while no priority of the range is free for it', async () => {
    await foreign(`${box.id}-only`, 600, 'Deny');
    const range = join(folder, 'range.yaml');
    const setting = 'guard: {kind: ClusterNetworkPolicy, firstPriority: 600, lastPriority: 600}';
    writeFileSync(range, readFileSync(config, 'utf8').replace(/^guard: .*$/m, setting));
    await operator.stop();
    operator = await operators.start(kubeconfig, `--config=${range}`);
    const { priority, egress } = (await policy()).spec;
    const before = (await box.readProfile(profile)).spec.egress ?? [];
    const added = { name: 'added', to: [{ ipBlock: { cidr: '198.51.100.128/32' } }] };
    await box.edit(profile, { egress: [...before, added] });
    await becomes('NoPriority', /no guard begins, and one with another priority keeps that/);
    await eventually(
      async () => assert.match(JSON.stringify((await policy()).spec), /198\.51\.100\.128/),
      SOON,
    );
    assert.equal((await policy()).spec.priority, priority);
    await box.edit(profile, { egress: before });
    await plane.admin.send('DELETE', `${PATH}/${box.id}-only`);
    await operator.stop();
    operator = await operators.start(kubeconfig, `--config=${config}`);
    await eventually(async () => assert.deepEqual((await policy()).spec.egress, egress), SOON);
    await becomes('Written');
  });

  it('is compared by the plugin with the policies of others in the cluster', async () => {
    const [early, late] = ['early', 'late'].map((each) => `${box.id}-${each}`) as [string, string];
    const outside = await box.namespace('outside', null);
    await box.pod(shop, 'web', { app: 'web' });
    await box.pod(shop, 'db', { app: 'db' });
    await box.pod(outside, 'client', { app: 'client' });
    const compared = async (options = '') => {
      const { code, stdout, stderr } = await cli(
        `guard ${profile} --kubeconfig ${plane.kubeconfig}${options}`,
      );
      assert.deepEqual([code, stderr], [1, '']);
      assert.match(
        stdout,
        new RegExp(`^  restricts 1 policy of others:[^]*${shop} +tenant +ingress .* TCP 22`, 'm'),
      );
      return stdout;
    };
    const cuts = new RegExp(
      `^  cuts 2 flows between workloads .*:[^]*${outside}/client +${shop}/db +TCP 22\n.*${shop}/web`,
      'm',
    );
    assert.match(await compared(), cuts);
    // A policy that is asked after the guard denies them too, and one that is asked before it accepts them.
    await foreign(late, 900, 'Deny');
    assert.doesNotMatch(await compared(), /cuts/);
    await foreign(early, 100, 'Accept');
    const passing = await compared();
    assert.doesNotMatch(passing, /cuts/);
    assert.match(
      passing,
      new RegExp(
        `^  1 policy asked before it lets flows pass that it denies:\n  ClusterNetworkPolicy ${early} lets 2 flows pass:\n.*\n +${outside}/client +${shop}/db +.*\n.*${shop}/web`,
        'm',
      ),
    );
    assert.match(await compared(' --only-network-policies'), cuts);
    for (const name of [early, late]) await plane.admin.send('DELETE', `${PATH}/${name}`);
  });

  it('is held by the fence to what denies, outside of protected namespaces', async () => {
    const current = await policy();
    const replace = (spec: object, metadata: object = current.metadata) =>
      plane.kubectlRun(['--kubeconfig', kubeconfig, 'replace', '-f', '-'], {
        stdin: JSON.stringify({ ...current, metadata, spec }),
      });
    const accepting = { ...current.spec, ingress: [{ action: 'Accept', from: [ALL] }] };
    await assert.rejects(replace(accepting), /accepts nothing/);
    await assert.rejects(replace({ ...current.spec, tier: 'Baseline' }), /of the tier Admin/);
    await assert.rejects(replace({ ...current.spec, subject: ALL }), /protected namespace/);
    await assert.rejects(replace(current.spec, { ...current.metadata, labels: {} }), /lacks the labels/);
    await foreign(`${box.id}-other`, 4, 'Deny');
    await assert.rejects(
      plane.kubectlRun(['--kubeconfig', kubeconfig, 'delete', 'clusternetworkpolicy', `${box.id}-other`]),
      /is not the segmentation operator's/,
    );
    await plane.admin.send('DELETE', `${PATH}/${box.id}-other`);
  });

  it('is taken back if the CRD does not know a field, and says so', async () => {
    interface Schema {
      readonly properties: Record<string, Schema>;
      readonly items?: Schema;
    }
    interface Definition {
      readonly spec: {
        readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
      };
    }
    const before = (await policy()).spec;
    const name = 'clusternetworkpolicies.policy.networking.k8s.io';
    const definition = JSON.parse(await kubectl('get', 'crd', name, '-o', 'json')) as Definition;
    for (const { schema } of definition.spec.versions)
      delete schema.openAPIV3Schema.properties['spec']?.properties['egress']?.items?.properties['protocols'];
    await plane.kubectlRun(['replace', '-f', '-'], { stdin: JSON.stringify(definition) });
    await eventually(async () => {
      // The API server takes up a changed schema within a second or so: each attempt is another change.
      const port = 20_000 + Math.floor(Math.random() * 1000);
      await box.edit(profile, {
        egress: [{ name: 'dns', to: [{ ipBlock: { cidr: '198.51.100.1/32' } }], ports: [{ port }] }],
      });
      await eventually(async () => assert.equal((await stateOf()).reason, 'SchemaTooOld'), 3000);
    }, SOON);
    assert.match(
      (await stateOf()).message,
      /the CRD of clusternetworkpolicies lacks fields that are written/,
    );
    assert.deepEqual((await policy()).spec.ingress, before.ingress);
    await kubectl('apply', '--server-side', '--force-conflicts', '-f', crd);
    await operator.stop();
    operator = await operators.start(kubeconfig, `--config=${config}`);
    await box.ready(profile, SOON);
  });

  it('is written for the sample of config/samples/engines', async () => {
    const sample = join(ROOT, 'config/samples/engines/guard.yaml');
    await box.namespace('bounded', { 'segmentation.dev/profile-class': 'bounded' });
    await kubectl('apply', '-f', sample);
    try {
      await box.ready('bounded', SOON);
      const { ingress = [], egress = [] } = (await policy('bounded.guard')).spec;
      const names = egress.map(({ name }) => name);
      assert.deepEqual(
        ingress.map(({ name }) => name),
        ['own-namespaces', 'rest'],
      );
      // The other profile of this suite may select the same namespaces, so that its peers are passed too.
      assert.deepEqual(
        names.filter((name) => name !== 'dns'),
        ['own-namespaces', 'baseline.dns', 'provider', 'rest'],
      );
    } finally {
      await kubectl('delete', '-f', sample);
    }
  });

  it('is not narrowed while a rollout holds policies that no recorded revision has', async () => {
    await grant(plane);
    const rule = (name: string, port: number) => ({
      egress: [{ name, to: [{ ipBlock: { cidr: '198.51.100.64/28' } }], ports: [{ port }] }],
    });
    const other = await box.profile('other', rule('old', 9001));
    const passed = async () => (await policy()).spec.egress?.map(({ name }) => name).filter(isOfOther);
    const isOfOther = (name: string) => name === 'old' || name === 'new';
    const passes = (...names: readonly string[]) =>
      eventually(async () => assert.deepEqual((await passed())?.sort(), names), SOON);
    try {
      await passes('old');
      await box.ready(other, SOON);
      await box.edit(other, { rollout: { ...ROLLOUT.rollout, paused: true }, ...rule('new', 9002) });
      await becomes('PoliciesHeld', new RegExp(`stays as wide as it was.*those of ${other} in .*${shop}`));
      await passes('new', 'old');
      await box.edit(other, { rollout: null });
      await passes('new');
      await box.ready(profile, SOON);
    } finally {
      await box.removeProfile(other);
      await revoke(plane);
    }
  });

  it('is removed if the profile asks for none, under Audit, and with the profile', async () => {
    const isGone = () => eventually(() => assert.rejects(policy()), SOON);
    await box.edit(profile, { guard: { mode: 'Audit' } });
    await isGone();
    await becomes('Audited');
    assert.equal((await box.readProfile(profile)).status?.guard?.restrictedPolicies, 1);
    await box.edit(profile, { guard: { mode: 'Enforce' } });
    await eventually(() => policy(), SOON);
    await box.edit(profile, { guard: null });
    await isGone();
    await box.edit(profile, { guard: { mode: 'Enforce' }, deletionPolicy: 'Retain' });
    await eventually(() => policy(), SOON);
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)), SOON);
    await isGone();
  });

  it('uses exactly the permission of config/engines/cluster-network-policy', () => {
    const requests = auditedRequests(plane, since).filter(
      ({ objectRef }) => objectRef?.resource === 'clusternetworkpolicies',
    );
    const used = new Set(requests.filter((each) => !isRefused(each)).map(({ verb }) => verb));
    used.delete('list');
    assert.deepEqual([...used].sort(), ['create', 'delete', 'update', 'watch']);
    assert.match(
      readFileSync(join(COMPONENT, 'cluster_role.yaml'), 'utf8'),
      /verbs: \[list, watch, create, update, delete\]/,
    );
  });

  it('does not hold up its deleted profile if the permission to delete it was revoked meanwhile', async () => {
    const other = await box.profile('revoked', { guard: { mode: 'Enforce' } });
    await box.ready(other, SOON);
    await policy(`${other}.guard`);
    await kubectl('delete', 'clusterrole', 'segmentation-operator-cluster-network-policy');
    const question = ['auth', 'can-i', 'delete', 'clusternetworkpolicies', `--as=${OPERATOR_USER}`];
    await eventually(() => assert.rejects(kubectl(...question)), SOON);
    await box.removeProfile(other);
    await eventually(() => assert.rejects(box.readProfile(other), /HTTP 404/), SOON);
    // The garbage collector deletes it.
    await eventually(() => assert.rejects(policy(`${other}.guard`), /HTTP 404/), SOON);
  });
});
