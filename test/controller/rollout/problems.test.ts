import assert from 'node:assert/strict';
import { errorToReport } from '../../../src/controller/rollout/list-error.ts';
import { workloadProblem } from '../../../src/controller/rollout/problems.ts';
import { ApiError } from '../../../src/kube/errors.ts';

const failure = (method: string, status: number) =>
  new ApiError({ method, path: '/x', status, reason: status === 403 ? 'Forbidden' : 'Down', message: 'no' });

describe('problem of a gate that reads workloads', () => {
  it('is none while nothing is known to be unreadable', () => {
    assert.equal(workloadProblem([]), undefined);
  });

  it('names the collections that the operator may not read, and no others', () => {
    const problem = workloadProblem([
      { name: 'daemonsets.apps in namespace a', error: failure('GET', 500) },
      { name: 'daemonsets.apps in namespace b', error: failure('GET', 403) },
    ]);
    assert.equal(problem?.reason, 'PermissionMissing');
    assert.match(
      problem.message,
      /^the operator may not list and watch daemonsets.apps in namespace b: no further/,
    );
  });

  it('counts the collections that can not be read, and has the error of the first', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const problem = workloadProblem(
      names.map((name, index) => ({ name, error: failure('GET', 500 + index) })),
    );
    assert.equal(problem?.reason, 'WorkloadsUnreadable');
    assert.match(
      problem.message,
      /^the gate can't read a, b, c and 2 more: GET \/x: 500 Down: no; no further/,
    );
  });
});

describe('error that is reported of a collection that was never listed', () => {
  it('stays that of the paged list, while streamed lists fail in their turns', () => {
    const [streamed, paged, later] = [failure('WATCH', 503), failure('GET', 500), failure('GET', 403)];
    assert.equal(errorToReport(undefined, streamed), streamed);
    assert.equal(errorToReport(streamed, paged), paged);
    assert.equal(errorToReport(paged, streamed), paged);
    assert.equal(errorToReport(paged, later), later);
  });
});
