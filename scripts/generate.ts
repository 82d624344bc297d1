/**
 * Generates files from others: TypeScript types, the schema that manifests are validated with and the field reference from
 * the CRD in crds/; the metrics reference from the registry; the page of the audit from its checks; the schema of the
 * configuration file from its parser; the code of the page that `graph` writes; the Grafana dashboard from the list of its
 * panels; the parts of the Helm chart that config/ and crds/ have already; the version of package.json in chart and
 * config/; the licences of dependencies. With --kubernetes also the schemas of Kubernetes' own kinds, in OpenAPI and in
 * Protocol Buffers, which change with the version of Kubernetes only; tests compare them.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readArguments } from './entry.ts';
import { auditDocument } from './generators/pages/audit.ts';
import { chartTemplates, valuesSchema } from './generators/chart.ts';
import { configurationSchema } from './generators/configuration.ts';
import { CRD_PATH, NAMED_OF_EXCEPTION, readSchema, schemaOf, sharedTypes } from './generators/crd.ts';
import { dashboard } from './generators/monitoring/dashboard.ts';
import { exceptionCrd } from './generators/exception-crd.ts';
import { referencePage } from './generators/pages/docs.ts';
import { KUBERNETES_SCHEMAS, kubernetesSchemas } from './generators/kubernetes.ts';
import { PROTOBUF_MESSAGES, protobufMessages } from './generators/protobuf.ts';
import { metricsDocument } from './generators/monitoring/metrics.ts';
import { pageModule } from './generators/page.ts';
import { schemaDocument } from './generators/schema.ts';
import { versionedFiles } from './generators/version.ts';
import { typesModule } from './generators/types.ts';
import { WORKLOAD_POLICIES, workloadPolicies } from './generators/workload-policies.ts';
import { LICENCES_FILE, licencesText } from './supply-chain/licences.ts';

const root = join(import.meta.dirname, '..');
const { flags } = readArguments({
  command: 'npm run generate',
  summary: 'Generates types, schemas, reference pages and parts of the Helm chart from their sources.',
  flags: {
    check: { help: 'write nothing, and exit with 1 if a file is stale' },
    kubernetes: {
      help: "also write the schemas of Kubernetes' own kinds, from the local control plane and Go",
    },
  },
});

const schema = readSchema(join(root, CRD_PATH));
const exception = exceptionCrd(root, schema);
const exceptionSchema = schemaOf(...exception);
const files: readonly (readonly [path: string, text: string])[] = [
  exception,
  ['src/api/generated/segmentation-profile.ts', await typesModule(schema)],
  ['src/api/generated/segmentation-profile.schema.json', schemaDocument(schema)],
  [
    'src/api/generated/segmentation-exception.ts',
    await typesModule(exceptionSchema, NAMED_OF_EXCEPTION, {
      module: './segmentation-profile.ts',
      names: sharedTypes(schema, exceptionSchema),
    }),
  ],
  ['src/api/generated/segmentation-exception.schema.json', schemaDocument(exceptionSchema)],
  ['src/cli/generated/page.ts', await pageModule(root)],
  [WORKLOAD_POLICIES, workloadPolicies(root)],
  ['docs/api.md', referencePage(schema)],
  ['docs/metrics.md', metricsDocument()],
  ['docs/audit.md', auditDocument()],
  ['config/operator-configuration.schema.json', configurationSchema()],
  ['config/grafana/segmentation-operator.json', dashboard()],
  ...versionedFiles(root),
  ...chartTemplates(root, exception[1]),
  valuesSchema(root),
  [LICENCES_FILE, await licencesText(root)],
  ...(flags.kubernetes
    ? [
        [KUBERNETES_SCHEMAS, await servedSchemas()] as const,
        [PROTOBUF_MESSAGES, await protobufMessages()] as const,
      ]
    : []),
];

for (const [path, text] of files) {
  const target = join(root, path);
  if (read(target) === text) continue;
  if (flags.check) {
    console.error(`${path} is stale: run \`npm run generate\` and commit the result.`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.log(`wrote ${path}`);
  }
}

/** The text of a file; undefined if it does not exist. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The schemas of the version that tests run on. */
async function servedSchemas(): Promise<string> {
  const { startControlPlane } = await import('../test/env/index.ts');
  const plane = await startControlPlane();
  try {
    return await kubernetesSchemas(plane.admin);
  } finally {
    await plane.stop();
  }
}
