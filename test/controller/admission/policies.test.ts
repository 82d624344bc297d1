/** The check of the installed admission policies: missing ones, and those that except another account. */
import assert from 'node:assert/strict';
import { ADMISSION_POLICIES } from '../../../src/cluster-state/items.ts';
import { type AdmissionPolicyObject, policyFailure } from '../../../src/controller/admission/policies.ts';
import { errorOfStatus } from '../../../src/kube/errors.ts';
import type { Request, Transport } from '../../../src/kube/http/transport.ts';
import { Resource } from '../../../src/kube/resource.ts';
import { type AdmissionPolicy, POLICY_NAMES } from '../../../src/policy/admission/binding.ts';

const ACCOUNT = 'system:serviceaccount:ops:operator';

describe('the check of installed admission policies', () => {
  /** Expressions of the policies that are installed, by name. */
  let installed: Map<string, string>;

  beforeEach(() => {
    installed = new Map(
      Object.values(POLICY_NAMES).map((name) => [name, `request.userInfo.username != '${ACCOUNT}'`]),
    );
  });

  const check = (...policies: AdmissionPolicy[]) => {
    const transport: Transport = {
      request: async <T>(request: Request) => {
        const name = request.path.split('/').at(-1) ?? '';
        const expression = installed.get(name);
        if (expression === undefined)
          throw errorOfStatus(request, { kind: 'Status', code: 404, details: { name } });
        return { metadata: { name }, spec: { matchConditions: [{ expression }] } } as T;
      },
      watch: () => assert.fail('nothing is watched'),
      close: () => Promise.resolve(),
    };
    const admissionPolicies = new Resource<AdmissionPolicyObject>(transport, ADMISSION_POLICIES);
    const options = { admissionPolicies, account: () => Promise.resolve(ACCOUNT) };
    return policyFailure(policies, options, new AbortController().signal);
  };

  it('passes policies that are installed and except the operator', async () => {
    assert.equal(await check('gate', 'protect', 'tenantPolicies', 'probe'), undefined);
  });

  it('fails if a policy is not installed, and names it with the command that installs it', async () => {
    installed.delete(POLICY_NAMES.probe);
    const failure = await check('gate', 'probe');
    assert.deepEqual([failure?.reason, failure?.kind], ['NotInstalled', 'waiting']);
    assert.match(
      failure?.message ?? '',
      /Policy probe\.\S+ is not installed: kubectl apply -k config\/admission/,
    );
  });

  it('fails if a policy excepts another account whose name begins like the operator’s', async () => {
    installed.set(POLICY_NAMES.protect, `request.userInfo.username != '${ACCOUNT}-2'`);
    const failure = await check('protect');
    assert.deepEqual([failure?.reason, failure?.kind], ['OtherAccount', 'stalled']);
    assert.match(failure?.message ?? '', new RegExp(`does not except ${ACCOUNT}`));
  });

  it('does not ask of a gate that it excepts the operator', async () => {
    installed.set(POLICY_NAMES.gate, 'true');
    assert.equal(await check('gate'), undefined);
  });
});
