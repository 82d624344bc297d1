/**
 * The test files, in the order in which they start. Several processes take them in turn: the longest start first, so that
 * all processes are busy to the end.
 */
import { globSync } from 'node:fs';

/** `unit`: the files that are quick and need no control plane; `integration`: those of test/integration. */
export type Selection = 'all' | 'unit' | 'integration';

/** Tests that need a control plane, or tools that have to be built. */
export const NEED_CONTROL_PLANE = ['integration', 'faults', 'oracle', 'browser'].map(
  (folder) => `test/${folder}/**`,
);

/** Tests that need no control plane, and are too slow for unit tests, which developers run after each change. */
const SLOW = ['test/simulation/**/*.test.ts', 'test/scripts/scripts.test.ts'];

/** Files that take more than some ten seconds, longest first. */
const LONGEST = [
  'integration/removal/removal-order',
  'integration/exceptions/operator',
  'integration/canary/packets',
  'integration/audit/in-cluster',
  'integration/admission/gate',
  'faults/faults',
  'integration/admission/accounts-away',
  'integration/admission/accounts',
  'integration/cli/tutorial',
  'integration/engines/guard',
  'integration/engines/ambient',
  'integration/operator/lifecycle',
  'faults/outages',
  'faults/kills',
  'integration/cli/cluster',
  'faults/leaders',
  'integration/operator/upgrade',
  'integration/packaging/install',
  'integration/exceptions/people',
  'browser/graph',
  'integration/kube/reflector',
  'integration/operator/main',
  'integration/env/lifecycle',
  'integration/admission/accounts-unsupported',
  'integration/operator/least-privilege',
  'integration/operator/limits',
  'integration/removal/operator-removed',
  'integration/workloads/differential',
  'integration/workloads/operator',
  'integration/workloads/limits',
  'integration/api/crd-generated',
  'integration/packaging/bundle',
  'integration/operator/content-type',
  'integration/kube/protobuf',
  'integration/admission/protect',
  'integration/operator/quiet',
  'integration/operator/events',
  'integration/operator/peers',
  'faults/races',
  'integration/admission/account-label',
  'integration/simulation/model',
  'simulation/simulation',
].map((name) => `test/${name}.test.ts`);

/**
 * Paths relative to `root`.
 *
 * @throws Error if a file that is named here does not exist
 */
export function testFiles(root: string, selection: Selection): string[] {
  const found = new Set(globSync('test/**/*.test.ts', { cwd: root }).sort());
  const absent = LONGEST.filter((file) => !found.has(file));
  if (absent.length > 0)
    throw new Error(`scripts/suite/files.ts names files that do not exist: ${absent.join(', ')}`);
  const slow = new Set(globSync(SLOW, { cwd: root }));
  const needing = new Set(
    globSync(
      NEED_CONTROL_PLANE.map((glob) => `${glob}/*.test.ts`),
      { cwd: root },
    ),
  );
  const isSelected: Readonly<Record<Selection, (file: string) => boolean>> = {
    all: () => true,
    unit: (file) => !needing.has(file) && !slow.has(file),
    integration: (file) => file.startsWith('test/integration/'),
  };
  const of = (isNeeding: boolean) => [...found].filter((file) => needing.has(file) === isNeeding);
  const ordered = new Set([...LONGEST, ...of(true), ...of(false)]);
  return [...ordered].filter((file) => isSelected[selection](file));
}
