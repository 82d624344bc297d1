/** The audit in the cluster. The composition root alone imports it, and only if it is switched on. */
export { createAuditEvents } from './events.ts';
export { createAuditLog } from './log.ts';
export { ReportRemoval } from './removal.ts';
export { AuditRunner } from './runner.ts';
