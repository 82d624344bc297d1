/** Turns a snapshot into the input of an audit. Pure. */
import type { KubeObject } from '../api/meta.ts';
import type { SegmentationProfile } from '../api/profile.ts';
import { auditedAnnotations, auditedSpec, type PodSpec } from '../audit/pod-spec.ts';
import type { AuditPod, AuditSnapshot } from '../audit/snapshot.ts';
import { apiUsesOf, unreadDefinitionsOf, unreadObjectsOf } from './api-uses.ts';
import { AUDITED_SPEC, POD_COUNT, type WorkloadPod } from './pods.ts';
import { MANIFESTS } from './input.ts';
import type { Snapshot } from './snapshot.ts';

interface RawTemplate {
  readonly metadata?: KubeObject['metadata'];
  readonly spec?: PodSpec;
}

type RawPod = KubeObject & RawTemplate & { readonly [AUDITED_SPEC]?: PodSpec; readonly [POD_COUNT]?: number };

type RawWorkload = KubeObject & {
  readonly spec?: {
    readonly template?: RawTemplate;
    readonly jobTemplate?: { readonly spec?: { readonly template?: RawTemplate } };
  };
};

export function auditSnapshot(snapshot: Snapshot): AuditSnapshot {
  const { objects, protectedNamespaces } = snapshot;
  const annotations = new Map(
    objects.of('Namespace').map(({ metadata }) => [metadata.name, metadata.annotations]),
  );
  const enforcing = enforcingProfiles(snapshot);
  return {
    isComplete: snapshot.origin !== MANIFESTS,
    namespaces: snapshot.namespaces.map(({ name, labels, assumed }) => {
      const own = annotations.get(name);
      const isProtected = protectedNamespaces.has(name);
      const mayHaveOtherPods = snapshot.origin === MANIFESTS && objects.hasCustom(name);
      return {
        name,
        labels,
        isProtected,
        isAssumed: assumed,
        mayHaveOtherPods,
        ...(own && { annotations: own }),
      };
    }),
    pods: snapshot.pods.map((pod) => auditedPod(pod, snapshot)),
    policies: snapshot.effective(),
    profiles: snapshot.profiles,
    ownerOf: (policy) => snapshot.ownerOf(policy),
    enforced: new Set(enforcing.keys()),
    enforcing: (namespace) => enforcing.get(namespace) ?? [],
    objects: (kind) => objects.of(kind),
    serverVersion: snapshot.serverVersion,
    apiUses: apiUsesOf(objects),
    unreadObjects: unreadObjectsOf(objects),
    unreadDefinitions: unreadDefinitionsOf(objects),
    isRead: (kind) => !snapshot.unread.has(kind),
  };
}

/** The profiles that are enforced in a namespace, by its name. Namespaces without such profiles are absent. */
function enforcingProfiles(snapshot: Snapshot): ReadonlyMap<string, readonly SegmentationProfile[]> {
  const profiles = snapshot.namespaces.map((namespace) => {
    const own = snapshot.profiles.filter((profile) => snapshot.relation(profile, namespace) === 'enforce');
    return [namespace.name, own] as const;
  });
  return new Map(profiles.filter(([, own]) => own.length > 0));
}

/** A pod with its spec: its own, or that of its workload's template if the pod is still to be created. */
function auditedPod(pod: WorkloadPod, { objects }: Snapshot): AuditPod {
  const { kind, namespace, name } = pod.workload;
  const template = pod.fresh ? templateOf(objects.get(kind, name, namespace)) : undefined;
  const own: RawPod | undefined = objects.get('Pod', pod.name, pod.namespace);
  const { metadata, spec = {} } = template ?? own ?? {};
  const annotations = auditedAnnotations(metadata?.annotations);
  const count = own?.[POD_COUNT];
  return {
    ...pod,
    ...(count !== undefined && { count }),
    spec: (template === undefined ? own?.[AUDITED_SPEC] : undefined) ?? auditedSpec(spec),
    ...(annotations && { annotations }),
  };
}

function templateOf(object: KubeObject | undefined): RawTemplate | undefined {
  const { spec } = (object ?? {}) as RawWorkload;
  return spec?.template ?? spec?.jobTemplate?.spec?.template;
}
