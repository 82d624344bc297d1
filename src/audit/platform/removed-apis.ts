import type { Check } from '../check.ts';
import type { ApiUse } from '../snapshot.ts';
import { type ApiRemoval, LATEST_RELEASE, removalOf } from './api-removals.ts';
import { apiServerMinors } from './release.ts';

/** Releases ahead of the API server's that are reported. */
const AHEAD = 3;

const WAYS: Readonly<Record<ApiUse['way'], string>> = {
  manifest: 'the manifest uses',
  lastApplied: 'kubectl apply last wrote it from a manifest of',
  manager: 'a client writes it by',
};

/** Without an API server, the newest release that is known counts. */
function removedText({ removedIn, replacement }: ApiRemoval, server: number | undefined): string {
  const served = removedIn <= (server ?? LATEST_RELEASE) ? 'do not serve' : 'will not serve';
  const instead = replacement === undefined ? 'the kind is gone' : `write ${replacement}`;
  return `Kubernetes 1.${removedIn} and later ${served}: ${instead}`;
}

/** A client that stopped to write leaves its API version in an object, so that only versions still served are in use. */
function isUsed({ way }: ApiUse, { removedIn }: ApiRemoval, server: number | undefined): boolean {
  return way !== 'manager' || server === undefined || removedIn > server;
}

export const removedApi: Check = {
  id: 'removed-api',
  title: 'No object is written by an API version that Kubernetes stops to serve',
  severity: 'medium',
  category: 'Platform',
  controls: ['NSA/CISA upgrading'],
  why: 'After the upgrade the API server refuses the manifest or the client, often in the middle of an incident.',
  remedy: 'Change apiVersion, and compare the fields: kubectl convert does both.',
  needs: [],
  run: (context, report) => {
    const { apiUses = [], pods, serverVersion } = context.snapshot;
    const server = apiServerMinors(pods, serverVersion)[0];
    for (const use of apiUses) {
      const { object, apiVersion, way, manager } = use;
      const removal = removalOf(apiVersion, object.kind);
      if (removal === undefined || !isUsed(use, removal, server)) continue;
      if (!context.audits({ metadata: object })) continue;
      const ahead = removal.removedIn - (server ?? LATEST_RELEASE);
      if (ahead > AHEAD) continue;
      const by = manager === undefined ? WAYS[way] : `${manager} writes it by`;
      report({
        object,
        field: way === 'manager' ? `metadata.managedFields[${manager ?? ''}]` : 'apiVersion',
        ...(ahead > 1 && { severity: 'info' as const }),
        message: `${by} ${apiVersion}, which ${removedText(removal, server)}`,
      });
    }
  },
};
