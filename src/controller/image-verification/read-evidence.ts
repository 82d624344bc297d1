/** Reads the objects by which images are verified. Kinds that the cluster does not serve cost nothing. */
import type { KubeObject } from '../../api/meta.ts';
import { servedVersions } from '../../kube/discovery.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import type { Transport } from '../../kube/http/transport.ts';
import { Resource, type ResourceKind } from '../../kube/resource.ts';
import { type Evidence, type EvidenceKind, WEBHOOK_KINDS } from '../../policy/image-verification/evidence.ts';
import { VERIFIER_KINDS } from '../../policy/image-verification/kinds.ts';

const WEBHOOKS: Readonly<Record<(typeof WEBHOOK_KINDS)[number], ResourceKind>> = {
  ValidatingWebhookConfiguration: {
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'validatingwebhookconfigurations',
    namespaced: false,
  },
  MutatingWebhookConfiguration: {
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    plural: 'mutatingwebhookconfigurations',
    namespaced: false,
  },
};

export interface ReadEvidence extends Evidence {
  /** Resources that the operator may not list. */
  readonly forbidden: readonly string[];
}

/** @throws ApiError */
export async function readEvidence(transport: Transport, signal: AbortSignal): Promise<ReadEvidence> {
  const isServed = await servedVersions(transport, signal);
  const found = new Map<EvidenceKind, readonly KubeObject[]>();
  const forbidden: string[] = [];
  const read = async (kind: EvidenceKind, resource: ResourceKind) => {
    try {
      const { items } = await new Resource<KubeObject>(transport, resource).listAll({ signal });
      if (items.length > 0) found.set(kind, items);
    } catch (error) {
      if (isForbidden(error)) forbidden.push(`${resource.plural}.${resource.group}`);
      else if (!isNotFound(error)) throw error;
    }
  };
  for (const { kind, group, versions, plural, namespaced } of VERIFIER_KINDS) {
    const version = versions.findLast((each) => isServed({ group, version: each }));
    if (version !== undefined) await read(kind, { group, version, plural, namespaced });
  }
  // Connaisseur has no other object than its webhook.
  for (const kind of WEBHOOK_KINDS) await read(kind, WEBHOOKS[kind]);
  return { objects: (kind) => found.get(kind) ?? [], forbidden };
}
