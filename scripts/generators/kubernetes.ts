/**
 * The schemas of Kubernetes' own kinds that the plugin reads among manifests, from the OpenAPI documents of an API
 * server: types, required fields and enumerations, without descriptions.
 */

import { isDeepStrictEqual } from 'node:util';

export const KUBERNETES_SCHEMAS = 'src/manifests/generated/kubernetes.json';

/** Kinds by the API server's path of their group and version. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'api/v1': ['Namespace', 'Node', 'Pod', 'ReplicationController', 'Secret', 'Service', 'ServiceAccount'],
  'apis/admissionregistration.k8s.io/v1': ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'],
  'apis/apiextensions.k8s.io/v1': ['CustomResourceDefinition'],
  'apis/apiregistration.k8s.io/v1': ['APIService'],
  'apis/apps/v1': ['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  'apis/batch/v1': ['CronJob', 'Job'],
  'apis/discovery.k8s.io/v1': ['EndpointSlice'],
  'apis/networking.k8s.io/v1': ['Ingress', 'NetworkPolicy', 'ServiceCIDR'],
  'apis/rbac.authorization.k8s.io/v1': ['ClusterRole', 'ClusterRoleBinding', 'Role', 'RoleBinding'],
};

interface OpenApiSchema {
  readonly $ref?: string;
  readonly allOf?: readonly OpenApiSchema[];
  readonly oneOf?: readonly OpenApiSchema[];
  readonly type?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly additionalProperties?: OpenApiSchema;
  readonly items?: OpenApiSchema;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

interface OpenApiDocument {
  readonly components: { readonly schemas: Readonly<Record<string, OpenApiSchema>> };
}

/**
 * The module's JSON: `version` is the API server's, `kinds` maps `GROUP/VERSION KIND` to the name of a type, `types` has each
 * type once.
 *
 * @param api an API server
 */
export async function kubernetesSchemas(api: Api): Promise<string> {
  const types = new Map<string, unknown>();
  const kinds = new Map<string, string>();
  for (const [path, names] of Object.entries(KINDS)) {
    const { schemas } = (await documentAt(path, api)).components;
    for (const [name, schema] of Object.entries(schemas)) {
      const found = schema['x-kubernetes-group-version-kind'] ?? [];
      const own = found.find((each) => names.includes(each.kind) && path.endsWith(each.version));
      if (own === undefined || found.length !== 1) continue;
      kinds.set([own.group, `${own.version} ${own.kind}`].filter(Boolean).join('/'), shortName(name));
      collect(name, schemas, types);
    }
  }
  const { major, minor } = (await api.send('GET', '/version')) as { major: string; minor: string };
  return `{\n"version": "${major}.${minor}",\n"kinds": ${linesOf(kinds)},\n"types": ${linesOf(types)}\n}\n`;
}

/** The requests that the schemas take: `ApiClient` has them. */
interface Api {
  send(method: 'GET', path: string): Promise<unknown>;
}

/** The API server sends its OpenAPI documents as JSON or as text, by version. */
async function documentAt(path: string, api: Api): Promise<OpenApiDocument> {
  const answer = await api.send('GET', `/openapi/v3/${path}`);
  return (typeof answer === 'string' ? JSON.parse(answer) : answer) as OpenApiDocument;
}

function collect(
  name: string,
  schemas: OpenApiDocument['components']['schemas'],
  types: Map<string, unknown>,
): void {
  const short = shortName(name);
  const schema = schemas[name];
  if (types.has(short) || schema === undefined) return;
  types.set(short, undefined); // types may be recursive
  const compact = compacted(schema, (reference) => {
    collect(reference, schemas, types);
    return shortName(reference);
  });
  // The document gives the type only, and no pattern.
  types.set(short, short.endsWith('resource.Quantity') ? { ...compact, format: 'quantity' } : compact);
}

function compacted(schema: OpenApiSchema, refer: (name: string) => string): object {
  const [only] = schema.allOf ?? [];
  const reference = (schema.$ref ?? only?.$ref)?.split('/').at(-1);
  // Go has no absence of a struct: its OpenAPI says so by an empty object as default.
  const isStruct = isDeepStrictEqual(schema.default, {});
  if (reference !== undefined) return { $ref: refer(reference), ...(isStruct && { default: {} }) };
  const { type, format, required, properties, additionalProperties, items } = schema;
  return {
    ...(schema.oneOf === undefined
      ? type !== undefined && { type }
      : { type: schema.oneOf.map((each) => each.type) }),
    ...(format !== undefined && { format }),
    ...(schema.enum !== undefined && { enum: schema.enum }),
    ...(required !== undefined && { required }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([key, each]) => [key, compacted(each, refer)]),
      ),
    }),
    ...(additionalProperties !== undefined && {
      additionalProperties: compacted(additionalProperties, refer),
    }),
    ...(items !== undefined && { items: compacted(items, refer) }),
  };
}

/** `api.core.v1.Pod`, `meta.v1.ObjectMeta`: unique, and short enough to read. */
function shortName(name: string): string {
  return name
    .replace(/^io\.k8s\./, '')
    .replace(
      /^apimachinery\.pkg\.(apis\.)?|^kube-aggregator\.pkg\.apis\.|^apiextensions-apiserver\.pkg\.apis\./,
      '',
    );
}

/** JSON with a line for each entry, sorted by key, so that differences between versions are readable. */
function linesOf(map: ReadonlyMap<string, unknown>): string {
  const entries = [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{\n${entries.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(',\n')}\n}`;
}
