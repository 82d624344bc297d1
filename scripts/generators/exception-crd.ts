/** Generates the CRD of SegmentationException from its source and from the CRD of SegmentationProfile. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { nodeAt, type SchemaNode } from './crd.ts';

export const EXCEPTION_CRD_PATH = 'crds/exceptions/segmentation.dev_segmentationexceptions.yaml';
const SOURCE = 'crds/exceptions/source.yaml';
/** A keyword of the source: the path of a field of SegmentationProfile. */
const KEYWORD = 'x-profile-field';

/** The path and text of the CRD. @throws Error if the source names a field that the profile does not have */
export function exceptionCrd(root: string, profile: SchemaNode): readonly [path: string, text: string] {
  const source: unknown = parse(readFileSync(join(root, SOURCE), 'utf8'));
  const header = `# Generated from ${SOURCE} and the CRD of SegmentationProfile by \`npm run generate\`. Do not edit.\n`;
  const text = stringify(filledIn(source, profile), { lineWidth: 0, aliasDuplicateObjects: false });
  return [EXCEPTION_CRD_PATH, header + text];
}

function filledIn(value: unknown, profile: SchemaNode): unknown {
  if (Array.isArray(value)) return value.map((each) => filledIn(each, profile));
  if (typeof value !== 'object' || value === null) return value;
  const { [KEYWORD]: path, ...own } = value as Readonly<Record<string, unknown>>;
  if (typeof path === 'string') return { ...inOneNamespace(nodeAt(profile, path)), ...own };
  return Object.fromEntries(Object.entries(own).map(([key, each]) => [key, filledIn(each, profile)]));
}

/** A list of rules without the choice of namespaces. */
function inOneNamespace({ items, ...list }: SchemaNode): SchemaNode {
  if (items === undefined) return list;
  const { inNamespaces: _, ...properties } = items.properties ?? {};
  return { ...list, items: { ...items, properties } };
}
