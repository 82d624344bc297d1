/** The snapshot of an audit with what several checks derive from it, computed once and on demand. Pure. */
import { coverage, type NamespaceCoverage } from '../analysis/coverage.ts';
import { LABEL_NAMESPACE_NAME } from '../api/names.ts';
import type { LabelSelector, StringMap } from '../api/meta.ts';
import type { NetworkPolicy } from '../api/network-policy.ts';
import { matches } from '../policy/semantics/selector.ts';
import type { ObjectReference } from './finding.ts';
import type { AuditNamespace, AuditPod, AuditSnapshot, AuditWorkload } from './snapshot.ts';
import { namespacesOfPodMakers, templateSelector } from './unseen-pods.ts';

export interface AuditSettings {
  /** Registries that images may come from: `HOST`, or `HOST/PATH`. Empty: any. */
  readonly registries: readonly string[];
}

export class AuditContext {
  readonly snapshot: AuditSnapshot;
  readonly settings: AuditSettings;
  /** The audited namespaces: all that are not protected, unless the caller names some. */
  readonly namespaces: readonly AuditNamespace[];
  /** The pods of the audited namespaces. */
  readonly pods: readonly AuditPod[];
  readonly #audited: ReadonlySet<string>;
  #podsByNamespace: ReadonlyMap<string, readonly AuditPod[]> | undefined;
  #unclear: ReadonlySet<string> | undefined;
  #policiesByNamespace: ReadonlyMap<string, readonly NetworkPolicy[]> | undefined;
  #coverage: ReadonlyMap<string, NamespaceCoverage<AuditPod>> | undefined;
  #labels: ReadonlyMap<string, StringMap> | undefined;

  constructor(snapshot: AuditSnapshot, settings: AuditSettings, chosen?: ReadonlySet<string>) {
    this.snapshot = snapshot;
    this.settings = settings;
    this.namespaces = snapshot.namespaces.filter(
      ({ name, isProtected }) => chosen?.has(name) ?? !isProtected,
    );
    this.#audited = new Set(this.namespaces.map(({ name }) => name));
    this.pods = snapshot.pods.filter(({ namespace }) => this.#audited.has(namespace));
  }

  /** True for an object of an audited namespace, and for a cluster-scoped one. */
  audits({ metadata }: { readonly metadata: { readonly namespace?: string } }): boolean {
    return metadata.namespace === undefined || this.#audited.has(metadata.namespace);
  }

  podsOf(namespace: string): readonly AuditPod[] {
    this.#podsByNamespace ??= Map.groupBy(this.snapshot.pods, (pod) => pod.namespace);
    return this.#podsByNamespace.get(namespace) ?? [];
  }

  /** True if the namespace has pods, and all of them are known: then a selector without pods is a finding. */
  knowsPodsOf(namespace: string): boolean {
    this.#unclear ??= this.#withUnseenPods();
    return this.podsOf(namespace).length > 0 && !this.#unclear.has(namespace);
  }

  /** A cluster shows all its pods. */
  #withUnseenPods(): ReadonlySet<string> {
    const { isComplete, namespaces } = this.snapshot;
    if (isComplete) return new Set();
    const named = namespaces.filter((each) => each.mayHaveOtherPods === true).map(({ name }) => name);
    return new Set([...named, ...namespacesOfPodMakers(this.snapshot)]);
  }

  /** The pods of a namespace with the labels; among manifests, whatever labels they get when they are created. */
  selectedPods(namespace: string, selector: LabelSelector): readonly AuditPod[] {
    const known = this.snapshot.isComplete ? selector : templateSelector(selector);
    return this.podsOf(namespace).filter(({ labels }) => matches(known, labels));
  }

  policiesOf(namespace: string): readonly NetworkPolicy[] {
    this.#policiesByNamespace ??= Map.groupBy(
      this.snapshot.policies,
      ({ metadata }) => metadata.namespace ?? 'default',
    );
    return this.#policiesByNamespace.get(namespace) ?? [];
  }

  /** The policies of the audited namespaces. */
  policies(): readonly NetworkPolicy[] {
    return this.namespaces.flatMap(({ name }) => this.policiesOf(name));
  }

  /** How far policies isolate the pods of an audited namespace. */
  coverageOf(namespace: string): NamespaceCoverage<AuditPod> | undefined {
    this.#coverage ??= coverage({ ...this.snapshot, namespaces: this.namespaces, pods: this.pods });
    return this.#coverage.get(namespace);
  }

  /** The labels of a namespace, with the label of its name. */
  labelsOf(namespace: string): StringMap {
    this.#labels ??= new Map(
      this.snapshot.namespaces.map(({ name, labels }) => [name, { ...labels, [LABEL_NAMESPACE_NAME]: name }]),
    );
    return this.#labels.get(namespace) ?? { [LABEL_NAMESPACE_NAME]: namespace };
  }
}

/** The distinct workloads of pods, in order. */
export function workloadsOf(pods: readonly AuditPod[]): AuditWorkload[] {
  return [
    ...new Map(
      pods.map(({ workload }) => [`${workload.kind}/${workload.namespace}/${workload.name}`, workload]),
    ).values(),
  ];
}

export function policyReference({ metadata }: NetworkPolicy): ObjectReference {
  return { kind: 'NetworkPolicy', namespace: metadata.namespace ?? 'default', name: metadata.name };
}
