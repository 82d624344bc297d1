/**
 * Guards on Calico by a real operator: its own permissions, the fence, and an API server with stand-ins for Calico's kinds. No
 * agent runs there. What is the same for every kind of guard is in guard.test.ts.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { GLOBAL_CRD, STAGED_GLOBAL_CRD, TIER_CRD } from '../../support/calico.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';

const COMPONENT = join(import.meta.dirname, '../../../config/engines/calico-guard');
const PATH = '/apis/projectcalico.org/v3/globalnetworkpolicies';
const STAGED_PATH = '/apis/projectcalico.org/v3/stagedglobalnetworkpolicies';
const CRDS = [GLOBAL_CRD, TIER_CRD, STAGED_GLOBAL_CRD];
const SOON = 60_000;

type Policy = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

describe('guard of a profile on Calico', function () {
  this.timeout('4m');
  const operators = new Operators();
  const folder = mkdtempSync(join(tmpdir(), 'guard-'));
  const config = join(folder, 'operator.yaml');
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let profile: string;
  let since: string;

  const kubectl = (...args: readonly string[]) => plane.kubectlRun([...args]);
  const path = () => `${PATH}/segmentation.${profile}.guard`;
  const policy = async () => (await box.read(path())) as unknown as Policy;
  const stagedPath = () => `${STAGED_PATH}/segmentation.${profile}.guard`;
  const staged = async () => (await box.read(stagedPath())) as unknown as Policy;
  /** The operator's writes of guards, enforced and staged, in order. */
  const writesSince = (from: string) =>
    auditedRequests(plane, from)
      .filter((each) => each.objectRef?.apiGroup === 'projectcalico.org' && !isRefused(each))
      .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`)
      .filter((text) => /^(create|update|delete) /.test(text));
  const becomes = (reason: string, pattern = /./) =>
    eventually(async () => {
      const state = await box.condition(profile, 'GuardReady');
      assert.equal(state.reason, reason, state.message);
      assert.match(state.message, pattern);
    }, SOON);

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    box = new Sandbox(plane, 'guard');
    await box.namespace('shop');
    writeFileSync(
      config,
      'apiVersion: config.segmentation.dev/v1alpha1\nkind: OperatorConfiguration\nguard: {kind: GlobalNetworkPolicy}\n',
    );
    for (const each of CRDS) {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(each) });
      await crdEstablished((args) => plane.kubectlRun(args), each.metadata.name);
    }
    profile = await box.profile('p', {
      baseline: { dns: 'Deny', admissionWebhooks: 'Deny' },
      guard: { mode: 'Enforce' },
      ingress: [
        { name: 'office', from: [{ ipBlock: { cidr: '198.51.100.0/24', except: ['198.51.100.7/32'] } }] },
      ],
      egress: [{ name: 'provider', to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ port: 443 }] }],
    });
    operator = await operators.start(kubeconfig, `--config=${config}`);
  });
  after(async () => {
    await box?.remove();
    await kubectl('delete', '--ignore-not-found', '-k', COMPONENT);
    for (const each of CRDS) await kubectl('delete', '--ignore-not-found', 'crd', each.metadata.name);
    rmSync(folder, { recursive: true });
  });

  it('is missing without the component, and without its tier', async () => {
    await becomes('NotInstalled', /kubectl apply -k config\/engines\/calico-guard/);
    since = new Date().toISOString();
    await kubectl('apply', '-k', COMPONENT);
    await kubectl('delete', 'tiers.projectcalico.org', 'segmentation');
    await becomes('NotInstalled', /Tier segmentation does not exist/);
    await assert.rejects(policy());
    await kubectl('apply', '-k', COMPONENT);
  });

  it('passes what profiles allow, addresses as sources too, and denies the rest', async () => {
    await box.ready(profile, SOON);
    const { spec, metadata } = await policy();
    const [[key, value]] = Object.entries(box.label) as [[string, string]];
    const own = `${key} == '${value}' && kubernetes.io/metadata.name not in {'kube-node-lease', 'kube-public', 'kube-system', 'segmentation-system'}`;
    const pods = { namespaceSelector: spec['namespaceSelector'], selector: 'all()' };
    assert.deepEqual(String(spec['namespaceSelector']).split(' && ').sort(), own.split(' && ').sort());
    assert.partialDeepStrictEqual(spec, {
      tier: 'segmentation',
      order: 500,
      selector: "projectcalico.org/orchestrator == 'k8s'",
      types: ['Ingress', 'Egress'],
    });
    assert.deepEqual(spec['ingress'], [
      { action: 'Pass', source: pods },
      { action: 'Pass', source: { nets: ['198.51.100.0/24'], notNets: ['198.51.100.7/32'] } },
      { action: 'Deny' },
    ]);
    assert.deepEqual(spec['egress'], [
      { action: 'Pass', destination: pods },
      { action: 'Pass', protocol: 'TCP', destination: { nets: ['203.0.113.0/24'], ports: [443] } },
      { action: 'Deny' },
    ]);
    assert.equal(metadata.ownerReferences?.[0]?.name, profile);
    await becomes('Written', /GlobalNetworkPolicy segmentation\..* is stored with priority 500/);
  });

  it('is restored if somebody widens it, and written once', async () => {
    const { spec } = await policy();
    await box.patch(path(), { spec: { egress: [{ action: 'Allow' }] } });
    await eventually(async () => assert.deepEqual((await policy()).spec, spec), SOON);
    // The log names who changed it.
    await eventually(() => {
      const updates = operator.lines().filter(({ msg }) => msg === 'guard updated');
      assert.deepEqual(
        updates.map(({ reason, name }) => [reason, name]),
        [['drift: changed', `segmentation.${profile}.guard`]],
      );
      assert.match(String(updates[0]?.['changedBy']), /^[\w.-]+$/);
    }, SOON);
    const { metadata } = await policy();
    await operator.stop();
    operator = await operators.start(kubeconfig, `--config=${config}`);
    await box.ready(profile, SOON);
    await becomes('Written');
    assert.equal((await policy()).metadata.resourceVersion, metadata.resourceVersion);
  });

  it('is held by the fence to its tier, to passing and denying, and away from protected namespaces', async () => {
    const current = await policy();
    const replace = (spec: object) =>
      plane.kubectlRun(['--kubeconfig', kubeconfig, 'replace', '-f', '-'], {
        stdin: JSON.stringify({ ...current, spec: { ...current.spec, ...spec } }),
      });
    await assert.rejects(replace({ tier: 'platform' }), /a guard is of the tier segmentation/);
    await assert.rejects(replace({ ingress: [{ action: 'Allow' }] }), /allows nothing/);
    await assert.rejects(replace({ selector: 'all()' }), /for pods alone/);
    await assert.rejects(replace({ namespaceSelector: 'all()' }), /selects a protected namespace/);
  });

  it('is staged under Audit before it goes, with the same rules', async () => {
    const { spec } = await policy();
    const from = new Date().toISOString();
    await box.edit(profile, { guard: { mode: 'Audit' } });
    await becomes('Staged', /StagedGlobalNetworkPolicy segmentation\..* shows in Calico's flow logs/);
    await eventually(() => assert.rejects(policy()), SOON);
    const { spec: shown, metadata } = await staged();
    assert.deepEqual({ ...shown, order: 0 }, { ...spec, order: 0, stagedAction: 'Set' });
    assert.equal(metadata.ownerReferences?.[0]?.name, profile);
    assert.deepEqual(writesSince(from), [
      'create stagedglobalnetworkpolicies',
      'delete globalnetworkpolicies',
    ]);
    await box.ready(profile);
  });

  it('is restored if somebody changes the staged one, and follows the profile', async () => {
    const { spec } = await staged();
    await box.patch(stagedPath(), { spec: { egress: [{ action: 'Allow' }] } });
    await eventually(async () => assert.deepEqual((await staged()).spec, spec), SOON);
    await box.edit(profile, { ingress: [{ name: 'office', from: [{ ipBlock: { cidr: '192.0.2.0/24' } }] }] });
    await eventually(async () => {
      const rules = (await staged()).spec['ingress'] as readonly object[];
      assert.deepEqual(rules.slice(1), [
        { action: 'Pass', source: { nets: ['192.0.2.0/24'] } },
        { action: 'Deny' },
      ]);
    }, SOON);
    await assert.rejects(policy());
  });

  it('is held by the fence when it is staged, too', async () => {
    const current = await staged();
    const replace = (spec: object) =>
      plane.kubectlRun(['--kubeconfig', kubeconfig, 'replace', '-f', '-'], {
        stdin: JSON.stringify({ ...current, spec: { ...current.spec, ...spec } }),
      });
    await assert.rejects(
      replace({ ingress: [{ action: 'Allow' }] }),
      /StagedGlobalNetworkPolicy .* allows nothing/,
    );
  });

  it('is in force before the staged one goes, and goes with the profile', async () => {
    const from = new Date().toISOString();
    await box.edit(profile, { guard: { mode: 'Enforce' } });
    await becomes('Written');
    await eventually(() => assert.rejects(staged()), SOON);
    assert.deepEqual(writesSince(from), [
      'create globalnetworkpolicies',
      'delete stagedglobalnetworkpolicies',
    ]);
    // The passes so far are staged, as the peers of the direction are not known now.
    const { egress } = (await policy()).spec;
    const missing = { name: 'missing', to: [{ service: { namespace: 'default', name: 'missing' } }] };
    await box.edit(profile, { guard: { mode: 'Audit' }, egress: [missing] });
    await becomes('Staged', /the guard stays as wide as it was, as 1 peer can't be resolved/);
    assert.deepEqual((await staged()).spec['egress'], egress);
    await box.removeProfile(profile);
    for (const each of [policy, staged]) await eventually(() => assert.rejects(each()), SOON);
  });

  it('is staged for the sample of config/samples/engines', async () => {
    const sample = join(import.meta.dirname, '../../../config/samples/engines/calico.yaml');
    await kubectl('apply', '-f', sample);
    profile = 'tried';
    try {
      await becomes('Staged');
      const passed = (await staged()).spec['ingress'] as readonly { readonly source?: object }[];
      assert.deepEqual(passed[1]?.source, {
        namespaceSelector: "kubernetes.io/metadata.name == 'gateway'",
        selector: 'all()',
      });
      await assert.rejects(policy());
    } finally {
      await kubectl('delete', '-f', sample);
    }
  });

  it('goes under Audit also while the staged one is refused, which is tried again', async () => {
    const apply = (crd: object) => plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(crd) });
    const refusing = structuredClone(STAGED_GLOBAL_CRD);
    const spec = refusing.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'];
    assert.ok(spec?.properties);
    const properties = { ...spec.properties, never: { type: 'string' } };
    Object.assign(spec, { properties, required: ['never'] });
    profile = await box.profile('r', { isolation: ['Ingress'], guard: { mode: 'Enforce' } });
    await box.ready(profile, SOON);
    await apply(refusing);
    const probe = {
      apiVersion: 'projectcalico.org/v3',
      kind: 'StagedGlobalNetworkPolicy',
      metadata: { name: 'x' },
      spec: {},
    };
    await eventually(
      () => assert.rejects(plane.admin.send('POST', `${STAGED_PATH}?dryRun=All`, probe), /never/),
      SOON,
    );
    await box.edit(profile, { guard: { mode: 'Audit' } });
    await becomes('Audited', /it is not staged: .*never/);
    await eventually(() => assert.rejects(policy()), SOON);
    await apply(STAGED_GLOBAL_CRD);
    await becomes('Staged');
    await box.removeProfile(profile);
  });

  it('says why it is not staged, and still lists what it would restrict', async () => {
    await kubectl('delete', 'crd', STAGED_GLOBAL_CRD.metadata.name);
    profile = await box.profile('q', { isolation: ['Ingress'], guard: { mode: 'Audit' } });
    await becomes('Audited', /it is not staged: the API server does not serve stagedglobalnetworkpolicies/);
    await box.ready(profile, SOON);
    await box.removeProfile(profile);
  });

  it('uses exactly the permission of config/engines/calico-guard', () => {
    const used = new Set(
      auditedRequests(plane, since)
        .filter(({ objectRef }) => objectRef?.apiGroup === 'projectcalico.org')
        .filter((each) => !isRefused(each))
        .map(({ verb, objectRef }) => `${verb} ${objectRef?.resource}`)
        .filter((text) => !text.startsWith('list ')),
    );
    const verbs = ['create', 'delete', 'update', 'watch'];
    const kinds = ['globalnetworkpolicies', 'stagedglobalnetworkpolicies'];
    const granted = kinds.flatMap((kind) => verbs.map((verb) => `${verb} ${kind}`));
    assert.deepEqual([...used].sort(), [...granted, 'get tiers'].sort());
  });
});
