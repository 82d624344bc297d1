// The gate on a real API server: no pod before its default-deny, and none refused where that stands or is not asked for.
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
const IN_FORCE = 60_000; // ms: twice the API server's refresh of bindings, watches that begin anew, a busy machine
const unresolved = { egress: [{ name: 'out', to: [{ service: { namespace: 'default', name: 'absent' } }] }] };

describe('the gate', () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let operator: Operator;
  let box: Sandbox;

  before(async () => {
    // Of its own: the last test stops what the API server does not start again.
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

  it('is set up without refusing a pod where the default-deny stands', async () => {
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

  it('holds from the first moment for a namespace that is labelled later, and says where pods are refused', async () => {
    const profile = await box.profile('strict', { ...gate, ...unresolved });
    await isInForce(profile).catch(() => undefined);
    const namespace = await box.namespace('shop', null);
    assert.equal(await refusal(plane, namespace, { dryRun: false }), undefined);
    // Pods run, and a peer is unknown: the namespace can't be isolated without cutting them.
    await box.relabel(namespace, box.label);
    await says(profile, 'PodsRefused', new RegExp(`refused in namespace ${namespace}`));
    assert.match((await refusal(plane, namespace)) ?? '', /no-pod-before-default-deny.*no params found/);
    assert.equal((await box.condition(profile, 'Ready')).status, 'False');
    assert.equal(await operator.metric(`segmentation_refusing_namespaces{profile="${profile}"}`), 1);
    assert.equal((await operator.line('pods are refused')).level, 'warn');
    // The first thing to do about it.
    await box.edit(profile, { admission: { gate: 'Disabled' } });
    await admitted(plane, namespace);
    await box.edit(profile, { admission: null });
    await eventually(async () =>
      assert.equal(await box.condition(profile, 'AdmissionReady').catch(() => ''), ''),
    );
  });

  it('leaves out a namespace that has no default-deny when it is set up, until it has', async () => {
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

  it('refuses nobody where it is no longer asked for', async () => {
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

  it('lets the default-deny go if it is disabled before the API server has taken it up', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict', { admission: { protect: 'Enforce' } });
    await isInForce(profile);
    await box.edit(profile, gate);
    await eventually(() => bindingOf(profile));
    await box.edit(profile, { admission: { gate: 'Disabled' }, excludeNamespaces: [namespace] });
    await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []), IN_FORCE);
  });

  it('keeps the default-deny of a retained profile, and goes itself', async () => {
    const namespace = await box.namespace('shop');
    const profile = await box.profile('strict', { ...gate, deletionPolicy: 'Retain' });
    await isInForce(profile);
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(bindingOf(profile), /404/));
    assert.ok((await box.policyNames(namespace)).includes(`${profile}.default-deny`));
  });

  it('is put back when somebody deletes or changes its binding', async () => {
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    const { spec } = await bindingOf(profile);
    await plane.admin.send('DELETE', `${BINDINGS}/${profile}.${GATE}`);
    await eventually(async () => assert.deepEqual((await bindingOf(profile))['spec'], spec));
    await box.patch(`${BINDINGS}/${profile}.${GATE}`, { spec: { validationActions: ['Audit'] } });
    await eventually(async () => assert.deepEqual((await bindingOf(profile))['spec'], spec));
  });

  it('is not opened by an object that merely has the name or the labels of the default-deny', async () => {
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
    // Under another name, and with the labels, it is the operator's own: pods are admitted.
    operator = await operators.start(kubeconfig);
    await admitted(plane, named);
    await admitted(plane, forged);
    assert.ok((await box.policyNames(named)).some((each) => each.includes('.alternative.')));
  });

  it('stands while the operator is away, and can be broken by deleting its binding', async () => {
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

  it('writes nothing once it is in force, also after a restart', async () => {
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

  it('is asked for by nobody after an upgrade from a version without it', async () => {
    interface Definition {
      spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: { properties: object } } } } }[] };
    }
    const current = readFileSync(CRD, 'utf8');
    const older = parse(current) as Definition;
    const spec = older.spec.versions[0]?.schema.openAPIV3Schema.properties.spec.properties;
    assert.ok(spec && 'admission' in spec);
    delete spec.admission;
    const namespace = await box.namespace('shop');
    let profile: string;
    try {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: stringify(older) });
      profile = await box.profile('strict');
      await box.ready(profile, IN_FORCE); // watches of a changed CRD begin anew
    } finally {
      await plane.kubectlRun(['apply', '-f', '-'], { stdin: current });
    }
    const stored = await box.policies(namespace);
    // Until the API server has taken up the new CRD, it drops the field.
    await eventually(async () => {
      await box.edit(profile, gate);
      assert.equal((await box.readProfile(profile)).spec.admission?.gate, 'Enforce');
    });
    // As an upgrade does. A watch of the older version's CRD goes on without the field for as long as it lasts.
    await operator.stop();
    operator = await operators.start(kubeconfig);
    await isInForce(profile);
    await box.edit(profile, { admission: null });
    await eventually(() => assert.rejects(bindingOf(profile), /404/), IN_FORCE);
    assert.deepEqual(await box.policies(namespace), stored);
  });

  describe('says what is missing:', () => {
    it('its policies', async () => {
      await plane.kubectlRun(['delete', 'validatingadmissionpolicy', GATE]);
      const profile = await box.profile('strict', gate);
      await says(profile, 'NotInstalled', /kubectl apply -k config\/admission/);
      assert.equal((await box.condition(profile, 'Ready')).reason, 'AdmissionNotReady');
      await plane.kubectlRun(['apply', '-k', 'config/admission']);
      await isInForce(profile);
    });

    it('its permissions', async () => {
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

    it('a name that somebody else holds', async () => {
      const name = `${box.id}-strict.${GATE}`;
      await box.create(BINDINGS, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: 'ValidatingAdmissionPolicyBinding',
        metadata: { name },
        spec: { policyName: 'theirs', validationActions: ['Audit'] },
      });
      const profile = await box.profile('strict', gate);
      await says(profile, 'NameTaken', /is foreign and has a name that the operator needs: delete it/);
      assert.equal((await box.condition(profile, 'Stalled')).reason, 'NameTaken');
      await plane.admin.send('DELETE', `${BINDINGS}/${name}`);
      await isInForce(profile);
    });

    it('an API server whose cache of NetworkPolicies has stopped, which a restart of it cures', async () => {
      await operator.stop();
      await plane.kubectlRun(['delete', 'validatingadmissionpolicybinding', '--all']);
      const free = await box.namespace('free');
      await admitted(plane, free);
      // The last binding that needs the cache has gone, and with the next refresh the cache.
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
    // Not removed: the control plane goes, and 200 namespaces would take long to.
    box = new Sandbox(plane, 'load');
    const profile = await box.profile('strict', gate);
    await isInForce(profile);
    const names = Array.from({ length: 200 }, (_, index) => `n${index}`);
    const { resourceVersion } = (
      (await plane.admin.send('GET', '/api/v1/namespaces?limit=1')) as {
        metadata: { resourceVersion: string };
      }
    ).metadata;
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
          await sleep(50); // as a controller would: it backs off
        }
      }),
    );
    const denies = await firstRevisions(
      plane,
      '/apis/networking.k8s.io/v1/networkpolicies?labelSelector=segmentation.dev/role=default-deny',
      resourceVersion,
      namespaces,
    );
    const pods = await firstRevisions(plane, '/api/v1/pods', resourceVersion, namespaces);
    const early = namespaces.filter((each) => (pods.get(each) ?? 0) < (denies.get(each) ?? Infinity));
    assert.deepEqual(early, []);
    assert.ok(refused > 0, 'no pod came too early, so nothing was shown');
  });
});
