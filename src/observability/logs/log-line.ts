/** The formats of a log line. */
import { styleText } from 'node:util';
import type { LogLevel } from './log-level.ts';
import { withoutCredentials, type Plain } from './log-value.ts';

type Render = (
  time: Date,
  level: LogLevel,
  message: string,
  fields: Readonly<Record<string, Plain>>,
) => string;

/** Keys that every line has; a field of the same name gets an underscore, since a JSON key counts only once. */
const OWN = new Set(['ts', 'level', 'msg']);

/** ts (RFC 3339), level and msg, then the fields in the order in which they were given. */
export const jsonLine: Render = (time, level, message, fields) => {
  const line: Record<string, Plain> = { ts: time.toISOString(), level, msg: withoutCredentials(message) };
  for (const [key, value] of Object.entries(fields)) line[OWN.has(key) ? `${key}_` : key] = value;
  return JSON.stringify(line);
};

const COLOURS = { debug: 'dim', info: 'green', warn: 'yellow', error: 'red' } as const;

/** `15:04:05.123 INFO  message key=value`, in local time. */
export function textLine(colours: boolean): Render {
  // The logger has decided about colours: styleText must not ask the stream.
  const paint = (style: 'dim' | 'green' | 'yellow' | 'red', text: string) =>
    colours ? styleText(style, text, { validateStream: false }) : text;
  return (time, level, message, fields) => {
    const rest = pairs('', fields).map(([key, value]) => ` ${paint('dim', `${key}=`)}${value}`);
    const label = level.toUpperCase().padEnd(5);
    return `${paint('dim', clockTime(time))} ${paint(COLOURS[level], label)} ${oneLine(withoutCredentials(message))}${rest.join('')}`;
  };
}

/** An object's entries become `key.inner=value`; of an error, only message, cause and stack are shown. */
function pairs(prefix: string, fields: Readonly<Record<string, Plain>>): [key: string, value: string][] {
  const isError = prefix !== '' && typeof fields.name === 'string' && typeof fields.message === 'string';
  const shown = Object.entries(fields).filter(
    ([key]) => !isError || ['message', 'cause', 'stack'].includes(key),
  );
  return shown.flatMap(([key, value]): [string, string][] => {
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

/** Escapes line breaks and control characters, which could forge lines or drive the terminal. */
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
