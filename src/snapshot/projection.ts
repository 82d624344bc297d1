/** The part of an object of a cluster that a snapshot keeps, so that large clusters stay small in memory. */
import type { KubeObject } from '../api/meta.ts';
import { auditedAnnotations, auditedSpec, type PodSpec } from '../audit/pod-spec.ts';
import { outdatedManagers } from './api-uses.ts';
import type { KnownKind } from './objects.ts';
import { AUDITED_SPEC, trimmedPod } from './pods.ts';

/** Keeps of an object what commands need. Equal specs of pods are kept once. */
export class Projection {
  readonly #forAudit: boolean;
  readonly #specs = new Map<string, PodSpec>();

  constructor(forAudit: boolean) {
    this.#forAudit = forAudit;
  }

  of(raw: object, kind: KnownKind): KubeObject {
    if (kind.kind === 'Pod') return this.#forAudit ? this.#auditedPod(raw) : trimmedPod(raw);
    const object = trimmed(raw, kind, this.#forAudit);
    // A Job is read for its owner only: its template would stand for pods that are listed as such.
    return kind.kind === 'Job' ? { kind: kind.kind, metadata: object.metadata } : object;
  }

  #auditedPod(raw: object): KubeObject {
    const { spec = {}, metadata } = raw as KubeObject & { readonly spec?: PodSpec };
    const pod = trimmedPod(raw) as KubeObject & { readonly spec: object };
    // The name of the token's volume is the one part of a spec that differs between pods of a workload.
    const text = JSON.stringify(auditedSpec(spec)).replaceAll(
      /"kube-api-access-[a-z0-9]{5}"/g,
      '"kube-api-access"',
    );
    const known = this.#specs.get(text) ?? (JSON.parse(text) as PodSpec);
    this.#specs.set(text, known);
    const annotations = auditedAnnotations(metadata.annotations);
    const kept = annotations === undefined ? pod.metadata : { ...pod.metadata, annotations };
    return { ...pod, metadata: kept, [AUDITED_SPEC]: known } as KubeObject;
  }
}

/** Adds apiVersion and kind, which items of a list lack, and drops managedFields but for those that an audit reports. */
function trimmed(raw: object, { kind, group, version }: KnownKind, forAudit: boolean): KubeObject {
  const { metadata, ...rest } = raw as KubeObject;
  const { managedFields: _, ...kept } = metadata;
  const managers = forAudit ? (outdatedManagers(kind, metadata) ?? []) : [];
  return {
    ...rest,
    apiVersion: group === '' ? version : `${group}/${version}`,
    kind,
    metadata: managers.length === 0 ? kept : { ...kept, managedFields: managers },
  };
}
