/** The findings about waivers, described as checks are. */
import type { Check } from '../check.ts';

export type CheckText = Omit<Check, 'run' | 'needs'>;

export const EXPIRED: CheckText = {
  id: 'waiver-expired',
  title: 'No waiver has ended',
  severity: 'medium',
  category: 'Waivers',
  controls: [],
  why: 'A waiver that has ended waives nothing: its findings count again, and somebody wanted them mended by then.',
  remedy: 'Mend the finding and remove the waiver, or let somebody accept the finding again.',
};

export const UNUSED: CheckText = {
  id: 'waiver-unused',
  title: 'Every waiver waives a finding',
  severity: 'info',
  category: 'Waivers',
  controls: [],
  why: 'A waiver without a finding has a typing error, or waits for a finding that nobody would then see.',
  remedy: 'Correct check and object to those of the finding, or remove the waiver.',
};

export const INVALID: CheckText = {
  id: 'waiver-invalid',
  title: "Every waiver in an annotation or in the operator's configuration can be read",
  severity: 'medium',
  category: 'Waivers',
  controls: [],
  why: 'The finding that it should waive counts.',
  remedy:
    'Write check, reason, by and until, and in the configuration object as well. An annotation has a JSON array of them.',
};

export const WAIVER_CHECKS: readonly CheckText[] = [EXPIRED, INVALID, UNUSED];
