import assert from 'node:assert/strict';
import type { EnforcementVerdict } from '../../src/controller/enforcement.ts';
import { logEnforcement } from '../../src/observability/enforcement-log.ts';
import type { Logger } from '../../src/observability/logs/logger.ts';

describe("log of the canary's verdict", () => {
  it('has one line for each change of status or reason', () => {
    const lines: string[] = [];
    const log =
      (level: string) =>
      (text: string, fields: object = {}) =>
        void lines.push(`${level} ${text} ${JSON.stringify(fields)}`);
    const logger = { info: log('info'), warn: log('warn') } as unknown as Logger;
    let tell = (): void => assert.fail('nobody listens');
    const proof = {
      verdict: 'pending' as EnforcementVerdict | 'pending',
      subscribe: (listener: () => void) => (tell = listener),
    };
    logEnforcement(proof, logger);
    for (const verdict of [
      'pending',
      { status: 'True', reason: 'Verified', message: 'on 2 nodes' },
      { status: 'True', reason: 'Verified', message: 'on 3 nodes' },
      { status: 'False', reason: 'FlowLeaked', message: 'a' },
      { status: 'False', reason: 'FlowCut', message: 'b' },
      { status: 'Unknown', reason: 'NoReport', message: 'c' },
    ] as const) {
      proof.verdict = verdict;
      tell();
    }
    assert.deepEqual(lines, [
      'info enforcement verified {"reason":"Verified","message":"on 2 nodes"}',
      'warn enforcement broken {"reason":"FlowLeaked","message":"a"}',
      'warn enforcement broken {"reason":"FlowCut","message":"b"}',
      'warn enforcement not proven {"reason":"NoReport","message":"c"}',
    ]);
  });
});
