// Peers by ServiceAccount on an API server that has no MutatingAdmissionPolicies.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const CONFIG = join(import.meta.dirname, '../../../config/service-accounts');
const V1 = 'admissionregistration.k8s.io/v1';
/** Arguments that make the API server serve what one before Kubernetes 1.36 serves. */
const WITHOUT = [
  '--disable-admission-plugins=MutatingAdmissionPolicy',
  `--runtime-config=${V1}/mutatingadmissionpolicies=false,${V1}/mutatingadmissionpolicybindings=false`,
];

describe('a peer by ServiceAccount, on an API server without MutatingAdmissionPolicies,', () => {
  const operators = new Operators();
  let plane: ControlPlane;

  before(async () => {
    plane = await startControlPlane({ apiServerArguments: WITHOUT });
  });
  after(async () => {
    await operators.end();
    await plane.stop();
  });

  it('is unresolved, and the other peers are enforced', async () => {
    const kubeconfig = await installOperator(plane);
    const refused = plane.kubectlRun(['apply', '-k', CONFIG]);
    await assert.rejects(refused, /no matches for kind "MutatingAdmissionPolicy"/);
    await operators.start(kubeconfig);
    const box = new Sandbox(plane, 'old');
    const server = await box.namespace('server');
    const peers = [
      { serviceAccount: { namespace: 'default', name: 'default' } },
      { namespaces: ['default'] },
    ];
    const profile = await box.profile('p', { ingress: [{ name: 'web', from: peers }] });
    await eventually(async () => {
      const { status, reason, message } = await box.condition(profile, 'PeersResolved');
      assert.deepEqual([status, reason], ['False', 'Unsupported'], message);
      assert.match(message, /need Kubernetes 1.36 or later; name the pods by a podSelector instead/);
    });
    // The condition is known before the first policies are written.
    const { spec } = await eventually(() => box.policy(server, `${profile}.ingress`));
    assert.deepEqual(
      spec.ingress?.map((rule) => rule.from?.length),
      [1],
    );
    assert.doesNotMatch(JSON.stringify(spec), new RegExp(LABEL_SERVICE_ACCOUNT));
  });
});
