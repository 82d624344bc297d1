/**
 * The messages of Kubernetes' own kinds: numbers and types of their fields, and how JSON names them. The table is generated
 * from the .proto files and Go types of Kubernetes (test/env/tools/protobuf). Pure.
 */
import table from './generated/messages.json' with { type: 'json' };

/** Types of single values. JSON has `bytes` as base64, and all but `bool`, `int` and `json` as text. */
const SCALARS = [
  'string',
  'bool',
  'int',
  'bytes',
  'time',
  'microTime',
  'json',
  'intOrString',
  'quantity',
] as const;
export type ScalarType = (typeof SCALARS)[number];

export interface Field {
  readonly number: number;
  /** The name in JSON; '' for an inline message, whose fields are fields of the object in JSON. */
  readonly name: string;
  readonly type: ScalarType | Message;
  /** `map`: from text to `type`. */
  readonly shape: 'one' | 'list' | 'map';
  /** True if JSON has the value, even if it is empty, wherever the message has it. */
  readonly isPointer: boolean;
  /** True if JSON omits an empty value. */
  readonly isOmitted: boolean;
}

export interface Message {
  readonly name: string;
  /** By number, in ascending order. */
  readonly fields: readonly Field[];
  /** By number. */
  readonly byNumber: readonly (Field | undefined)[];
  /** The fields that JSON always has. */
  readonly always: readonly Field[];
  /** The names of all fields in JSON, also of those of inline messages. */
  readonly names: ReadonlySet<string>;
}

type Row = readonly [number: number, name: string, type: string, flags?: string];

const rows = table as unknown as Readonly<Record<string, readonly Row[]>>;
const messages = new Map<string, Message>();

/** A message by its name, such as networking.v1.NetworkPolicy; undefined if the table lacks it. */
export function messageOf(name: string): Message | undefined {
  const known = messages.get(name);
  if (known !== undefined) return known;
  const own = Object.hasOwn(rows, name) ? rows[name] : undefined;
  if (own === undefined) return undefined;
  // Messages may be recursive: the message is known before its fields are.
  const fields: Field[] = [];
  const byNumber: Field[] = [];
  const always: Field[] = [];
  const names = new Set<string>();
  const message: Message = { name, fields, byNumber, always, names };
  messages.set(name, message);
  for (const row of own) {
    const field = fieldOf(row);
    fields.push(field);
    byNumber[field.number] = field;
    if (field.name !== '') names.add(field.name);
    else for (const inner of (field.type as Message).names) names.add(inner);
    if (!field.isPointer && !field.isOmitted && field.name !== '') always.push(field);
  }
  return message;
}

function fieldOf([number, name, type, flags = '']: Row): Field {
  return {
    number,
    name: flags.includes('i') ? '' : name,
    type: isScalar(type) ? type : required(type),
    shape: flags.includes('r') ? 'list' : flags.includes('m') ? 'map' : 'one',
    isPointer: flags.includes('p'),
    isOmitted: flags.includes('o'),
  };
}

function isScalar(type: string): type is ScalarType {
  return SCALARS.some((each) => each === type);
}

function required(name: string): Message {
  const message = messageOf(name);
  if (message === undefined) throw new Error(`the table of messages lacks ${name}`);
  return message;
}
