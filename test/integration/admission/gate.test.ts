// The gate on a real API server: it refuses pods before the default-deny, and no pods where that exists or no gate is asked for.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { consistently, eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, type Operator, Operators } from '../../support/operator.ts';
import { admitted, anyRefused, bindings, firstRevisions, refusal } from './fixture.ts';

const GATE = 'no-pod-before-default-deny.segmentation.dev';
const BINDINGS = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings';
const CRD = join(import.meta.dirname, '../../../crds/segmentation.dev_segmentationprofiles.yaml');
const gate = { admission: { gate: 'Enforce' } };
const IN_FORCE = 60_000; // ms: the API server takes up bindings twice, watches begin anew, the machine is busy
const unresolved = { egress: [{ name: 'out', to: [{ service: { namespace: 'default', name: 'absent' } }] }] };

describe('the gate', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let operator: Operator;
  let box: Sandbox;

  before(async () => {
    // Not the shared control plane: a test stops a cache that the API server does not start again.
    plane = await startControlPlane();
    kubeconfig = await installOperator(plane);
    operator = await operators.start(kubeconfig);
  });
  after(async () => {
    await operators.end();
    await plane.stop();
  });
  beforeEach(() => {
    box = new Sandbox(plane, 'gate');
  });
  afterEach(async () => {
    if (!operator.running) operator = await operators.start(kubeconfig);
    if (!box.id.startsWith('load')) await box.remove();
  });

  const isInForce = (profile: string) =>
    eventually(async () => {
      const { status, reason, message } = await box.condition(profile, 'AdmissionReady');
      assert.equal(status, 'True', `${reason}: ${message}`);
    }, IN_FORCE);
  const says = (profile: string, reason: string, message: RegExp) =>
    eventually(async () => {
      const condition = await box.condition(profile, 'AdmissionReady');
      assert.deepEqual([condition.status, condition.reason], ['False', reason], condition.message);
      assert.match(condition.message, message);
    }, IN_FORCE);
  const bindingOf = (profile: string) => box.read(`${BINDINGS}/${profile}.${GATE}`);

  it('is set up without refusing a pod where the default-deny exists', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict');
    await box.ready(profile, IN_FORCE);
    const refused = await anyRefused(plane, namespace, async () => {
      await box.edit(profile, gate);
      await isInForce(profile);
      await box.ready(profile, IN_FORCE);
    });
    assert.equal(refused, undefined);
  });

  it('covers a namespace that is labelled later from the first moment, and reports where pods are refused', async () => {
    const profile = await box.profile('strict', { ...gate, ...unresolved });
    await isInForce(profile).catch(() => undefined);
    const namespace = await box.namespace('shop', null);
    assert.equal(await refusal(plane, namespace, { dryRun: false }), undefined);
    // Pods run, and a peer is unresolved: isolating the namespace could cut them.
    await box.relabel(namespace, box.label);
    await says(profile, 'PodsRefused', new RegExp(`refused in namespace ${namespace}`));
    assert.match((await refusal(plane, namespace)) ?? '', /no-pod-before-default-deny.*no params found/);
    assert.equal((await box.condition(profile, 'Ready')).status, 'False');
    assert.equal(await operator.metric(`segmentation_refusing_namespaces{profile="${profile}"}`), 1);
    assert.equal((await operator.line('pods are refused')).level, 'warn');
    // The remedy that the message names.
    await box.edit(profile, { admission: { gate: 'Disabled' } });
    await admitted(plane, namespace);
    await box.edit(profile, { admission: null });
    await eventually(async () =>
      assert.equal(await box.condition(profile, 'AdmissionReady').catch(() => ''), ''),
    );
  });

  it('leaves out a namespace that has no default-deny when the gate is set up, until it has one', async () => {
    const [ready, stuck] = [await box.namespace('ready'), await box.namespace('stuck')];
    assert.equal(await refusal(plane, stuck, { dryRun: false }), undefined);
    const profile = await box.profile('strict', { ...gate, ...unresolved });
    await says(profile, 'AwaitingDefaultDeny', new RegExp(`leaves out namespace ${stuck}`));
    await admitted(plane, stuck);
    await admitted(plane, ready);
    await box.edit(profile, { egress: null });
    await isInForce(profile);
    assert.doesNotMatch(JSON.stringify(await bindingOf(profile)), new RegExp(stuck));
    assert.equal(await refusal(plane, stuck), undefined);
  });

  it('refuses no pod while it ends, whichever edit ends it', async () => {
    type Step = (profile: string, namespace: string, labels: Record<string, string>) => Promise<unknown>;
    const ways: Readonly<Record<string, Step>> = {
      excluded: (profile, namespace) => box.edit(profile, { excludeNamespaces: [namespace] }),
      reselected: (profile) => box.edit(profile, { namespaceSelector: { matchLabels: { a: 'b' } } }),
      audited: (profile) => box.edit(profile, { mode: 'Audit' }),
      disabled: (profile, namespace) =>
        box.edit(profile, { admission: null, excludeNamespaces: [namespace] }),
      deleted: (profile) => box.removeProfile(profile),
      unlabelled: (_, namespace, labels) =>
        box.relabel(namespace, Object.fromEntries(Object.keys(labels).map((key) => [key, null]))),
    };
    const refused = await Promise.all(
      Object.entries(ways).map(async ([way, go]) => {
        const labels = { [`way-${way}`]: box.id };
        const namespace = await box.namespace(way, labels);
        const profile = await box.profile(way, { ...gate, namespaceSelector: { matchLabels: labels } });
        await isInForce(profile);
        const first = await anyRefused(plane, namespace, async () => {
          await go(profile, namespace, labels);
          await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []), IN_FORCE);
        });
        return [way, first] as const;
      }),
    );
    assert.deepEqual(
      refused.filter(([, first]) => first !== undefined),
      [],
    );
  });

  it('does not hold the default-deny if it is disabled before the API server has taken it up', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict', { admission: { protect: 'Enforce' } });
    await isInForce(profile);
    await box.edit(profile, gate);
    await eventually(() => bindingOf(profile));
    await box.edit(profile, { admission: { gate: 'Disabled' }, excludeNamespaces: [namespace] });
    await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []), IN_FORCE);
  });

  it('ends with a profile that is deleted under Retain, whose default-deny stays', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict', { ...gate, deletionPolicy: 'Retain' });
    await isInForce(profile);
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(bindingOf(profile), /404/));
    assert.ok((await box.policyNames(namespace)).includes(`${profile}.default-deny`));
  });

  it('is restored after somebody deletes or changes its binding', async () => {
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    const { spec } = await bindingOf(profile);
    await plane.admin.send('DELETE', `${BINDINGS}/${profile}.${GATE}`);
    await eventually(async () => assert.deepEqual((await bindingOf(profile))['spec'], spec));
    await box.patch(`${BINDINGS}/${profile}.${GATE}`, { spec: { validationActions: ['Audit'] } });
    await eventually(async () => assert.deepEqual((await bindingOf(profile))['spec'], spec));
  });

  it('is not opened by a foreign object with the name or the labels of the default-deny', async () => {
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    await operator.stop();
    const labels = {
      'app.kubernetes.io/managed-by': 'segmentation-operator',
      'segmentation.dev/profile': profile,
      'segmentation.dev/role': 'default-deny',
    };
    const [named, forged] = [await box.namespace('named'), await box.namespace('forged')];
    await box.createPolicy(named, `${profile}.default-deny`, { podSelector: {}, policyTypes: ['Ingress'] });
    await box.createPolicy(
      forged,
      'x',
      { podSelector: { matchLabels: { a: 'b' } }, policyTypes: ['Ingress'] },
      { labels },
    );
    assert.match((await refusal(plane, named)) ?? '', /no params found/);
    await eventually(async () =>
      assert.match(
        (await refusal(plane, forged)) ?? '',
        /NetworkPolicy x has been changed and no longer denies/,
      ),
    );
    // The operator creates its default-deny under an alternative name, and repairs the object with its labels.
    operator = await operators.start(kubeconfig);
    await admitted(plane, named);
    await admitted(plane, forged);
    assert.ok((await box.policyNames(named)).some((each) => each.includes('.alternative.')));
  });

  it('stays in force while no operator runs, and ends if its binding is deleted', async () => {
    const old = await box.namespace('old');
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    await operator.kill();
    const fresh = await box.namespace('fresh');
    assert.equal(await refusal(plane, old), undefined);
    assert.match((await refusal(plane, fresh)) ?? '', new RegExp(GATE));
    await plane.kubectlRun(['delete', 'validatingadmissionpolicybinding', `${profile}.${GATE}`]);
    await admitted(plane, fresh);
    operator = await operators.start(kubeconfig);
    await isInForce(profile);
    await admitted(plane, fresh);
  });

  it('causes no write once it is in force, also after a restart of the operator', async () => {
    await box.namespace('shop');
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    const written = async () => [
      ...(await bindings(plane)),
      (await box.readProfile(profile)).metadata.resourceVersion,
    ];
    await box.ready(profile, IN_FORCE);
    const before = await written();
    await operator.stop();
    operator = await operators.start(kubeconfig);
    await operator.line('all namespaces reconciled');
    await eventually(async () => {
      const enforced = `segmentation_namespaces{profile="${profile}",state="enforced"}`;
      assert.equal(await operator.metric(enforced), 1);
    });
    await consistently(() => assert.ok(operator.running), 700);
    assert.deepEqual(await written(), before);
  });

  it('is off after an upgrade from a version without it, and can be set up then', async () => {
    interface SpecSchema {
      properties: object;
      'x-kubernetes-validations': { rule: string }[];
    }
    interface Definition {
      spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: SpecSchema } } } }[] };
    }
    const current = readFileSync(CRD, 'utf8');
    const older = parse(current) as Definition;
    const spec = older.spec.versions[0]?.schema.openAPIV3Schema.properties.spec;
    assert.ok(spec && 'admission' in spec.properties);
    delete spec.properties.admission;
    const rules = spec['x-kubernetes-validations'];
    spec['x-kubernetes-validations'] = rules.filter(({ rule }) => !rule.includes('self.admission'));
    const namespace = await box.namespace('shop');
    let profile: string;
    try {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: stringify(older) });
      profile = await box.profile('strict');
      await box.ready(profile, IN_FORCE); // watches begin anew when the CRD changes
    } finally {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: current });
    }
    const stored = await box.policies(namespace);
    // The API server drops the field until it has taken up the new CRD.
    await eventually(async () => {
      await box.edit(profile, gate);
      assert.equal((await box.readProfile(profile)).spec.admission?.gate, 'Enforce');
    });
    // An upgrade restarts the operator. A watch that began before the change of the CRD never sends the field.
    await operator.stop();
    operator = await operators.start(kubeconfig);
    await isInForce(profile);
    await box.edit(profile, { admission: null });
    await eventually(() => assert.rejects(bindingOf(profile), /404/), IN_FORCE);
    assert.deepEqual(await box.policies(namespace), stored);
  });

  describe('reports', () => {
    it('missing policies', async () => {
      await plane.kubectlRun(['delete', 'validatingadmissionpolicy', GATE]);
      const profile = await box.profile('strict', gate);
      await says(profile, 'NotInstalled', /kubectl apply -k config\/admission/);
      assert.equal((await box.condition(profile, 'Ready')).reason, 'AdmissionNotReady');
      await plane.kubectlRun(['apply', '-k', 'config/admission']);
      await isInForce(profile);
    });

    it('missing permissions', async () => {
      await plane.kubectlRun(['delete', 'clusterrolebinding', 'segmentation-operator-admission']);
      const profile = await box.profile('strict', gate);
      await says(
        profile,
        'Forbidden',
        /validatingadmissionpolicybindings.*kubectl apply -k config\/admission/,
      );
      await plane.kubectlRun(['apply', '-k', 'config/admission']);
      await isInForce(profile);
    });

    it('a foreign binding that has its name', async () => {
      const name = `${box.id}-strict.${GATE}`;
      await box.create(BINDINGS, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: 'foreign', validationActions: ['Audit'] },
      });
      const profile = await box.profile('strict', gate);
      await says(profile, 'NameTaken', /is foreign and has a name that the operator needs: delete it/);
      assert.equal((await box.condition(profile, 'Stalled')).reason, 'NameTaken');
      await plane.admin.send('DELETE', `${BINDINGS}/${name}`);
      await isInForce(profile);
    });

    it('a stopped cache of NetworkPolicies in the API server, until that is restarted', async () => {
      await operator.stop();
      await plane.kubectlRun(['delete', 'validatingadmissionpolicybinding', '--all']);
      const free = await box.namespace('free');
      await admitted(plane, free);
      // The API server stops the cache at its next refresh, because no binding needs it.
      const profile = await box.profile('strict', gate);
      operator = await operators.start(kubeconfig);
      await says(profile, 'CacheStopped', /restart it/);
      await assert.rejects(bindingOf(profile), /404/);
      await plane.stopComponent('kube-apiserver');
      await plane.startComponent('kube-apiserver');
      await isInForce(profile);
    });
  });

  it('admits no pod before its default-deny, with 200 namespaces and their pods at once', async () => {
    // Its 200 namespaces are not deleted, which would take long: the control plane ends after this test.
    box = new Sandbox(plane, 'load');
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    const names = Array.from({ length: 200 }, (_, index) => `n${index}`);
    const { resourceVersion } = (
      (await plane.admin.send('GET', '/api/v1/namespaces?limit=1')) as {
        metadata: { resourceVersion: string };
      }
    ).metadata;
    const expected = names.map((each) => `${box.id}-${each}`);
    const policies =
      '/apis/networking.k8s.io/v1/networkpolicies?labelSelector=segmentation.dev/role=default-deny';
    const watched = Promise.all(
      [policies, '/api/v1/pods'].map((path) => firstRevisions(plane, path, resourceVersion, expected)),
    );
    let refused = 0;
    const namespaces = await Promise.all(
      names.map(async (each) => {
        const namespace = await box.namespace(each);
        const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'pods' } };
        await plane.admin.send('POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, account);
        for (;;) {
          const why = await refusal(plane, namespace, { dryRun: false, account: 'pods' });
          if (why === undefined) return namespace;
          if (why.includes(GATE)) refused += 1;
          await sleep(50); // a controller would back off
        }
      }),
    );
    const [denies = new Map<string, number>(), pods = new Map<string, number>()] = await watched;
    const early = namespaces.filter((each) => (pods.get(each) ?? 0) < (denies.get(each) ?? Infinity));
    assert.deepEqual(early, []);
    assert.ok(refused > 0, 'no pod was created before its default-deny: the test shows nothing');
  });
});
