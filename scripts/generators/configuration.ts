/** Generates the JSON schema of the configuration file from its parser. */
import { parse } from 'yaml';
import { CONFIG_API_VERSION, CONFIG_KIND, CONFIGURATION_SCHEMA } from '../../src/options/file.ts';
import { configurationText } from '../../src/options/print-config.ts';
import type { JsonSchema } from '../../src/options/shape.ts';
import { isRecord } from '../../src/util/is-record.ts';
import { parseOptions } from '../../src/options/parse.ts';

/** Keys whose defaults depend on other settings; their descriptions explain them. */
const DEPENDENT = ['metrics.secure'];

/** The keys of the file without apiVersion and kind, as a schema without required keys. */
export function configurationShape(): JsonSchema {
  const { required: _, ...schema } = withDefaultsOfAll();
  return schema;
}

function withDefaultsOfAll(): JsonSchema {
  const parsed = parseOptions({ argv: [], env: {}, readFile: () => '', version: '' });
  if (parsed.kind !== 'options') throw new Error(`without arguments there is nothing to ${parsed.kind}`);
  const { apiVersion: _, kind: __, ...defaults } = parse(configurationText(parsed.options)) as JsonSchema;
  return withDefaults(CONFIGURATION_SCHEMA, defaults, '');
}

/** The text of the file, ending in a line break. */
export function configurationSchema(): string {
  return `${JSON.stringify(
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: `${CONFIG_KIND} ${CONFIG_API_VERSION}`,
      description:
        'The configuration file of the segmentation operator (--config). Generated: npm run generate. It accepts ' +
        'every file that the operator accepts, and some whose durations are out of range or do not fit together, or ' +
        'whose addresses are none.',
      ...withDefaultsOfAll(),
    },
    undefined,
    2,
  )}\n`;
}

function withDefaults(schema: JsonSchema, value: unknown, at: string): JsonSchema {
  const { properties } = schema;
  if (value === undefined || DEPENDENT.includes(at)) return schema;
  // A file replaces lists and selectors as a whole.
  if (!isRecord(properties) || !isRecord(value) || 'matchLabels' in properties) {
    return { ...schema, default: value };
  }
  const filled = Object.entries(properties).map(([key, inner]) => [
    key,
    withDefaults(inner as JsonSchema, value[key], at === '' ? key : `${at}.${key}`),
  ]);
  return { ...schema, properties: Object.fromEntries(filled) as JsonSchema };
}
