/** The part of an object of a cluster that a snapshot keeps, so that large clusters stay small in memory. */
import { createHash } from 'node:crypto';
import type { KubeObject, ObjectMeta } from '../api/meta.ts';
import { auditedAnnotations, auditedSpec, type PodSpec } from '../audit/pod-spec.ts';
import { outdatedManagers } from './api-uses.ts';
import type { KnownKind } from './objects.ts';
import { AUDITED_SPEC, trimmedPod } from './pods.ts';

/** Keeps of an object what commands need. For an audit, equal parts of objects are kept once. */
export class Projection {
  readonly #forAudit: boolean;
  readonly #parts = new Map<string, object>();

  constructor(forAudit: boolean) {
    this.#forAudit = forAudit;
  }

  of(raw: object, kind: KnownKind): KubeObject {
    if (kind.kind === 'Pod') return this.#forAudit ? this.#auditedPod(raw) : trimmedPod(raw);
    const object = trimmed(raw, kind, this.#forAudit);
    // A Job is read for its owner only: its template would stand for pods that are listed as such.
    if (kind.kind === 'Job') return { kind: kind.kind, metadata: object.metadata };
    return this.#forAudit ? this.#shared(object) : object;
  }

  #auditedPod(raw: object): KubeObject {
    const { spec = {}, metadata } = raw as KubeObject & { readonly spec?: PodSpec };
    const pod = trimmedPod(raw);
    // The name of the token's volume is the one part of a spec that differs between pods of a workload.
    const text = JSON.stringify(auditedSpec(spec)).replaceAll(
      /"kube-api-access-[a-z0-9]{5}"/g,
      '"kube-api-access"',
    );
    const annotations = auditedAnnotations(metadata.annotations);
    const kept =
      annotations === undefined
        ? pod.metadata
        : { ...pod.metadata, annotations: { ...pod.metadata.annotations, ...annotations } };
    return { ...pod, metadata: this.#sharedMetadata(kept), [AUDITED_SPEC]: this.#part(text) } as KubeObject;
  }

  /** The object with parts that equal objects share: policies of a profile are the same in many namespaces. */
  #shared(object: KubeObject): KubeObject {
    const { metadata, ...rest } = object;
    const parts = Object.entries(rest).map(([key, value]: [string, unknown]) => [
      key,
      key === 'status' ? value : this.#sharedPart(value),
    ]);
    return { ...Object.fromEntries(parts), metadata: this.#sharedMetadata(metadata) } as KubeObject;
  }

  #sharedMetadata(metadata: ObjectMeta): ObjectMeta {
    const { labels, annotations } = metadata;
    return {
      ...metadata,
      ...(labels && { labels: this.#sharedPart(labels) }),
      ...(annotations && { annotations: this.#sharedPart(annotations) }),
    };
  }

  #sharedPart<T>(value: T): T {
    return typeof value === 'object' && value !== null
      ? (this.#part(JSON.stringify(value), value) as T)
      : value;
  }

  /** The one object for the JSON text; `value`, or the parsed text, if it is new. */
  #part(text: string, value?: object): object {
    // A digest takes less memory than the text.
    const key = createHash('sha1').update(text).digest('base64');
    let part = this.#parts.get(key);
    if (part === undefined) this.#parts.set(key, (part = value ?? (JSON.parse(text) as object)));
    return part;
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
