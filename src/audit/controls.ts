/** Controls of the benchmarks that the audit names, and that no check stands for. */

export interface AbsentControl {
  readonly controls: readonly string[];
  readonly asksFor: string;
  /** Why there is no check, as a sentence. */
  readonly reason: string;
}

export const ABSENT_CONTROLS: readonly AbsentControl[] = [
  {
    controls: ['C-0270'],
    asksFor: 'a limit of CPU for every container',
    reason: 'Such a limit slows the container down, while its neighbours are protected by their requests.',
  },
  {
    controls: ['CIS 5.4.1', 'C-0207'],
    asksFor: 'Secrets in files, not in environment variables',
    reason: 'The audit reads no environment variables, as these may hold passwords themselves.',
  },
  {
    controls: ['CIS 5.4.2', 'C-0208'],
    asksFor: 'Secrets in an external store',
    reason: 'No object of the cluster tells where the values of Secrets come from.',
  },
  {
    controls: ['CIS 5.5.1', 'C-0289'],
    asksFor: 'the admission plugin ImagePolicyWebhook',
    reason:
      'Its configuration is a file of the API server. `image-signature-unverified` looks for the webhooks that took its place.',
  },
  {
    controls: ['CIS 5.7.1', 'C-0209'],
    asksFor: 'namespaces as administrative boundaries',
    reason: 'Nobody but their owners knows which workloads belong together.',
  },
  {
    controls: ['CIS 5.7.4', 'C-0212'],
    asksFor: 'no workload in the namespace `default`',
    reason: 'Its policies and accounts are audited as those of every other namespace.',
  },
];
