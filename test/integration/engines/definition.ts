/** The definition of a kind in the API server, in the forms that clusters may have. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { ApiClient } from '../../env/plane/api-client.ts';
import { eventually } from '../../support/cluster.ts';

const COLLECTION = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const SOON = 60_000;

export interface Schema {
  properties?: Record<string, Schema>;
  items?: Schema;
  default?: unknown;
  type?: string;
  'x-kubernetes-validations'?: unknown;
}

export interface DefinitionVersion {
  name: string;
  served: boolean;
  storage: boolean;
  readonly schema: { readonly openAPIV3Schema: Schema };
}

export interface DefinitionObject extends KubeObject {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly plural: string; readonly kind: string };
    readonly scope: string;
    readonly versions: DefinitionVersion[];
  };
}

interface Established {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[] | null;
  };
}

export class Definition {
  readonly name: string;
  readonly #admin: ApiClient;
  readonly #own: DefinitionObject;

  /** @param own its usual form */
  constructor(admin: ApiClient, own: DefinitionObject) {
    this.#admin = admin;
    this.#own = own;
    this.name = own.metadata.name;
  }

  /** Installs it, or brings it back to its usual form, and waits until objects are served. */
  async apply(): Promise<void> {
    await this.#store(this.#own);
    const { group, names, versions } = this.#own.spec;
    const served = versions.find(({ storage }) => storage);
    await eventually(async () => {
      const { status } = (await this.#admin.send('GET', this.#path)) as Established;
      const established = status?.conditions?.find(({ type }) => type === 'Established');
      assert.equal(established?.status, 'True');
      await this.#admin.send('GET', `/apis/${group}/${served?.name}/${names.plural}`);
    }, SOON);
  }

  /** Replaces it by a changed form, of which the API server takes notice some moments later. */
  async change(edit: (versions: DefinitionVersion[]) => void): Promise<void> {
    const changed = structuredClone(this.#own);
    edit(changed.spec.versions);
    await this.#store(changed);
  }

  /** Deletes it with all of its objects, and waits until it is gone. */
  async delete(): Promise<void> {
    await this.#admin.send('DELETE', this.#path).catch(ignoreAbsent);
    await eventually(() => assert.rejects(this.#admin.send('GET', this.#path), /HTTP 404/), SOON);
  }

  get #path(): string {
    return `${COLLECTION}/${this.name}`;
  }

  async #store(form: DefinitionObject): Promise<void> {
    const found = await this.#admin.send('GET', this.#path).catch(ignoreAbsent);
    if (found === undefined) await this.#admin.send('POST', COLLECTION, form);
    else await this.#admin.send('PATCH', this.#path, { spec: form.spec });
  }
}

function ignoreAbsent(error: unknown): undefined {
  if ((error as { status?: number }).status !== 404) throw error;
}
