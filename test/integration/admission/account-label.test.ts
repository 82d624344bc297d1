// config/service-accounts on a real API server, without an operator: each new pod is labelled with its ServiceAccount, and
// no request can write another label.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject, StringMap } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT as LABEL } from '../../../src/api/names.ts';
import { guardBinding, labelBinding } from '../../../src/policy/admission/accounts.ts';
import { type ControlPlane, startControlPlane } from '../../env/index.ts';
import { eventually } from '../../support/cluster.ts';
import { describeSince } from '../../support/kubernetes.ts';

const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const POLICIES = join(import.meta.dirname, '../../../config/service-accounts');
const LONG = `${'a'.repeat(63)}.b`;
const IN_FORCE = 30_000; // ms: the API server takes up bindings every second
const spec = (account?: string) => ({
  containers: [{ name: 'main', image: 'main' }],
  terminationGracePeriodSeconds: 0,
  ...(account && { serviceAccountName: account }),
});

describeSince('1.36', 'the label of a pod with its ServiceAccount', () => {
  let plane: ControlPlane;
  const pods = (namespace: string) => `/api/v1/namespaces/${namespace}/pods`;
  const labelOf = ({ metadata }: KubeObject) => metadata.labels?.[LABEL];

  async function create(
    namespace: string,
    metadata: { name?: string; generateName?: string; labels?: StringMap; annotations?: StringMap },
    account?: string,
  ): Promise<KubeObject> {
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: spec(account) };
    return (await plane.admin.send('POST', pods(namespace), pod)) as KubeObject;
  }
  const read = async (namespace: string, name: string) =>
    (await plane.admin.send('GET', `${pods(namespace)}/${name}`)) as KubeObject;
  const kubectl = (args: string, stdin?: object) =>
    plane.kubectlRun(args.split(' '), stdin ? { stdin: JSON.stringify(stdin) } : {});

  before(async () => {
    // Not the shared control plane: the policies judge every pod of the namespaces that the bindings name.
    plane = await startControlPlane();
    await kubectl(`apply -k ${POLICIES}`);
    for (const namespace of ['guarded', 'unlabelled', 'free']) {
      await kubectl(`create namespace ${namespace}`);
      for (const account of ['web', 'v1.web', LONG])
        await kubectl(`-n ${namespace} create serviceaccount ${account}`);
      for (const name of ['before', 'changed']) await eventually(() => create(namespace, { name }), IN_FORCE);
    }
    const [label, guard] = [labelBinding(['guarded']), guardBinding(['guarded', 'unlabelled'])];
    await plane.admin.send('POST', `${ADMISSION}/mutatingadmissionpolicybindings`, label);
    await plane.admin.send('POST', `${ADMISSION}/validatingadmissionpolicybindings`, guard);
    await eventually(async () => {
      assert.equal(labelOf(await create('guarded', { generateName: 'probe-' })), 'default');
      await assert.rejects(kubectl(`-n guarded label pod before ${LABEL}=default`), /can't be set/);
    }, IN_FORCE);
  });
  after(() => plane.stop());

  describe('is set', () => {
    it('to the account that the pod names or the API server fills in, whatever label the user wrote', async () => {
      assert.equal(labelOf(await create('guarded', { name: 'plain' }, 'web')), 'web');
      assert.equal(
        labelOf(await create('guarded', { name: 'dotted', labels: { a: 'b' } }, 'v1.web')),
        'v1.web',
      );
      assert.equal(labelOf(await create('guarded', { name: 'none' })), 'default');
      const lying = await create('guarded', { generateName: 'lying-', labels: { [LABEL]: 'web' } });
      assert.equal(labelOf(lying), 'default');
    });

    it('on pods that controllers create', async () => {
      const template = { metadata: { labels: { app: 'made', [LABEL]: 'default' } }, spec: spec('web') };
      await kubectl('-n guarded create -f -', {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'made' },
        spec: { replicas: 2, selector: { matchLabels: { app: 'made' } }, template },
      });
      const { labels } = template.metadata;
      await kubectl('-n guarded create -f -', {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'made' },
        spec: {
          template: {
            metadata: { labels: { ...labels, job: 'made' } },
            spec: { ...template.spec, restartPolicy: 'Never' },
          },
        },
      });
      await eventually(async () => {
        const query = '?labelSelector=app=made';
        const { items } = (await plane.admin.send('GET', pods('guarded') + query)) as { items: KubeObject[] };
        assert.deepEqual(items.map(labelOf), ['web', 'web', 'web']);
      }, IN_FORCE);
    });

    it('on no mirror pod and no pod whose account is too long for a label, from which a user-written label is removed', async () => {
      assert.equal(
        labelOf(await create('guarded', { name: 'long', labels: { [LABEL]: 'web', a: 'b' } }, LONG)),
        undefined,
      );
      const annotations = { 'kubernetes.io/config.mirror': 'x' };
      const mirror = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'mirror', annotations, labels: { [LABEL]: 'web' } },
      };
      const made = await plane.admin.send('POST', pods('guarded'), {
        ...mirror,
        spec: { ...spec(), nodeName: 'n1' },
      });
      assert.equal(labelOf(made as KubeObject), undefined);
    });

    it('in no namespace that the bindings do not name', async () => {
      assert.equal(
        labelOf(await create('free', { name: 'plain', labels: { [LABEL]: 'anything' } }, 'web')),
        'anything',
      );
    });

    it('to the account that another mutation has chosen', async () => {
      await withMutation('zz-account', 'Object{spec: Object.spec{serviceAccountName: "web"}}', async () => {
        await eventually(async () => {
          const pod = await create('guarded', { generateName: 'moved-', labels: { mutate: 'zz-account' } });
          assert.equal(
            (pod as KubeObject & { spec: { serviceAccountName: string } }).spec.serviceAccountName,
            'web',
          );
          assert.equal(labelOf(pod), 'web');
        }, IN_FORCE);
      });
    });
  });

  describe("can't be changed", () => {
    before(() => create('guarded', { name: 'target' }, 'web'));
    const patch = (body: object) => JSON.stringify(body);
    const labels = (value: string | null) => ({ metadata: { labels: { [LABEL]: value } } });
    const refused = /Forbidden|denied request/;

    for (const pod of ['target', 'before']) {
      const values = pod === 'target' ? ['default', null] : ['default', 'web'];
      for (const value of values) {
        const change = `by ${value === null ? 'removing it from' : `setting it to ${value} on`} ${pod === 'target' ? 'a labelled pod' : 'a pod from before'}`;
        it(`${change}, in any request that writes pods`, async () => {
          const was = labelOf(await read('guarded', pod));
          const target = `-n guarded patch pod ${pod}`;
          for (const request of [
            `${target} --type=merge -p ${patch(labels(value))}`,
            `${target} --type=strategic -p ${patch(labels(value))}`,
            `${target} --subresource=status --type=merge -p ${patch(labels(value))}`,
            `${target} --type=json -p ${patch([{ op: value === null ? 'remove' : 'add', path: `/metadata/labels${was === undefined ? '' : '/segmentation.dev~1service-account'}`, ...(value !== null && { value: was === undefined ? { [LABEL]: value } : value }) }])}`,
          ])
            await assert.rejects(kubectl(request), refused, request);
          const whole = await read('guarded', pod);
          const { [LABEL]: _, ...others } = whole.metadata.labels ?? {};
          const changed = {
            ...whole,
            metadata: { ...whole.metadata, labels: { ...others, ...(value && { [LABEL]: value }) } },
          };
          await assert.rejects(kubectl('-n guarded replace -f -', changed), refused);
          // A subresource from which the API server takes no labels admits the request, and the label stays.
          for (const subresource of ['ephemeralcontainers', 'resize'])
            await kubectl(
              `${target} --subresource=${subresource} --type=strategic -p ${patch(labels(value))}`,
            ).catch((error: Error) => assert.match(error.message, refused));
          assert.equal(labelOf(await read('guarded', pod)), was);
        });
      }
    }

    it('by server-side apply of a pod or its status', async () => {
      const apply = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'target', labels: { [LABEL]: 'default' } },
      };
      for (const subresource of ['', ' --subresource=status'])
        await assert.rejects(
          kubectl(`-n guarded apply --server-side --force-conflicts${subresource} -f -`, apply),
          refused,
        );
      assert.equal(labelOf(await read('guarded', 'target')), 'web');
    });

    it('by a Binding, whose labels the API server copies to the pod', async () => {
      const binding = (name: string, value: string) => ({
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, labels: { [LABEL]: value } },
        target: { kind: 'Node', name: 'n1' },
      });
      // Without the guard, the API server copies the labels.
      await create('free', { name: 'bound' }, 'web');
      await plane.admin.send('POST', `${pods('free')}/bound/binding`, binding('bound', 'admin'));
      assert.equal(labelOf(await read('free', 'bound')), 'admin');
      for (const [name, value] of [
        ['target', 'admin'],
        ['before', 'default'],
      ] as const) {
        const was = labelOf(await read('guarded', name));
        await assert.rejects(
          plane.admin.send('POST', `${pods('guarded')}/${name}/binding`, binding(name, value)),
          /a Binding must not carry/,
        );
        await assert.rejects(
          plane.admin.send('POST', '/api/v1/namespaces/guarded/bindings', binding(name, value)),
          /a Binding must not carry/,
        );
        assert.equal(labelOf(await read('guarded', name)), was);
      }
      const plain = {
        ...binding('target', ''),
        metadata: { name: 'target', labels: { 'topology.kubernetes.io/zone': 'z' } },
      };
      await plane.admin.send('POST', `${pods('guarded')}/target/binding`, plain);
      assert.equal(labelOf(await read('guarded', 'target')), 'web');
    });

    it('by the creator of the pod or by another mutation, also where pods are not labelled', async () => {
      const forging = `Object{metadata: Object.metadata{labels: {"${LABEL}": "admin"}, annotations: {"mutated": "yes"}}}`;
      const lying = /it runs as web and must not be labelled admin; leave the label out/;
      const admin = { [LABEL]: 'admin' };
      await assert.rejects(create('unlabelled', { name: 'lying', labels: admin }, 'web'), lying);
      await assert.rejects(
        create('unlabelled', { name: 'lying', labels: { [LABEL]: LONG.slice(0, 63) } }, LONG),
        /it runs as/,
      );
      assert.equal(
        labelOf(await create('unlabelled', { name: 'true', labels: { [LABEL]: 'web' } }, 'web')),
        'web',
      );
      assert.equal(labelOf(await create('unlabelled', { name: 'silent' }, 'web')), undefined);
      await withMutation('zz-forger', forging, async () => {
        const forged = (namespace: string) =>
          create(namespace, { generateName: 'forged-', labels: { mutate: 'zz-forger' } }, 'web');
        await eventually(() => assert.rejects(forged('unlabelled'), lying), IN_FORCE);
        // Where pods are labelled, the label is set once more after the other mutation.
        const pod = await forged('guarded');
        assert.deepEqual([pod.metadata.annotations?.['mutated'], labelOf(pod)], ['yes', 'web']);
      });
    });
  });

  it('keeps no unlabelled pod from being changed otherwise, or deleted', async () => {
    for (const request of [
      'label pod changed a=b',
      'annotate pod changed a=b',
      'label pod changed a-',
      `patch pod changed --subresource=status --type=merge -p ${JSON.stringify({ status: { phase: 'Running' } })}`,
    ])
      await kubectl(`-n guarded ${request}`);
    await kubectl('-n guarded delete pod changed --wait=false');
    await eventually(() => assert.rejects(read('guarded', 'changed'), /404/));
  });

  /** Runs `work` while another MutatingAdmissionPolicy, after the label's in order of name, changes pods that have a label. */
  async function withMutation(name: string, expression: string, work: () => Promise<unknown>): Promise<void> {
    const policies = `${ADMISSION}/mutatingadmissionpolicies`;
    const bindings = `${ADMISSION}/mutatingadmissionpolicybindings`;
    const rule = { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] };
    await plane.admin.send('POST', policies, {
      metadata: { name },
      spec: {
        reinvocationPolicy: 'Never',
        matchConstraints: { resourceRules: [rule], objectSelector: { matchLabels: { mutate: name } } },
        mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
      },
    });
    await plane.admin.send('POST', bindings, { metadata: { name }, spec: { policyName: name } });
    try {
      await work();
    } finally {
      await plane.admin.send('DELETE', `${bindings}/${name}`);
      await plane.admin.send('DELETE', `${policies}/${name}`);
    }
  }
});
