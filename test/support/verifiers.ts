/** The kinds of verifiers of images on a control plane: without their schemas, and with no controller. */
import type { KubeObject } from '../../src/api/meta.ts';
import { VERIFIER_KINDS } from '../../src/policy/image-verification/kinds.ts';
import type { ControlPlane } from '../env/index.ts';
import { eventually } from './cluster.ts';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/** Serves the kinds, each in its newest version, and resolves when clients discover their groups. */
export async function serveVerifiers(plane: ControlPlane): Promise<void> {
  for (const { kind: known, wireKind: kind = known, group, versions, plural, namespaced } of VERIFIER_KINDS) {
    const schema = {
      openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    };
    await plane.admin.send('POST', DEFINITIONS, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope: namespaced ? 'Namespaced' : 'Cluster',
        names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
        versions: [{ name: versions.at(-1), served: true, storage: true, schema }],
      },
    });
  }
  await eventually(async () => {
    const { groups } = (await plane.admin.send('GET', '/apis')) as { groups: { name: string }[] };
    const served = new Set(groups.map(({ name }) => name));
    const missing = VERIFIER_KINDS.filter(({ group }) => !served.has(group));
    if (missing.length > 0) throw new Error(`not served: ${missing.map(({ group }) => group).join(', ')}`);
    for (const { group, versions, plural } of VERIFIER_KINDS)
      await plane.admin.send('GET', `/apis/${group}/${versions.at(-1)}/${plural}`);
  });
}

export async function removeVerifiers(plane: ControlPlane): Promise<void> {
  const { items } = (await plane.admin.send('GET', DEFINITIONS)) as { items: KubeObject[] };
  const names = new Set(VERIFIER_KINDS.map(({ plural, group }) => `${plural}.${group}`));
  for (const { metadata } of items)
    if (names.has(metadata.name)) await plane.admin.send('DELETE', `${DEFINITIONS}/${metadata.name}`);
}
