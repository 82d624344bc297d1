/**
 * Validates issue forms, by the rules of "Syntax for GitHub's form schema" in GitHub's documentation: GitHub shows no form,
 * and no error, for a file that breaks them. Pure.
 */
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import type { GitHubFile } from './file.ts';

const text = { type: 'string', minLength: 1 };
const texts = { type: 'array', items: text };
const validations = {
  type: 'object',
  properties: { required: { type: 'boolean' } },
  additionalProperties: false,
};
const question = { label: text, description: text };

/** The attributes of each type of element; those of `required` are required. */
const ELEMENTS = {
  markdown: { attributes: { value: text }, required: ['value'] },
  input: { attributes: { ...question, placeholder: text, value: text }, required: ['label'] },
  textarea: {
    attributes: { ...question, placeholder: text, value: text, render: text },
    required: ['label'],
  },
  dropdown: {
    attributes: {
      ...question,
      multiple: { type: 'boolean' },
      options: { ...texts, minItems: 1 },
      default: { type: 'integer', minimum: 0 },
    },
    required: ['label', 'options'],
  },
  checkboxes: {
    attributes: {
      ...question,
      options: {
        type: 'array',
        minItems: 1,
        items: {
          type: 'object',
          properties: { label: text, required: { type: 'boolean' } },
          required: ['label'],
          additionalProperties: false,
        },
      },
    },
    required: ['label', 'options'],
  },
} as const;

const SCHEMA = {
  type: 'object',
  properties: {
    name: text,
    description: text,
    title: text,
    labels: texts,
    assignees: texts,
    projects: texts,
    type: text,
    body: {
      type: 'array',
      minItems: 1,
      contains: { type: 'object', properties: { type: { not: { const: 'markdown' } } } },
      items: {
        type: 'object',
        discriminator: { propertyName: 'type' },
        required: ['type', 'attributes'],
        oneOf: Object.entries(ELEMENTS).map(([type, { attributes, required }]) => ({
          properties: {
            type: { const: type },
            id: { type: 'string', pattern: '^[\\w-]+$' },
            attributes: { type: 'object', properties: attributes, required, additionalProperties: false },
            ...(type !== 'markdown' && { validations }),
          },
          additionalProperties: false,
        })),
      },
    },
  },
  required: ['name', 'description', 'body'],
  additionalProperties: false,
};

const validate = new Ajv({ allErrors: true, discriminator: true, strictRequired: false }).compile(SCHEMA);

/** One line for each violation; empty if there is none. */
export function issueFormProblems({ path, text: source }: GitHubFile): string[] {
  const form: unknown = parse(source);
  if (!validate(form)) {
    return (validate.errors ?? []).map(
      ({ instancePath, message }) => `${path}: ${instancePath || '/'} ${message}`,
    );
  }
  const ids = (form as { body: readonly { id?: string }[] }).body.flatMap(({ id }) => (id ? [id] : []));
  return ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${path}: id ${id} is given twice`);
}
