/** Exceptions and granting profiles, written down by what matters to a test. */
import type { ExceptionSpec, SegmentationException } from '../../../src/api/exception.ts';
import type { ExceptionGrant, ProfileSpec, SegmentationProfile } from '../../../src/api/profile.ts';
import { profile } from '../fixture.ts';

export const CREATED = Date.parse('2026-11-30T08:00:00Z');
export const HOUR = 3_600_000;

/** A time as the API writes it. @param hours after the creation of the exceptions */
export const at = (hours: number): string =>
  new Date(CREATED + hours * HOUR).toISOString().replace('.000Z', 'Z');

export const GRANT: ExceptionGrant = {
  mode: 'Allowed',
  maxDuration: '24h',
  peers: ['Pods', 'Service', 'ServiceAccount'],
  maxPerNamespace: 5,
};

/** A profile that grants exceptions. */
export function granting(
  name: string,
  grant: Partial<ExceptionGrant> = {},
  spec: Partial<ProfileSpec> = {},
): SegmentationProfile {
  const made = profile();
  return {
    metadata: { ...made.metadata, name, uid: name },
    spec: { ...made.spec, ...spec, exceptions: { ...GRANT, ...grant } },
  };
}

/** An exception of namespace shop, created at CREATED for four hours. */
export function exception(
  name: string,
  spec: Partial<ExceptionSpec> = {},
  metadata: Partial<SegmentationException['metadata']> = {},
): SegmentationException {
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: `uid-${name}`,
      creationTimestamp: at(0),
      generation: 1,
      ...metadata,
    },
    spec: {
      reason: 'INC-4711',
      expires: at(4),
      requestedBy: 'jane',
      egress: [{ name: 'to-db', to: [{ podSelector: { matchLabels: { app: 'db' } } }] }],
      ...spec,
    },
  };
}
