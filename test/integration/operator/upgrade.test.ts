/** Upgrades from each recorded version to this one, with its manifests and objects, and the way back. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { type ControlPlane, type NodeAgent, startControlPlane, startNodeAgent } from '../../env/index.ts';
import { consistently, eventually } from '../../support/cluster.ts';
import { Operators } from '../../support/operator.ts';
import { crdEstablished } from '../../env/plane/crd.ts';

const root = join(import.meta.dirname, '../../..');
const fixtures = join(root, 'test/fixtures/upgrade');
const NAMESPACE = 'segmentation-system';
const OPERATOR = 'segmentation-operator';
const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const PROFILES = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
/** Longer than the operator waits before it writes a status again. */
const QUIET_MS = 700;

/** Policies (NAMESPACE/NAME) that this version compiles differently, and why, by the version that wrote them. */
const REWRITTEN: Readonly<Record<string, readonly string[]>> = {
  // `sameNamespaceLabels` has a peer for the namespace's own pods, which still matches when the label changes.
  'v0.1.0-alpha.1': ['shop-checkout/every-peer.ingress'],
};

interface List<T> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly T[];
}

const title = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;
const versions = readdirSync(fixtures, { withFileTypes: true }).filter((entry) => entry.isDirectory());

describe('upgrade', () => {
  it('is tested from at least one recorded version', () => assert.notEqual(versions.length, 0));

  for (const { name: version } of versions) {
    describe(`from ${version}`, () => {
      const operators = new Operators();
      const file = (name: string) => join(fixtures, version, name);
      const objects = <T>(text: string) => parseAllDocuments(text).map((document) => document.toJS() as T);
      let plane: ControlPlane;
      let agent: NodeAgent;
      let stored: List<NetworkPolicy>;
      let profiles: List<SegmentationProfile>;

      const kubectl = (...args: readonly string[]) => plane.kubectlRun(args);
      const list = async <T>(path: string) => (await plane.admin.send('GET', path)) as List<T>;
      const ownPolicies = (policies: List<NetworkPolicy>) =>
        policies.items.filter(({ metadata }) => metadata.labels?.['segmentation.dev/profile'] !== undefined);

      before(async () => {
        plane = await startControlPlane();
        agent = await startNodeAgent(plane);
        await kubectl('apply', '-f', file('install.yaml'));
        await crdEstablished((args) => kubectl(...args));
        await kubectl('apply', '-f', file('cluster.yaml'));
        await eventually(() => list(PROFILES)); // until the kind is served
        await restore();
        stored = await list(POLICIES);
        profiles = await list(PROFILES);
      });
      after(async () => {
        await operators.end();
        await agent.stop();
        await plane.stop();
      });

      /** Creates the recorded objects, with the uids and the port of this control plane. */
      async function restore(): Promise<void> {
        const uids = new Map<string, string>();
        for (const profile of objects<SegmentationProfile>(readFileSync(file('profiles.yaml'), 'utf8'))) {
          const { uid: old = '', ...metadata } = profile.metadata;
          const { metadata: created } = (await plane.admin.send('POST', PROFILES, {
            ...profile,
            metadata,
          })) as KubeObject;
          uids.set(old, created.uid ?? '');
          const { observedGeneration = 0 } = profile.status ?? {};
          assert.equal(
            observedGeneration,
            profile.metadata.generation,
            'the profile was recorded before it was Ready',
          );
          const status = JSON.parse(
            JSON.stringify(profile.status).replaceAll(
              `"observedGeneration":${observedGeneration}`,
              `"observedGeneration":${created.generation}`,
            ),
          ) as object;
          await plane.admin.send('PATCH', `${PROFILES}/${metadata.name}/status`, { status });
        }
        const port = new URL(plane.server).port;
        const text = readFileSync(file('policies.yaml'), 'utf8').replaceAll('port: 6443', `port: ${port}`);
        for (const policy of objects<NetworkPolicy>(text)) {
          const {
            uid: _,
            generation: _generation,
            namespace = '',
            ownerReferences,
            ...metadata
          } = policy.metadata;
          const owners = ownerReferences?.map((each) => ({ ...each, uid: uids.get(each.uid) }));
          const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies?fieldManager=${OPERATOR}`;
          const body = { ...policy, metadata: { ...metadata, ...(owners && { ownerReferences: owners }) } };
          await plane.admin.send('POST', path, body);
        }
      }

      it('applies over the installed manifests', async () => {
        await kubectl('apply', '-k', join(root, 'config/default'));
        await kubectl('-n', NAMESPACE, 'rollout', 'status', `deploy/${OPERATOR}`, '--timeout=20s');
      });

      it('keeps every stored profile valid', async () => {
        for (const { metadata, spec } of profiles.items) {
          const args = ['annotate', 'segp', metadata.name, 'touched=yes', '--dry-run=server', '-o', 'json'];
          const annotated = JSON.parse(await kubectl(...args)) as SegmentationProfile;
          // Fields that are newer than the profile have their defaults.
          assert.partialDeepStrictEqual(annotated.spec, spec, metadata.name);
        }
      });

      it('rewrites only policies that compile differently, deletes none, and is Ready', async () => {
        const expected = REWRITTEN[version] ?? [];
        const seen: string[] = [];
        const watching = new AbortController();
        const watch = (async () => {
          const path = `${POLICIES}?watch=true&resourceVersion=${stored.metadata.resourceVersion}`;
          for await (const event of plane.admin.stream(path, watching.signal)) {
            const { type, object } = event as { type: string; object: NetworkPolicy };
            if (object.metadata.namespace !== NAMESPACE) seen.push(`${type} ${title(object)}`);
          }
        })().catch((error: unknown) => {
          if (!watching.signal.aborted) seen.push(String(error));
        });

        const kubeconfig = await plane.serviceAccountKubeconfig(NAMESPACE, OPERATOR);
        const operator = await operators.start(kubeconfig);
        await operator.line('all namespaces reconciled');
        for (const { metadata } of profiles.items) {
          await eventually(async () => {
            const { status } = (await plane.admin.send(
              'GET',
              `${PROFILES}/${metadata.name}`,
            )) as SegmentationProfile;
            const ready = status?.conditions?.find(({ type }) => type === 'Ready');
            assert.equal(ready?.status, 'True', `${metadata.name}: ${ready?.message}`);
          });
        }
        await consistently(() => assert.ok(operator.running), QUIET_MS);
        watching.abort();
        await watch;
        // A deletion, or a policy under a new name, could open or cut a flow.
        assert.deepEqual([...new Set(seen)].sort(), expected.map((each) => `MODIFIED ${each}`).sort());
        const now = ownPolicies(await list(POLICIES));
        assert.deepEqual(now.map(title), ownPolicies(stored).map(title));
        assert.deepEqual(
          operator.lines().filter(({ level }) => level === 'error'),
          [],
        );
        await operator.stop();
      });

      it('can be reverted: the old manifests apply, and the stored objects stay', async () => {
        await kubectl('apply', '-f', file('install.yaml'));
        // Just after a CRD has changed, the API server may answer that the client should retry.
        const now = await eventually(() => list<SegmentationProfile>(PROFILES));
        assert.deepEqual(
          now.items.map(({ metadata, spec }) => ({ name: metadata.name, uid: metadata.uid, spec })),
          profiles.items.map(({ metadata, spec }) => ({ name: metadata.name, uid: metadata.uid, spec })),
        );
        assert.deepEqual(
          ownPolicies(await list(POLICIES)).map(({ metadata }) => metadata.uid),
          ownPolicies(stored).map(({ metadata }) => metadata.uid),
        );
      });
    });
  }
});
