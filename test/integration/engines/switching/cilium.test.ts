/**
 * Changes of the network engine under a real operator, one after the other: it goes, comes back, is another one, its CRD is
 * missing, older or later, and an operator is killed half way. The policies of the profile stand through all of it.
 */
import assert from 'node:assert/strict';
import { type ControlPlane, sharedControlPlane } from '../../../env/index.ts';
import { goIsThere, skippedWithoutGo } from '../../../env/tooling/go-tool.ts';
import { auditedRequests } from '../../../support/audit.ts';
import { eventually, Sandbox } from '../../../support/cluster.ts';
import {
  installOperator,
  OPERATOR_USER,
  type Operator,
  Operators,
  vacateLease,
} from '../../../support/operator.ts';
import { AGENT, CILIUM, CiliumCRD, CiliumPolicies, DETECT, type Schema } from '../cilium-objects.ts';

const SOON = 60_000;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';

/** Refuses the operator's writes of NetworkPolicies in the namespace. */
const refusal = (name: string, namespace: string) =>
  [
    [
      'validatingadmissionpolicies',
      {
        metadata: { name },
        spec: {
          failurePolicy: 'Fail',
          matchConstraints: {
            resourceRules: [
              {
                apiGroups: ['networking.k8s.io'],
                apiVersions: ['*'],
                resources: ['networkpolicies'],
                operations: ['CREATE', 'UPDATE', 'DELETE'],
              },
            ],
          },
          validations: [
            {
              expression: `request.namespace != '${namespace}' || request.userInfo.username != '${OPERATOR_USER}'`,
              message: 'refused by the test',
            },
          ],
        },
      },
    ],
    [
      'validatingadmissionpolicybindings',
      { metadata: { name }, spec: { policyName: name, validationActions: ['Deny'] } },
    ],
  ] as const;

(goIsThere ? describe : describe.skip)(`operator where the engine changes${skippedWithoutGo}`, function () {
  this.timeout('5m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let box: Sandbox;
  let operator: Operator;
  let crd: CiliumCRD;
  let extensions: CiliumPolicies;
  let shop: string;
  let profile: string;
  let looks = 0;

  const egress = (...rules: readonly object[]) => [
    { name: 'payments', to: [{ fqdn: { names: ['api.payments.example'] } }], ports: [{ port: 443 }] },
    ...rules,
  ];
  const API = { name: 'api', to: [{ entity: 'KubeAPIServer' }] };
  /** A rule that has no part in a NetworkPolicy. */
  const MORE = { name: 'more', to: [{ fqdn: { names: ['more.example'] } }], ports: [{ port: 443 }] };
  const NODES = { name: 'nodes', to: [{ entity: 'Nodes' }], ports: [{ port: 10_250 }] };
  const apply = (object: object) => plane.kubectlRun(['apply', '-f', '-'], { stdin: JSON.stringify(object) });
  const resolved = () => box.condition(profile, 'PeersResolved');
  const isUnresolved = (reason: string) =>
    eventually(async () => {
      const condition = await resolved();
      assert.deepEqual([condition.status, condition.reason], ['False', reason]);
    }, SOON);
  const isReady = async () => {
    await box.ready(profile, SOON);
    await eventually(async () => assert.equal((await box.condition(profile, 'Reconciling')).status, 'False'));
  };

  /** The revisions of policies and extensions, by name. */
  const revisions = async () =>
    [...(await box.policies(shop)), ...(await extensions.list())].map(
      ({ kind = 'NetworkPolicy', metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`,
    );
  const policyRevisions = async () =>
    (await box.policies(shop)).map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);

  /** Has the operator look for the engine now: a profile begins to depend on it. */
  const look = async () => {
    looks += 1;
    const namespaceSelector = { matchLabels: { [`test.segmentation.dev/none-${looks}`]: box.id } };
    await box.profile(`look-${looks}`, { namespaceSelector, egress: [API] });
  };

  const restart = async (...args: readonly string[]) => {
    await operator.stop();
    operator = await operators.start(kubeconfig, ...args);
  };

  const CLEAN = {
    endpointSelector: {},
    enableDefaultDeny: { ingress: false, egress: false },
    egress: [{ toEntities: ['world'] }],
  };

  /** The text of an object with this spec, as the API server would store it. */
  const strictly = async (spec: object) =>
    JSON.stringify(
      await plane.admin.send('POST', `${extensions.path()}?dryRun=All&fieldValidation=Strict`, {
        apiVersion: 'cilium.io/v2',
        kind: 'CiliumNetworkPolicy',
        metadata: { name: 'tried' },
        spec,
      }),
    );

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    crd = await CiliumCRD.of(plane);
    box = new Sandbox(plane, 'switching');
    shop = await box.namespace('shop');
    extensions = new CiliumPolicies(plane, shop);
    await box.pod(shop, 'web', { app: 'web' });
    for (const each of [DETECT, CILIUM]) await plane.kubectlRun(['apply', '-k', each]);
    await crd.apply();
    await apply(AGENT);
    profile = await box.profile('p', { isolation: ['Egress'], egress: egress(API) });
    operator = await operators.start(kubeconfig, '--engine=Auto');
    await isReady();
    assert.deepEqual(await extensions.names(), [`${profile}.egress`]);
  });
  after(async () => {
    await box?.remove();
    await plane?.kubectlRun(['-n', 'kube-system', 'delete', '--ignore-not-found', 'daemonset', 'cilium']);
    await crd?.delete();
    for (const each of [CILIUM, DETECT])
      await plane?.kubectlRun(['delete', '--ignore-not-found', '-k', each]);
  });

  it('leaves policies and extensions as they are when the engine goes, and reports names', async () => {
    const before = await revisions();
    await plane.kubectlRun(['-n', 'kube-system', 'delete', 'daemonset', 'cilium']);
    await look();
    await isUnresolved('NoEngine');
    assert.equal((await box.condition(profile, 'EngineReady')).reason, 'NoEngine');
    assert.deepEqual(await revisions(), before);
  });

  it('writes nothing when the engine comes back', async () => {
    const before = await revisions();
    await apply(AGENT);
    await eventually(async () => {
      await look();
      await eventually(async () => assert.equal((await resolved()).status, 'True'), 5000);
    }, SOON);
    await isReady();
    assert.deepEqual(await revisions(), before);
  });

  it('leaves policies and extensions as they are under the configuration of another engine', async () => {
    const before = await revisions();
    await restart('--engine=Calico');
    await isUnresolved('NoEngine');
    assert.deepEqual(await revisions(), before);
    await restart('--engine=Cilium');
    await isReady();
    assert.deepEqual(await revisions(), before);
  });

  it('leaves the policies while the CRD is missing, and writes the extensions again once it is there', async () => {
    const [before, specs] = [await policyRevisions(), (await extensions.list()).map(({ spec }) => spec)];
    await crd.delete();
    await isUnresolved('Unsupported');
    assert.deepEqual(await policyRevisions(), before);
    await crd.apply();
    await isReady();
    assert.deepEqual(
      (await extensions.list()).map(({ spec }) => spec),
      specs,
    );
    assert.deepEqual(await policyRevisions(), before);
  });

  it('writes nothing under an older CRD, which lacks a field that is written', async () => {
    const before = await revisions();
    await crd.change((versions) => {
      for (const { schema } of versions) {
        const { spec, specs } = schema.openAPIV3Schema.properties;
        delete spec?.properties['enableDefaultDeny'];
        delete specs?.items?.properties['enableDefaultDeny'];
      }
    });
    await eventually(
      () => assert.rejects(strictly(CLEAN), /strict decoding error: unknown field .+spec.enableDefaultDeny/),
      SOON,
    );
    await box.edit(profile, { egress: egress(API, MORE) });
    await isUnresolved('SchemaTooOld');
    const { message } = await resolved();
    assert.match(
      message,
      /the CRD of ciliumnetworkpolicies lacks fields that are written \(.*spec\.enableDefaultDeny\).*Cilium 1\.16 or later/,
    );
    assert.deepEqual(await revisions(), before);
    await box.edit(profile, { egress: egress(API) });
    await crd.apply();
    await eventually(() => strictly(CLEAN), SOON);
  });

  it('takes back an object that the API server stores in another form, and leaves the policies', async () => {
    await restart('--engine=Cilium');
    await isReady();
    const [names, before] = [await extensions.names(), await policyRevisions()];
    const since = new Date().toISOString();
    await crd.change((versions) => {
      for (const { schema } of versions) {
        const { description } = schema.openAPIV3Schema.properties['spec']?.properties ?? {};
        if (description !== undefined) description.default = 'added by the API server';
      }
    });
    await eventually(async () => assert.match(await strictly(CLEAN), /added by the API server/), SOON);
    const ofPods = { ...MORE, podSelector: { matchLabels: { app: 'web' } } };
    await box.edit(profile, { egress: egress(API, ofPods) });
    await isUnresolved('SchemaTooOld');
    const { message } = await resolved();
    assert.match(message, /stores ciliumnetworkpolicies in another form .*, with another spec\.description/);
    await eventually(async () => assert.deepEqual(await extensions.names(), names), SOON);
    const verbs = auditedRequests(plane, since)
      .filter(({ objectRef }) => objectRef?.resource === 'ciliumnetworkpolicies')
      .map(({ verb }) => verb)
      .filter((verb) => verb === 'create' || verb === 'delete');
    assert.deepEqual(verbs, ['create', 'delete']);
    assert.deepEqual(await policyRevisions(), before);
    await box.edit(profile, { egress: egress(API) });
    await crd.apply();
    await eventually(async () => assert.doesNotMatch(await strictly(CLEAN), /added by/), SOON);
  });

  it('writes nothing under a later CRD, with further fields and another version', async () => {
    await restart('--engine=Cilium');
    await isReady();
    const before = await revisions();
    await crd.change((versions) => {
      const [first] = versions;
      assert.ok(first);
      const { spec } = first.schema.openAPIV3Schema.properties;
      if (spec !== undefined) spec.properties['later'] = { type: 'string' } as unknown as Schema;
      versions.push({ ...structuredClone(first), name: 'v3', storage: false });
    });
    await restart('--engine=Cilium');
    await isReady();
    assert.deepEqual(
      (await revisions()).map((each) => each.split(' ').slice(0, 2)),
      before.map((each) => each.split(' ').slice(0, 2)),
    );
    assert.deepEqual(
      await policyRevisions(),
      before.flatMap((each) => (each.startsWith('NetworkPolicy ') ? [each.slice(14)] : [])),
    );
  });

  it('goes on where a killed operator had widened, and narrows last', async () => {
    const name = `${box.id}-refusal`;
    for (const [plural, object] of refusal(name, shop))
      await box.create(`${ADMISSION}/${plural}`, {
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind: plural.endsWith('bindings') ? 'ValidatingAdmissionPolicyBinding' : 'ValidatingAdmissionPolicy',
        ...object,
      });
    await eventually(
      () =>
        assert.rejects(
          plane.kubectlRun([
            '--kubeconfig',
            kubeconfig,
            '-n',
            shop,
            'delete',
            'networkpolicy',
            `${profile}.egress`,
            '--dry-run=server',
          ]),
          /refused by the test/,
        ),
      SOON,
    );
    const before = await policyRevisions();
    await box.edit(profile, { egress: egress(NODES) });
    const entities = async () => JSON.stringify((await extensions.get(`${profile}.egress`)).spec);
    await eventually(async () => {
      assert.match(await entities(), /remote-node/);
      assert.match(await entities(), /kube-apiserver/);
    }, SOON);
    assert.deepEqual(await policyRevisions(), before);
    await operator.kill();
    await plane.admin.send('DELETE', `${ADMISSION}/validatingadmissionpolicybindings/${name}`);
    await vacateLease(plane);
    operator = await operators.start(kubeconfig, '--engine=Cilium');
    await isReady();
    assert.match(await entities(), /remote-node/);
    assert.doesNotMatch(await entities(), /kube-apiserver/);
    assert.notDeepEqual(await policyRevisions(), before);
  });
});
