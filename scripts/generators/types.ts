/** Generates TypeScript types from the CRD's schema, for objects of the API server, with defaults. */
import { compile } from 'json-schema-to-typescript';
import { guaranteedFields, NAMED, nodeAt, type SchemaNode, type TypePaths, typeNames } from './crd.ts';

/** Descriptions of types whose occurrences differ in meaning, as that of one would be wrong for others. */
const DESCRIPTIONS: TypePaths = {
  LabelSelector: 'Selects objects by their labels; `{}` selects all of them.',
  Allowance: 'Whether an entry of the baseline is allowed.',
};

const BANNER = '// Generated from crds/ by `npm run generate`. Do not edit.';

/** Types that another module declares. */
export interface SharedTypes {
  readonly module: string;
  readonly names: readonly string[];
}

/** The text of the TypeScript module that declares the types of `root`, but for those that it shares with another module. */
export async function typesModule(
  root: SchemaNode,
  named: TypePaths = NAMED,
  shared?: SharedTypes,
): Promise<string> {
  const nameOf = typeNames(root, named);
  const reference = (node: SchemaNode): object => {
    const name = nameOf(node);
    const { description } = node;
    return name === undefined ? definition(node) : { description, tsType: name };
  };
  const definition = (node: SchemaNode): object => {
    const { description } = node;
    if (node['x-kubernetes-int-or-string']) return { description, tsType: 'number | string' };
    if (node.items !== undefined) return { type: 'array', description, items: reference(node.items) };
    if (node.additionalProperties !== undefined) {
      return { type: 'object', description, additionalProperties: reference(node.additionalProperties) };
    }
    if (node.properties !== undefined) {
      const properties = Object.fromEntries(
        Object.entries(node.properties).map(([name, field]) => [name, reference(field)]),
      );
      return { type: 'object', description, required: [...guaranteedFields(node)], properties };
    }
    return { type: node.type, description, ...(node.enum && { enum: [...node.enum] }) };
  };

  const own = Object.entries(named).filter(([name]) => shared?.names.includes(name) !== true);
  const definitions = own.map(([name, path]) => {
    const node = nodeAt(root, path);
    const description = DESCRIPTIONS[name] ?? node.description;
    return [name, { ...definition(node), description, title: name }];
  });
  const text = await compile({ definitions: Object.fromEntries(definitions) }, 'Root', {
    additionalProperties: false,
    bannerComment: BANNER,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
    style: { singleQuote: true, printWidth: 110 },
  });
  // The root is there only to carry the definitions.
  const declarations = text
    .replace(/\nexport interface Root \{[^}]*\}\n/, '')
    .replaceAll(
      / \*\n \* This interface was referenced by `Root`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g,
      '',
    );
  return shared === undefined ? declarations : withImport(declarations, shared);
}

/** The module with an import of the shared types that its declarations name. */
function withImport(declarations: string, { module, names }: SharedTypes): string {
  const used = names.filter((name) => new RegExp(`: .*\\b${name}\\b.*;$`, 'm').test(declarations)).sort();
  return declarations.replace(BANNER, `${BANNER}\nimport type { ${used.join(', ')} } from '${module}';`);
}
