/** Equal pods of a workload are one, as far as no policy tells their addresses apart. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../src/api/meta.ts';
import { AddressRanges, cidrTexts, PodGroups } from '../../src/audit-runner/pod-groups.ts';
import { KNOWN_KINDS } from '../../src/snapshot/objects.ts';
import { POD_COUNT } from '../../src/snapshot/pods.ts';
import { Projection } from '../../src/snapshot/projection.ts';

interface Given {
  readonly name: string;
  readonly ip?: string;
  readonly image?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly owner?: string;
  readonly phase?: string;
}

type Merged = KubeObject & {
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
  readonly [POD_COUNT]: number;
};

/** Names, numbers and addresses of the pods that are left. */
function merged(pods: readonly Given[], cidrs: readonly string[] = []): string[] {
  const kind = KNOWN_KINDS.find((each) => each.kind === 'Pod');
  assert.ok(kind);
  const [projection, groups] = [new Projection(true), new PodGroups()];
  for (const pod of pods) groups.add(projection.of(rawPod(pod), kind));
  return [...groups.pods(new AddressRanges(cidrs))].map((pod) => {
    const { metadata, status, [POD_COUNT]: count } = pod as Merged;
    return `${metadata.name} ${count} ${status.podIPs.map(({ ip }) => ip).join()}`.trim();
  });
}

function rawPod({
  name,
  ip,
  image = 'web',
  labels = { app: 'web' },
  owner = 'web',
  phase = 'Running',
}: Given) {
  return {
    metadata: {
      namespace: 'shop',
      name,
      labels,
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: name, controller: true },
      ],
    },
    spec: { nodeName: `node-of-${name}`, containers: [{ name: 'web', image }] },
    status: { phase, ...(ip !== undefined && { podIPs: [{ ip }] }) },
  };
}

describe('groups of pods', () => {
  const a = { name: 'a', ip: '10.0.0.1' };
  const b = { name: 'b', ip: '10.0.0.2' };

  it('have the addresses of all replicas, on whatever node they run', () => {
    assert.deepEqual(merged([a, b]), ['a 2 10.0.0.1,10.0.0.2']);
  });

  const DIFFERENT: Readonly<Record<string, Given>> = {
    'another image': { ...b, image: 'web:2' },
    'other labels': { ...b, labels: { app: 'web', track: 'canary' } },
    'another owner': { ...b, owner: 'api' },
  };
  for (const [what, other] of Object.entries(DIFFERENT)) {
    it(`leave a pod with ${what} alone`, () => {
      assert.deepEqual(merged([a, other]), ['a 1 10.0.0.1', 'b 1 10.0.0.2']);
    });
  }

  it('do not have pods that have ended', () => {
    assert.deepEqual(merged([{ ...a, phase: 'Succeeded' }, b]), ['b 1 10.0.0.2']);
  });

  it('have pods without an address', () => {
    assert.deepEqual(merged([{ name: 'a' }, { name: 'b' }]), ['a 2']);
  });

  it('are split where a CIDR has the address of one pod and not that of the other', () => {
    assert.deepEqual(merged([a, b], ['10.0.0.2/32']), ['a 1 10.0.0.1', 'a/1 1 10.0.0.2']);
    assert.deepEqual(merged([a, b], ['10.0.0.0/8', '0.0.0.0/0', '::/0']), ['a 2 10.0.0.1,10.0.0.2']);
  });

  it('know the CIDRs of policies of every kind', () => {
    const policy = {
      spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }] },
    };
    const calico = { spec: { egress: [{ destination: { nets: ['2001:db8::/32'] }, action: 'Allow' }] } };
    assert.deepEqual([...cidrTexts([policy, calico])], ['10.0.0.0/8', '10.1.0.0/16', '2001:db8::/32']);
  });
});
