import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import { auditedKinds, jobKind, NEVER_READ } from '../../src/audit-runner/kinds.ts';
import { CHECKS } from '../../src/audit/registry.ts';
import { readRepositoryFile } from '../docs/pages.ts';

interface Role {
  readonly rules?: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** Lists that roles of a file grant, as `group/plural`. */
function listed(file: string): Set<string> {
  const roles = parseAllDocuments(readRepositoryFile(file)).map((document) => document.toJS() as Role);
  return new Set(
    roles
      .flatMap(({ rules = [] }) => rules)
      .filter(({ verbs }) => verbs.includes('list'))
      .flatMap(({ apiGroups, resources }) =>
        apiGroups.flatMap((group) => resources.map((plural) => `${group}/${plural}`)),
      ),
  );
}

describe('kinds of an audit in the cluster', () => {
  const kinds = [...auditedKinds(CHECKS), jobKind()];
  const names = kinds.map(({ group, plural }) => `${group}/${plural}`);

  it('are granted by config/rbac and config/audit, which grants no other', () => {
    const core = listed('config/rbac/cluster_role.yaml');
    const own = listed('config/audit/cluster_role.yaml');
    assert.deepEqual(
      names.filter((name) => !core.has(name) && !own.has(name)),
      [],
    );
    assert.deepEqual(
      [...own].filter((name) => !names.includes(name) && !name.startsWith('openreports.io/')),
      [],
    );
  });

  it('are all that checks need, but for Secrets', () => {
    const read = new Set(kinds.map(({ kind }) => kind));
    const needed = new Set<string>(CHECKS.flatMap(({ needs }) => needs));
    assert.deepEqual(
      [...needed].filter((kind) => !read.has(kind)),
      NEVER_READ,
    );
  });
});
