// The API server's audit log: what admission policies with `validationActions: [Audit]` record about a request.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ControlPlane } from '../../env/index.ts';

const FAILURE = 'validation.policy.admission.k8s.io/validation_failure';

interface LogLine {
  readonly auditID: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export class AuditLog {
  readonly #path: string;
  readonly #lines = new Map<string, LogLine>();
  #readTo = 0;

  constructor({ auditLog }: ControlPlane) {
    this.#path = auditLog ?? assert.fail('this control plane keeps no audit log');
  }

  /**
   * The messages of the validations that the request failed; empty if it failed none.
   *
   * @param id of the request, which the API server's answer has
   * @throws AssertionError while the request is not in the log
   */
  failureOf(id: string): string {
    if (!this.#lines.has(id)) this.#read();
    const line = this.#lines.get(id) ?? assert.fail(`the audit log has no request ${id}`);
    const failures = JSON.parse(line.annotations?.[FAILURE] ?? '[]') as { readonly message: string }[];
    return failures.map(({ message }) => message).join('; ');
  }

  #read(): void {
    const log = readFileSync(this.#path);
    const end = log.lastIndexOf('\n') + 1;
    for (const text of log.subarray(this.#readTo, end).toString().split('\n').filter(Boolean)) {
      const line = JSON.parse(text) as LogLine;
      this.#lines.set(line.auditID, line);
    }
    this.#readTo = end;
  }
}
