/** The interface of a check. Each check has a file in the folder of its family, and an entry in the family's index. */
import type { AuditContext } from './context.ts';
import type { Category, Report, Severity } from './finding.ts';
import type { KindName } from './snapshot.ts';

export interface Check {
  /** Unique, and stable over versions: waivers and baselines name it. */
  readonly id: string;
  /** The state that the check asks for, as a sentence without a full stop. */
  readonly title: string;
  readonly severity: Severity;
  readonly category: Category;
  /** Numbers of the controls that the check stands for: `CIS 5.3.2` of the Kubernetes Benchmark 1.10, `C-0260` of kubescape. */
  readonly controls: readonly string[];
  /** Why a finding matters, as one or two sentences. */
  readonly why: string;
  /** The text to write instead. */
  readonly remedy: string;
  /** Kinds that the check judges. It is skipped if one of them could not be read. */
  readonly needs: readonly KindName[];
  /**
   * The facts that the check can't know of this cluster, as a sentence without a full stop; the check is then skipped.
   * Undefined if it can judge.
   */
  readonly unknown?: (context: AuditContext) => string | undefined;
  readonly run: (context: AuditContext, report: (finding: Report) => void) => void;
}
