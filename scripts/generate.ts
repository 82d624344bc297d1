/**
 * Generates what follows from other files: TypeScript types, the schema for judging manifests and the field reference
 * from the CRD in crds/, the metrics reference from the registry, the schema of the configuration file from what reads
 * it, the code of the page that `graph` writes, the Grafana dashboard from the list of its panels, and the parts of the
 * Helm chart that config/ and crds/ have already.
 *
 *   npm run generate              writes the files
 *   npm run generate -- --check   writes nothing; exits with 1 when a file is not what would be written
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { flags } from './arguments.ts';
import { chartTemplates, valuesSchema } from './generate/chart.ts';
import { configurationSchema } from './generate/configuration.ts';
import { CRD_PATH, readSchema } from './generate/crd.ts';
import { dashboard } from './generate/dashboard.ts';
import { referencePage } from './generate/docs.ts';
import { metricsDocument } from './generate/metrics.ts';
import { pageModule } from './generate/page.ts';
import { schemaDocument } from './generate/schema.ts';
import { typesModule } from './generate/types.ts';
import { LICENCES_FILE, licencesText } from './supply-chain/licences.ts';

const root = join(import.meta.dirname, '..');
const values = flags({ check: { type: 'boolean', default: false } });

const schema = readSchema(join(root, CRD_PATH));
const files: readonly (readonly [path: string, text: string])[] = [
  ['src/api/generated/segmentation-profile.ts', await typesModule(schema)],
  ['src/api/generated/segmentation-profile.schema.json', schemaDocument(schema)],
  ['src/cli/generated/page.ts', await pageModule(root)],
  ['docs/api.md', referencePage(schema)],
  ['docs/metrics.md', metricsDocument()],
  ['config/operator-configuration.schema.json', configurationSchema()],
  ['config/grafana/segmentation-operator.json', dashboard()],
  ...chartTemplates(root),
  valuesSchema(root),
  [LICENCES_FILE, await licencesText(root)],
];

for (const [path, text] of files) {
  const target = join(root, path);
  if (read(target) === text) continue;
  if (values.check) {
    console.error(`${path} is stale: run \`npm run generate\` and commit the result.`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.log(`wrote ${path}`);
  }
}

/** The text of a file, undefined where there is none. */
function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
