/** New findings as Events on the profiles that select their namespaces. */
import { API_VERSION, KIND } from '../api/names.ts';
import type { ClusterState } from '../cluster-state/state.ts';
import type { Occurrence } from '../kube/events/recorder.ts';
import { counted, shortList } from '../util/list-text.ts';
import type { FreshFinding } from './session.ts';

/** Every reason that an Event of the audit can have. docs/troubleshooting.md explains each. */
export const AUDIT_EVENT_REASONS = { NewFindings: { type: 'Warning', action: 'Audit' } } as const;
const NEW_FINDINGS = { reason: 'NewFindings', ...AUDIT_EVENT_REASONS.NewFindings } as const;

export interface AuditEvents {
  record(fresh: readonly FreshFinding[]): void;
}

/** @param sink the recorder of Events */
export function createAuditEvents(
  clusterState: ClusterState,
  sink: { record(occurrence: Occurrence): void },
): AuditEvents {
  return {
    record: (fresh) => {
      const byNamespace = Map.groupBy(fresh, ({ namespace }) => namespace);
      for (const { key: name, uid, profile } of clusterState.profiles.values()) {
        const regarding = { apiVersion: API_VERSION, kind: KIND, name, uid };
        for (const [subject, found] of byNamespace) {
          const namespace = clusterState.namespaces.get(subject);
          if (namespace === undefined || clusterState.relation(profile, namespace) === 'none') continue;
          const details = found.map(({ severity, check, object }) => `${severity} ${check} (${object})`);
          sink.record({ ...NEW_FINDINGS, regarding, subject, details, note });
        }
      }
    },
  };
}

const note: Occurrence['note'] = ({ subjects, subjectCount, details }) => {
  const where =
    subjectCount === 1
      ? `namespace ${subjects[0]}`
      : `${counted(subjectCount, 'namespace')} (${shortList(subjects, { total: subjectCount })})`;
  return `new findings in ${where}: ${details.join(', ')}; see the Report ${subjectCount === 1 ? 'there' : 'of each'}`;
};
