/** The verdict of the canary as lines of the log: one for each change of its status or reason. */
import type { EnforcementProof } from '../controller/enforcement.ts';
import type { Logger } from './logs/logger.ts';

/** The level and text of a line, by status of the condition EnforcementVerified. */
const LINES = {
  True: ['info', 'enforcement verified'],
  False: ['warn', 'enforcement broken'],
  Unknown: ['warn', 'enforcement not proven'],
} as const;

export function logEnforcement(proof: EnforcementProof, logger: Logger): void {
  let last = '';
  proof.subscribe(() => {
    const { verdict } = proof;
    if (verdict === 'pending') return;
    const { status, reason, message } = verdict;
    const state = `${status} ${reason}`;
    if (state === last) return;
    last = state;
    const [level, text] = LINES[status];
    logger[level](text, { reason, message });
  });
}
