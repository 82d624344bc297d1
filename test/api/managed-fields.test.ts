import assert from 'node:assert/strict';
import type { ManagedFieldsEntry } from '../../src/api/meta.ts';
import { changedBy } from '../../src/api/managed-fields.ts';

const ours: ManagedFieldsEntry = { manager: 'segmentation-operator', time: '2026-01-01T00:00:09Z' };
const argo: ManagedFieldsEntry = { manager: 'argocd', time: '2026-01-01T00:00:01Z' };
const edit: ManagedFieldsEntry = { manager: 'kubectl-edit', time: '2026-01-01T00:00:08Z' };
const patch: ManagedFieldsEntry = { manager: 'kubectl-patch', time: '2026-01-01T00:00:08Z' };

const status: ManagedFieldsEntry = { manager: 'istiod', subresource: 'status', time: '2026-01-01T00:00:09Z' };

const CASES: readonly (readonly [string, readonly ManagedFieldsEntry[] | undefined, string[]])[] = [
  ['names the other manager, not the operator', [ours, edit], ['kubectl-edit']],
  ['does not name a manager whose change is older', [argo, ours, edit], ['kubectl-edit']],
  ['names every manager of the same second once', [edit, patch, edit], ['kubectl-edit', 'kubectl-patch']],
  ['does not name the manager of the status', [ours, edit, status], ['kubectl-edit']],
  ['names nobody if only the status has another manager', [ours, status], []],
  ['names a manager without a time', [{ manager: 'old' }], ['old']],
  ['names nobody if only the operator is recorded', [ours], []],
  ['names nobody without managedFields', undefined, []],
];

describe('changedBy', () => {
  for (const [title, managedFields, managers] of CASES) {
    it(title, () => {
      const metadata = { name: 'p', ...(managedFields && { managedFields }) };
      assert.deepEqual(changedBy({ metadata }), managers);
    });
  }

  it('names nobody without an object', () => assert.deepEqual(changedBy(undefined), []));
});
