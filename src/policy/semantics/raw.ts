/** Reads values of objects whose schema is not checked here: a value of another type reads as an empty one. Pure. */
import type { LabelSelector } from '../../api/meta.ts';
import { EVERYTHING } from './selector.ts';
import { isRecord } from '../../util/is-record.ts';

/** An object as it is on the wire, of a kind whose schema is not checked here. */
export type Raw = Readonly<Record<string, unknown>>;

export function recordOf(value: unknown): Raw {
  return isRecord(value) ? value : {};
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((each) => typeof each === 'string');
}

/** The text of a string or number; empty for anything else. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? `${value}` : '';
}

/** A selector of an object that the API server has checked against the schema of its kind. */
export function selectorOf(value: unknown): LabelSelector {
  return isRecord(value) ? value : EVERYTHING;
}
