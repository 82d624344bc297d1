/** The calls of an AuditSession between the operator's thread and the one that audits. */
import type { AuditSession, SessionSettings } from '../session.ts';

type Method = {
  [K in keyof AuditSession]: AuditSession[K] extends (...args: never[]) => unknown ? K : never;
}[keyof AuditSession];

/** The session of another thread: its methods, with promises. */
export type RemoteSession = {
  readonly [M in Method]: (...args: Parameters<AuditSession[M]>) => Promise<ReturnType<AuditSession[M]>>;
};

export interface Call {
  readonly method: Method;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'error'; readonly message: string };

/** The thread's input at its start. */
export interface ThreadInput {
  readonly settings: SessionSettings;
}

export const METHODS = [
  'unknownChecks',
  'kinds',
  'furtherKinds',
  'page',
  'restart',
  'unread',
  'serverVersion',
  'judge',
  'reports',
  'changes',
  'nextWrites',
] as const satisfies readonly Method[];
