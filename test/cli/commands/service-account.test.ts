/** Peers by ServiceAccount on manifests. They select the pods that the API server will label. */
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { cli, directoryOf } from '../cli.ts';

const MANIFESTS = `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: server}}
  isolation: [Ingress]
  ingress: [{name: web, from: [{serviceAccount: {namespace: client, name: web}}]}]
---
apiVersion: v1
kind: Namespace
metadata: {name: client}
---
apiVersion: v1
kind: Namespace
metadata: {name: server}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: client}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {serviceAccountName: web, containers: [{name: a, image: a}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: liar, namespace: client}
spec: {selector: {matchLabels: {app: liar, segmentation.dev/service-account: web}}, template: {metadata: {labels: {app: liar, segmentation.dev/service-account: web}}, spec: {containers: [{name: a, image: a}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: client}
spec: {serviceAccountName: web, containers: [{name: a, image: a}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: server}
spec: {selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}}, spec: {containers: [{name: a, image: a, ports: [{containerPort: 80}]}]}}}
`;
/** A running pod that was created before a profile named its account, so that it has no label. */
const RUNNING = `
---
apiVersion: v1
kind: Pod
metadata: {name: old, namespace: client, labels: {app: old}}
spec: {serviceAccountName: web, containers: [{name: a, image: a}]}
status: {phase: Running, podIP: 10.0.0.1}
`;

describe('a peer by ServiceAccount, on manifests', () => {
  const long = 'a'.repeat(64);
  const directory = directoryOf({
    'all.yaml': MANIFESTS,
    'running.yaml': MANIFESTS + RUNNING,
    'long.yaml': MANIFESTS.replace('name: web}}', `name: ${long}}}`),
  });

  it('is rendered as its namespace and the label', async () => {
    const { stdout, code } = await cli(`render -f ${directory}/all.yaml`);
    assert.equal(code, 0);
    const policies = parseAllDocuments(stdout).map((each) => each.toJS() as NetworkPolicy);
    assert.deepEqual(policies.find(({ metadata }) => metadata.name === 'shop.ingress')?.spec.ingress, [
      {
        from: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'client' } },
            podSelector: { matchLabels: { 'segmentation.dev/service-account': 'web' } },
          },
        ],
      },
    ]);
  });

  for (const [from, verdict] of [
    ['deploy/web', 'ALLOWED'],
    ['pod/alone', 'ALLOWED'],
    ['deploy/liar', 'DENIED'],
  ] as const) {
    it(`is explained for ${from}: ${verdict}`, async () => {
      const { stdout } = await cli(`explain client/${from} server/api -f ${directory}/all.yaml`);
      assert.match(stdout, new RegExp(`^${verdict} `, 'm'));
    });
  }

  it('leaves out running pods without the label, and warns of them', async () => {
    const { stdout } = await cli(`explain client/pod/old server/api -f ${directory}/running.yaml`);
    assert.match(stdout, /^DENIED /m);
    const { output } = await cli(`render -f ${directory}/running.yaml`);
    assert.match(output, /1 pod of ServiceAccount client\/web is from before such pods were labelled/);
  });

  it('is refused if the name of the account is too long for a label, as by the API server', async () => {
    const { code, stderr } = await cli(`render -f ${directory}/long.yaml`);
    assert.notEqual(code, 0);
    assert.match(stderr, /at most 63 characters: use an account with a shorter name, or a podSelector/);
  });
});
