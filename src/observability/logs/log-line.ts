/** One event of the log as one line. */
import { withoutCredentials, type Plain } from './log-value.ts';

type Render = (time: Date, level: string, message: string, fields: Readonly<Record<string, Plain>>) => string;

/** Keys that a line sets itself; a field of the same name gets an underscore, since a JSON key counts only once. */
const OWN = new Set(['ts', 'level', 'msg']);

/** ts (RFC 3339), level and msg, then the fields in the order in which they were given. */
export const jsonLine: Render = (time, level, message, fields) => {
  const line: Record<string, Plain> = { ts: time.toISOString(), level, msg: withoutCredentials(message) };
  for (const [key, value] of Object.entries(fields)) line[OWN.has(key) ? `${key}_` : key] = value;
  return JSON.stringify(line);
};

const RESET = '\u001b[0m';
const DIM = '\u001b[2m';
const COLOURS: Readonly<Record<string, string>> = {
  debug: '\u001b[2m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
};

/** `15:04:05.123 INFO  message key=value`, in local time. */
export function textLine(colours: boolean): Render {
  const paint = (colour: string | undefined, text: string) =>
    colours && colour ? `${colour}${text}${RESET}` : text;
  return (time, level, message, fields) => {
    const rest = pairs('', fields).map(([key, value]) => ` ${paint(DIM, `${key}=`)}${value}`);
    const label = level.toUpperCase().padEnd(5);
    return `${paint(DIM, clockTime(time))} ${paint(COLOURS[level], label)} ${oneLine(withoutCredentials(message))}${rest.join('')}`;
  };
}

/**
 * An object's entries are told as `key.inner=value`; of an error the message, which says the rest in words, and the
 * stack where it is wanted.
 */
function pairs(prefix: string, fields: Readonly<Record<string, Plain>>): [key: string, value: string][] {
  const isError = prefix !== '' && typeof fields.name === 'string' && typeof fields.message === 'string';
  const told = Object.entries(fields).filter(
    ([key]) => !isError || ['message', 'cause', 'stack'].includes(key),
  );
  return told.flatMap(([key, value]): [string, string][] => {
    const name = prefix && key === 'message' ? prefix : prefix ? `${prefix}.${key}` : key;
    if (isObject(value) && Object.keys(value).length > 0) return pairs(name, value);
    return [[name, quoted(value)]];
  });
}

function isObject(value: Plain): value is { readonly [key: string]: Plain } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function quoted(value: Plain): string {
  if (typeof value === 'string')
    return /^[^\s"=\p{Cc}]+$/u.test(value) ? value : visible(JSON.stringify(value));
  return visible(JSON.stringify(value));
}

/** Line breaks and control characters (which could forge lines or drive the terminal) are spelled out. */
function oneLine(text: string): string {
  return visible(text.replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', ' '));
}

function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function clockTime(time: Date): string {
  const part = (value: number, width = 2) => String(value).padStart(width, '0');
  return `${part(time.getHours())}:${part(time.getMinutes())}:${part(time.getSeconds())}.${part(time.getMilliseconds(), 3)}`;
}
