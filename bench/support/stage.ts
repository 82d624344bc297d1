/** The control plane of one benchmark, with the operator's CRD and role, and namespaces to segment. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeObject } from '../../src/api/meta.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { NAMESPACES, NETWORK_POLICIES, PROFILES } from '../../src/cluster-state/items.ts';
import { readKubeconfigs } from '../../src/kube/config/kubeconfig.ts';
import { Resource } from '../../src/kube/resource.ts';
import { createTransport, type Transport } from '../../src/kube/http/transport.ts';
import { type ControlPlane, startControlPlane } from '../../test/env/index.ts';
import { cpuSeconds, inFlight, processesOf } from './figures.ts';
import { startOperator } from './operator.ts';
import type { RawPolicies } from './raw-writer.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Policies of the profile below: default-deny, egress (DNS), and three rules with a podSelector. */
export const POLICIES_PER_NAMESPACE = 5;
/** The port of the rule that a benchmark changes, and its new value. */
export const RULE_PORT = 9090;
export const EDITED_PORT = 9091;
const PARALLEL = 32;

export class Stage {
  readonly plane: ControlPlane;
  /** Path of a kubeconfig of the operator's ServiceAccount, which the raw writer uses too. */
  readonly kubeconfig: string;
  /** Path of a kubeconfig of the peer's ServiceAccount. */
  readonly peerKubeconfig: string;
  readonly namespaces: Resource<KubeObject>;
  readonly policies: Resource<NetworkPolicy>;
  readonly profiles: Resource<SegmentationProfile>;
  readonly #transport: Transport;
  readonly #servers: readonly number[];

  private constructor(plane: ControlPlane, kubeconfig: string, peerKubeconfig: string) {
    this.plane = plane;
    this.kubeconfig = kubeconfig;
    this.peerKubeconfig = peerKubeconfig;
    this.#transport = createTransport(readKubeconfigs([plane.kubeconfig]), {
      userAgent: 'bench',
    });
    this.namespaces = new Resource(this.#transport, NAMESPACES);
    this.policies = new Resource(this.#transport, NETWORK_POLICIES);
    this.profiles = new Resource(this.#transport, PROFILES);
    this.#servers = processesOf(plane.directory);
  }

  /** Runs `work` on a stage, and removes the stage. */
  static async use<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
    const plane = await startControlPlane();
    try {
      await plane.kubectlRun(['apply', '-f', join(ROOT, 'config/manager/namespace.yaml')]);
      await plane.kubectlRun(['apply', '--server-side', '-k', join(ROOT, 'config/crd')]);
      await plane.kubectlRun(['apply', '-k', join(ROOT, 'config/rbac')]);
      await plane.kubectlRun(['apply', '-f', join(ROOT, 'bench/peers/controller-runtime/install.yaml')]);
      const stage = new Stage(
        plane,
        await plane.serviceAccountKubeconfig('segmentation-system', 'segmentation-operator'),
        await plane.serviceAccountKubeconfig('policy-sets', 'policy-sets'),
      );
      await stage.#garbageCollectorWatchesOwners();
      try {
        return await work(stage);
      } finally {
        await stage.#transport.close();
      }
    } finally {
      await plane.stop();
    }
  }

  /**
   * Waits until the garbage collector watches the owners of policies. It looks for new kinds every 30 seconds, and before
   * that it reads every policy that such an object owns, which would count towards the operator's use of the server.
   */
  async #garbageCollectorWatchesOwners(): Promise<void> {
    const watches = ['segmentationprofiles', 'policysets'].map(
      (resource) =>
        new RegExp(
          `^apiserver_longrunning_requests\\{.*resource="${resource}".*verb="WATCH".*\\} [1-9]`,
          'm',
        ),
    );
    for (;;) {
      const metrics = await this.plane.kubectlRun(['get', '--raw', '/metrics']);
      if (watches.every((watch) => watch.test(metrics))) return;
      await sleep(1000);
    }
  }

  /** Seconds of CPU that etcd, the API server and the controller manager have used. */
  get serverCpuSeconds(): number {
    return this.#servers.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }

  /** Creates the namespaces PREFIX-0, PREFIX-1 and so on, which the profile NAME selects by the label `bench`. */
  async createNamespaces(prefix: string, count: number, profile?: string): Promise<string[]> {
    const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    await inFlight(names, PARALLEL, (name) => this.createNamespace(name, profile));
    return names;
  }

  async createNamespace(name: string, profile?: string): Promise<void> {
    const labels: Record<string, string> = profile === undefined ? {} : { bench: profile };
    await this.namespaces.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } });
  }

  async createProfile(name: string): Promise<void> {
    await this.profiles.create(profileOf(name));
  }

  /** Runs the operator until it has written the policies of one namespace. @returns these policies */
  async pilot(): Promise<PolicyTemplate[]> {
    const name = 'pilot';
    await this.createProfile(name);
    await this.createNamespace(name, name);
    const operator = await startOperator(this.kubeconfig);
    await this.ready(name, 1);
    await operator.stop();
    const { items } = await this.policies.listAll({ namespace: name });
    return items.map(({ metadata, spec }) => ({
      name: metadata.name.slice(name.length + 1),
      labels: metadata.labels ?? {},
      annotations: metadata.annotations ?? {},
      spec,
    }));
  }

  /** Changes one rule, which changes one policy of each namespace. */
  async editProfile(name: string, port: number): Promise<void> {
    const ingress = [ruleFor('web', 'from', 8080), ruleFor('metrics', 'from', port)];
    await this.profiles.patch(name, undefined, { spec: { ingress } });
  }

  /** Resolves when the profile's status reports that this generation is enforced. */
  async ready(name: string, generation: number): Promise<void> {
    for (;;) {
      const { status } = await this.profiles.get(name);
      const condition = status?.conditions?.find(({ type }) => type === 'Ready');
      if (condition?.status === 'True' && condition.observedGeneration === generation) return;
      await sleep(50);
    }
  }

  /**
   * The policies that the raw writer writes, with the same size and cost as the operator's. They have an owner of another
   * kind and another manager's label, so that no operator regards them as its own.
   */
  async rawPolicies(templates: readonly PolicyTemplate[]): Promise<RawPolicies> {
    const owner = await this.plane.admin.send('GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles/view');
    const { uid } = (owner as KubeObject).metadata;
    const policies = (revision: string) =>
      templates.map(({ name, labels, annotations, spec }): NetworkPolicy => {
        const ownerReferences = [
          { ...OWNER, name: 'view', uid: uid ?? '', controller: true, blockOwnerDeletion: false },
        ];
        return {
          apiVersion: 'networking.k8s.io/v1',
          kind: 'NetworkPolicy',
          metadata: {
            name: `raw.${name}`,
            labels: { ...labels, 'app.kubernetes.io/managed-by': 'raw', revision },
            annotations,
            ownerReferences,
          },
          spec,
        };
      });
    return { created: policies('1'), updated: policies('2') };
  }
}

const OWNER = { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole' };

/** A policy of one namespace, without the profile's name and the namespace. */
export interface PolicyTemplate {
  /** The name after the profile's. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: NetworkPolicy['spec'];
}

/** A profile with POLICIES_PER_NAMESPACE policies in each namespace with the label `bench: NAME`. */
export function profileOf(name: string): SegmentationProfile {
  return {
    apiVersion: 'segmentation.dev/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { name },
    spec: {
      mode: 'Enforce',
      namespaceSelector: { matchLabels: { bench: name } },
      isolation: ['Ingress', 'Egress'],
      deletionPolicy: 'Delete',
      baseline: {
        dns: 'Allow',
        admissionWebhooks: 'Allow',
        sameNamespace: 'Deny',
        kubeAPIServer: 'Deny',
        ingressControllers: 'Deny',
        monitoring: 'Deny',
        mesh: 'Deny',
      },
      ingress: [ruleFor('web', 'from', 8080), ruleFor('metrics', 'from', RULE_PORT)],
      egress: [ruleFor('api', 'to', 8443)],
    },
  } as unknown as SegmentationProfile;
}

function ruleFor(name: string, peers: 'from' | 'to', port: number): Record<string, unknown> {
  return {
    name,
    podSelector: { matchLabels: { app: name } },
    [peers]: [{ namespaceSelector: { matchLabels: { 'example.com/part-of': 'shop' } } }],
    ports: [{ protocol: 'TCP', port }],
  };
}
