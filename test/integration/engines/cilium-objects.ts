/** The CiliumNetworkPolicies of one namespace, and Cilium's CRD in the forms that clusters may have. */
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { ControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { goModuleFolder } from '../../env/tooling/go-tool.ts';

export type CiliumPolicy = KubeObject & { readonly spec: Readonly<Record<string, unknown>> };

const CRD = 'ciliumnetworkpolicies.cilium.io';
const ROOT = join(import.meta.dirname, '../../..');

/** The components of an operator that finds Cilium and writes its policies. */
export const DETECT = join(ROOT, 'config/engines/detect');
export const CILIUM = join(ROOT, 'config/engines/cilium');

/** The DaemonSet by which Cilium is found. No agent runs in it. */
export const AGENT = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'cilium', namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: { 'k8s-app': 'cilium' } },
    template: {
      metadata: { labels: { 'k8s-app': 'cilium' } },
      spec: { tolerations: [{ operator: 'Exists' }], containers: [{ name: 'agent', image: 'agent' }] },
    },
  },
};

export class CiliumPolicies {
  readonly #plane: ControlPlane;
  readonly #namespace: string;

  constructor(plane: ControlPlane, namespace: string) {
    this.#plane = plane;
    this.#namespace = namespace;
  }

  path(name = ''): string {
    return `/apis/cilium.io/v2/namespaces/${this.#namespace}/ciliumnetworkpolicies${name && `/${name}`}`;
  }

  async get(name: string): Promise<CiliumPolicy> {
    return (await this.#plane.admin.send('GET', this.path(name))) as CiliumPolicy;
  }

  async list(): Promise<readonly CiliumPolicy[]> {
    const { items } = (await this.#plane.admin.send('GET', this.path())) as {
      items: readonly CiliumPolicy[];
    };
    return items;
  }

  async names(): Promise<string[]> {
    return (await this.list()).map(({ metadata }) => metadata.name).sort();
  }
}

export interface Schema {
  properties: Record<string, Schema>;
  items?: Schema;
  default?: unknown;
  type?: string;
}

interface CRDSpec {
  scope: string;
  versions: CRDVersion[];
}

export interface CRDVersion {
  name: string;
  served: boolean;
  storage: boolean;
  readonly schema: { readonly openAPIV3Schema: Schema };
}

/** The CRD of Cilium's own module, in the API server of `plane`. */
export class CiliumCRD {
  readonly #plane: ControlPlane;
  readonly #file: string;

  private constructor(plane: ControlPlane, file: string) {
    this.#plane = plane;
    this.#file = file;
  }

  static async of(plane: ControlPlane): Promise<CiliumCRD> {
    const module = await goModuleFolder('cilium-policies', 'github.com/cilium/cilium');
    return new CiliumCRD(
      plane,
      join(module, 'pkg/k8s/apis/cilium.io/client/crds/v2/ciliumnetworkpolicies.yaml'),
    );
  }

  /** Installs it, or brings it back to its own form. */
  async apply(): Promise<void> {
    await this.#plane.kubectlRun(['apply', '--server-side', '--force-conflicts', '-f', this.#file]);
    await crdEstablished((args) => this.#plane.kubectlRun(args), CRD);
  }

  /** Replaces it by a changed form. */
  async change(edit: (versions: CRDVersion[]) => void): Promise<void> {
    const definition = JSON.parse(await this.#plane.kubectlRun(['get', 'crd', CRD, '-o', 'json'])) as {
      spec: { versions: CRDVersion[] };
    };
    edit(definition.spec.versions);
    await this.#plane.kubectlRun(['replace', '-f', '-'], { stdin: JSON.stringify(definition) });
  }

  /** Deletes it with all of its objects, and creates it in a changed form: its scope can't be changed in place. */
  async replace(edit: (spec: CRDSpec) => void): Promise<void> {
    const { kind, apiVersion, metadata, spec } = JSON.parse(
      await this.#plane.kubectlRun(['get', 'crd', CRD, '-o', 'json']),
    ) as KubeObject & { readonly spec: CRDSpec };
    const { name, annotations = {} } = metadata;
    edit(spec);
    await this.delete();
    const stdin = JSON.stringify({ apiVersion, kind, metadata: { name, annotations }, spec });
    await this.#plane.kubectlRun(['create', '-f', '-'], { stdin });
    await crdEstablished((args) => this.#plane.kubectlRun(args), CRD);
  }

  async delete(): Promise<void> {
    await this.#plane.kubectlRun(['delete', '--ignore-not-found', 'crd', CRD]);
  }
}
