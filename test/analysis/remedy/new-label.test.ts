/** The label that is proposed for a workload without stable labels. */
import assert from 'node:assert/strict';
import type { Pod } from '../../../src/analysis/cluster.ts';
import { newLabel, podSelectorKeys } from '../../../src/analysis/remedy/new-label.ts';

const pod = (labels: Pod['labels']): Pod => ({ namespace: 'a', name: 'x', labels, ips: [] });
const label = (pods: readonly Pod[], ...keys: readonly string[]) =>
  newLabel({ name: 'web', kind: 'Deployment', pods, selectedKeys: new Set(keys) });

describe('newLabel', () => {
  it('is the recommended label with the name of the workload', () => {
    assert.deepEqual(label([pod({ app: 'web' })]), { key: 'app.kubernetes.io/name', value: 'web' });
  });

  it('has no key that a selector uses, as it could change what that selects', () => {
    assert.deepEqual(label([], 'app.kubernetes.io/name'), { key: 'app', value: 'web' });
  });

  it('is no label that a pod has already', () => {
    assert.deepEqual(label([pod({ 'app.kubernetes.io/name': 'web' })]), { key: 'app', value: 'web' });
  });

  it('has a key of its own if the usual ones are in use', () => {
    const keys = ['app.kubernetes.io/name', 'app', 'app.kubernetes.io/component', 'network-role'];
    assert.deepEqual(label([], ...keys, 'network-role-2'), {
      key: 'network-role-3',
      value: 'deployment-web',
    });
  });

  it('has a value that the API server accepts', () => {
    const { value } = newLabel({
      name: `${'a'.repeat(62)}.b`,
      kind: 'StatefulSet',
      pods: [],
      selectedKeys: new Set(),
    });
    assert.equal(value, 'a'.repeat(62));
  });
});

describe('podSelectorKeys', () => {
  it('are the keys of the pod selectors of policies and of their peers', () => {
    const keys = podSelectorKeys([
      {
        metadata: { namespace: 'a', name: 'p' },
        spec: {
          podSelector: { matchLabels: { app: 'a' } },
          ingress: [
            {
              from: [
                { podSelector: { matchExpressions: [{ key: 'tier', operator: 'Exists' }] } },
                { namespaceSelector: { matchLabels: { team: 'red' } } },
              ],
            },
          ],
        },
      },
    ]);
    assert.deepEqual([...keys].sort(), ['app', 'tier']);
  });
});
