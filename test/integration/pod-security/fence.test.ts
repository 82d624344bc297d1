/** The fence of config/pod-security: the changes of namespaces that it refuses to the operator's token, and those it admits. */
import assert from 'node:assert/strict';
import { PROTECTED_NAMESPACES } from '../../../src/options/cluster-defaults.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator } from '../../support/operator.ts';
import { grant, label, revoke } from './scene.ts';

const OWN = 'segmentation-operator-pod-security';
const ONLY_LABELS = /it may write the labels of Pod Security, nothing else/;
const NOT_SO = /it may raise a level of Pod Security, and lower or remove only a label that it alone owns/;

describe('fence of namespaces', () => {
  let plane: ControlPlane;
  let token: string;
  let box: Sandbox;
  let count = 0;

  before(async () => {
    plane = await sharedControlPlane();
    token = await installOperator(plane);
    await grant(plane);
    box = new Sandbox(plane, 'pod-security-fence');
    // The API server enforces a new admission policy after a moment.
    const namespace = await box.namespace('first');
    const change = { metadata: { labels: { a: 'b' } } };
    await eventually(() => assert.rejects(patch(namespace, change, '--dry-run=server'), ONLY_LABELS));
  });
  after(async () => {
    await box.remove();
    await revoke(plane);
  });

  const patch = (namespace: string, body: object, ...flags: readonly string[]) =>
    plane.kubectlRun(
      [
        'patch',
        'namespace',
        namespace,
        '--type=merge',
        '-p',
        JSON.stringify(body),
        `--field-manager=${OWN}`,
        ...flags,
      ],
      { kubeconfig: token },
    );
  const levelsOf = (labels: Readonly<Record<string, string | null>>) => ({
    metadata: {
      labels: Object.fromEntries(
        Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value]),
      ),
    },
  });
  /** Creates a namespace with levels that somebody else set, and ones that the operator set. */
  const namespaceWith = async (
    foreign: Readonly<Record<string, string>>,
    own: Readonly<Record<string, string>> = {},
  ): Promise<string> => {
    const namespace = await box.namespace(`n${count++}`);
    await label(box, namespace, foreign);
    if (Object.keys(own).length > 0) await patch(namespace, levelsOf(own));
    return namespace;
  };

  type Labels = Readonly<Record<string, string>>;
  type Change = Readonly<Record<string, string | null>>;
  const ADMITTED: readonly (readonly [what: string, foreign: Labels, own: Labels, change: Change])[] = [
    ['sets a level with its version', {}, {}, { enforce: 'restricted', 'enforce-version': 'latest' }],
    ['sets several modes', {}, {}, { enforce: 'baseline', warn: 'restricted', audit: 'restricted' }],
    ['raises its own level', {}, { enforce: 'baseline' }, { enforce: 'restricted' }],
    ['lowers its own level', {}, { enforce: 'restricted' }, { enforce: 'baseline' }],
    [
      'removes its own level',
      {},
      { warn: 'restricted', 'warn-version': 'v1.30' },
      { warn: null, 'warn-version': null },
    ],
    [
      'changes its own version',
      {},
      { warn: 'restricted', 'warn-version': 'v1.30' },
      { 'warn-version': 'v1.29' },
    ],
  ];
  for (const [what, foreign, own, change] of ADMITTED) {
    it(`admits that the operator ${what}`, async () => {
      const namespace = await namespaceWith(foreign, own);
      await patch(namespace, levelsOf(change));
    });
  }

  const REFUSED: readonly (readonly [what: string, foreign: Labels, own: Labels, change: Change])[] = [
    ['lowers a foreign level', { enforce: 'restricted' }, {}, { enforce: 'baseline' }],
    ['removes a foreign level', { enforce: 'baseline' }, {}, { enforce: null }],
    ['gives a foreign level an older version', { enforce: 'restricted' }, {}, { 'enforce-version': 'v1.0' }],
    [
      'changes a foreign version',
      { warn: 'baseline', 'warn-version': 'v1.30' },
      {},
      { 'warn-version': 'v1.31' },
    ],
    ['sets the level privileged', {}, {}, { enforce: 'privileged' }],
    [
      'lowers one level while it raises another',
      { enforce: 'restricted' },
      {},
      { enforce: 'baseline', warn: 'restricted' },
    ],
  ];
  for (const [what, foreign, own, change] of REFUSED) {
    it(`refuses that the operator ${what}`, async () => {
      const namespace = await namespaceWith(foreign, own);
      await assert.rejects(patch(namespace, levelsOf(change)), NOT_SO);
    });
  }

  it('refuses that the operator lowers a foreign level which it took a share of', async () => {
    const namespace = await namespaceWith({ enforce: 'restricted' });
    const apply = (level: string) =>
      plane.kubectlRun(['apply', '--server-side', '--force-conflicts', `--field-manager=${OWN}`, '-f', '-'], {
        kubeconfig: token,
        stdin: JSON.stringify({
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: namespace, labels: { 'pod-security.kubernetes.io/enforce': level } },
        }),
      });
    await apply('restricted');
    await assert.rejects(apply('baseline'), NOT_SO);
  });

  const OTHERS: readonly (readonly [what: string, change: object])[] = [
    ['another label', { metadata: { labels: { team: 'b' } } }],
    [
      'another label beside a level',
      { metadata: { labels: { team: null, 'pod-security.kubernetes.io/warn': 'baseline' } } },
    ],
    ['an annotation', { metadata: { annotations: { a: 'b' } } }],
    ['a finalizer', { metadata: { finalizers: ['example.com/hold'] } }],
    [
      'an ownerReference',
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Namespace', name: 'a', uid: 'b' }] } },
    ],
  ];
  for (const [what, change] of OTHERS) {
    it(`refuses that the operator changes ${what}, in a dry run too`, async () => {
      const namespace = await box.namespace(`n${count++}`, { team: 'a' });
      await assert.rejects(patch(namespace, change), ONLY_LABELS);
      await assert.rejects(patch(namespace, change, '--dry-run=server'), ONLY_LABELS);
    });
  }

  for (const namespace of [...PROTECTED_NAMESPACES, 'segmentation-system']) {
    it(`refuses that the operator labels the protected namespace ${namespace}`, async () => {
      await assert.rejects(patch(namespace, levelsOf({ warn: 'restricted' })), /it is protected/);
    });
  }

  it('admits any level in a dry run, by which the operator asks for violations', async () => {
    const namespace = await namespaceWith({ enforce: 'restricted' });
    await patch(
      namespace,
      levelsOf({ enforce: 'baseline', 'enforce-version': 'v1.9999' }),
      '--dry-run=server',
    );
  });

  it('leaves everybody else alone', async () => {
    const namespace = await namespaceWith({ enforce: 'restricted' });
    await label(box, namespace, { enforce: 'privileged' });
  });
});
