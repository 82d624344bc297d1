import assert from 'node:assert/strict';
import type { ManagedFieldsEntry } from '../../src/api/meta.ts';
import { changedBy } from '../../src/observability/audit-line.ts';

const ours: ManagedFieldsEntry = { manager: 'segmentation-operator', time: '2026-01-01T00:00:09Z' };
const argo: ManagedFieldsEntry = { manager: 'argocd', time: '2026-01-01T00:00:01Z' };
const edit: ManagedFieldsEntry = { manager: 'kubectl-edit', time: '2026-01-01T00:00:08Z' };
const patch: ManagedFieldsEntry = { manager: 'kubectl-patch', time: '2026-01-01T00:00:08Z' };

const CASES: readonly (readonly [string, readonly ManagedFieldsEntry[] | undefined, string[]])[] = [
  ['is the other manager, not ours', [ours, edit], ['kubectl-edit']],
  ['is not a manager that set something else long ago', [argo, ours, edit], ['kubectl-edit']],
  [
    'are all that changed it in the same second, each once',
    [edit, patch, edit],
    ['kubectl-edit', 'kubectl-patch'],
  ],
  ['is told even without a time', [{ manager: 'old' }], ['old']],
  ['is nobody where only ours is known', [ours], []],
  ['is nobody where nothing is known', undefined, []],
];

describe('who changed a policy', () => {
  for (const [title, managedFields, hands] of CASES) {
    it(title, () => {
      const metadata = { name: 'p', ...(managedFields && { managedFields }) };
      assert.deepEqual(changedBy({ metadata, spec: {} }), hands);
    });
  }

  it('is nobody where there is no object any more', () => assert.deepEqual(changedBy(undefined), []));
});
