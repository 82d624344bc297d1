/**
 * The roles in config/rbac and in the optional components grant exactly what the operator uses (I7), by the API server's audit
 * log.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeEvent } from '../../../src/kube/events/event.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { type AuditEvent, auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { scrape, serviceAccountToken } from '../../support/monitoring/scrape.ts';
import { installOperator, Operators, vacateLease } from '../../support/operator.ts';
import { exception, install, says, uninstall, User } from '../exceptions/scene.ts';
import { grant, revoke } from '../pod-security/scene.ts';
import { grant as grantRollouts, reaches, revoke as revokeRollouts, withRule } from '../rollout/scene.ts';
import { describeSince } from '../../support/kubernetes.ts';
import { removeVerifiers, serveVerifiers } from '../../support/verifiers.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/**
 * Paged lists of watched kinds. The operator sends them only to a server without streamed lists, after a failed one, and to
 * confirm an empty one. None of that happens here.
 */
const FALLBACK = /^list (?!networkpolicies|pods|validatingadmissionpolicybindings)/;

const CONFIG = join(import.meta.dirname, '../../../config');
/** Components that no other set-up installs. */
const COMPONENTS = ['service-accounts', 'workloads'];

const DISCOVERY = /^\/apis(\/segmentation\.dev\/v1alpha1)?$/;

describeSince('1.36', "operator's roles", () => {
  const operators = new Operators();
  let plane: ControlPlane;
  let box: Sandbox;

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'privilege');
  });
  after(async () => {
    await box.remove();
    await revoke(plane);
    await uninstall(plane);
    await removeVerifiers(plane);
    await revokeRollouts(plane);
    for (const component of COMPONENTS)
      await plane.kubectlRun(['delete', '-k', join(CONFIG, component), '--ignore-not-found']);
  });

  /** Makes the operator use all its permissions: elect, resolve every kind of peer, write, repair, open, end. */
  async function useAllPermissions(): Promise<void> {
    const kubeconfig = await installOperator(plane);
    await vacateLease(plane); // so that the operator has to create a Lease
    const operator = await operators.start(kubeconfig, '--leader-elect', '--metrics-secure');
    const { metrics } = await operator.line('listening');
    const token = await serviceAccountToken(box, box.id);
    assert.equal((await scrape(String(metrics), { token })).status, 403);
    for (const component of COMPONENTS) await plane.kubectlRun(['apply', '-k', join(CONFIG, component)]);
    await grant(plane);
    await serveVerifiers(plane);
    await grantRollouts(plane);
    await install(plane);
    const namespace = await box.namespace('app');
    await box.pod(namespace, 'web', { app: 'web' });
    await box.service(namespace, 'outside', { ports: [{ port: 80 }] });
    const profile = await box.profile('p', {
      exceptions: { mode: 'Allowed' },
      admission: { gate: 'Enforce', protect: 'Warn' },
      workloads: {
        images: { action: 'Audit', digest: 'Required' },
        exposure: { action: 'Audit', hosts: ['shop.example.com'] },
        podSecurity: { enforce: 'baseline' },
      },
      egress: [
        { name: 'nodes', to: [{ entity: 'Nodes' }] },
        { name: 'account', to: [{ serviceAccount: { namespace: box.id, name: 'nobody' } }] },
        { name: 'world', to: [{ entity: 'World' }] },
        { name: 'api', podSelector: { matchLabels: { app: 'web' } }, to: [{ entity: 'KubeAPIServer' }] },
      ],
    });
    await box.ready(profile);
    const asked = await new User(plane, 'jane').create(
      exception(namespace, 'debug'),
      '--as-group=system:masters',
    );
    await says(box, asked, 'Ready', 'InForce');
    await eventually(async () =>
      assert.equal((await box.condition(profile, 'ImagesVerified')).reason, 'Unverified'),
    );
    // The first repetition makes an Event, the second one a series.
    for (const count of [undefined, 2]) {
      await box.patchPolicy(namespace, `${profile}.egress`, { spec: { egress: null } });
      await eventually(async () => {
        assert.notEqual((await box.policy(namespace, `${profile}.egress`)).spec.egress, undefined);
      });
      await eventually(async () => {
        const { items } = (await box.read('/apis/events.k8s.io/v1/namespaces/default/events')) as unknown as {
          items: KubeEvent[];
        };
        const repaired = items.find(
          ({ regarding, reason }) => regarding.name === profile && reason === 'DriftRepaired',
        );
        assert.deepEqual(repaired && { count: repaired.series?.count }, { count });
      });
    }
    const another = { serviceAccount: { namespace: `${box.id}-2`, name: 'nobody' } };
    await box.edit(profile, {
      excludeNamespaces: ['elsewhere'],
      egress: [{ name: 'account', to: [another] }],
    });
    await box.ready(profile);
    await box.relabel(namespace, Object.fromEntries(Object.keys(box.label).map((key) => [key, null])));
    await eventually(async () => assert.deepEqual(await box.policyNames(namespace), []));
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)));
    await outlastRevisions();
    const label = '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings/';
    await eventually(() => assert.rejects(box.read(`${label}service-account-label.segmentation.dev`), /404/));
    await operator.stop();
  }

  /** Rolls out so many revisions that the first one is deleted. */
  async function outlastRevisions(): Promise<void> {
    const gates = { workloads: { for: '1s' } };
    const rollout = { waves: [{ name: 'all', percent: 100, soak: '0s' }], gates };
    await box.namespace('revised');
    const profile = await box.profile('revised', { rollout, ...withRule('r1') });
    for (let number = 2; number <= 11; number++) {
      await reaches(box, profile, 'Complete');
      await box.edit(profile, withRule(`r${number}`));
    }
    await reaches(box, profile, 'Complete');
    await box.removeProfile(profile);
    await eventually(() => assert.rejects(box.readProfile(profile)));
  }

  const name = ({ apiGroup, resource, subresource }: NonNullable<AuditEvent['objectRef']>) =>
    [[resource, apiGroup].filter(Boolean).join('.'), subresource].filter(Boolean).join('/');

  async function used(since: string): Promise<{ allowed: Set<string>; refused: string[] }> {
    // Every authenticated client may discover the served groups.
    const events = auditedRequests(plane, since).filter(({ requestURI }) => !DISCOVERY.test(requestURI));
    const text = (event: AuditEvent) => `${event.verb} ${name(event.objectRef ?? {})}`;
    const refused = events.filter(isRefused);
    return {
      allowed: new Set(events.filter((event) => !refused.includes(event)).map(text)),
      refused: refused.map(text),
    };
  }

  async function granted(): Promise<Set<string>> {
    const roles = await Promise.all([
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-metrics-auth', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-admission', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-service-accounts', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-workloads', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-pod-security', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-rollout', '-o', 'json']),
      plane.kubectlRun(['get', 'clusterrole', 'segmentation-operator-exceptions', '-o', 'json']),
      plane.kubectlRun(['-n', 'segmentation-system', 'get', 'roles', '-o', 'json']),
      plane.kubectlRun(['-n', 'default', 'get', 'role', 'segmentation-operator-events', '-o', 'json']),
    ]);
    const rules = roles
      .map((role) => JSON.parse(role) as { rules?: Rule[]; items?: { rules: Rule[] }[] })
      .flatMap((role) => [...(role.rules ?? []), ...(role.items ?? []).flatMap((each) => each.rules)]);
    return new Set(
      rules.flatMap(({ apiGroups, resources, verbs }) =>
        apiGroups.flatMap((apiGroup) =>
          resources.flatMap((each) => {
            const [resource, subresource] = each.split('/');
            const target = name({
              apiGroup,
              ...(resource !== undefined && { resource }),
              ...(subresource !== undefined && { subresource }),
            });
            return verbs.map((verb) => `${verb} ${target}`);
          }),
        ),
      ),
    );
  }

  it('grant every verb that it uses, and no other', async () => {
    const since = new Date().toISOString();
    await useAllPermissions();
    const { allowed, refused } = await used(since);
    const rights = await granted();
    assert.deepEqual(refused, []);
    assert.deepEqual([...allowed].filter((each) => !rights.has(each)).sort(), [], 'used and not granted');
    assert.deepEqual(
      [...rights].filter((each) => !allowed.has(each) && !FALLBACK.test(each)).sort(),
      [],
      'granted and not used',
    );
  });
});
