/** The rule and the pods of the policies that open the tunnel of a mesh without sidecars. */
import type { LabelSelector } from '../api/meta.ts';

/** The rule of these policies. Those for some pods have a digest behind it. */
export const TUNNEL_RULE = 'baseline.mesh.tunnel';

/**
 * The pods that the mesh carries connections for, among those that such a policy selects: on others, the port of the tunnel is
 * like any other.
 */
export const ENROLLED: LabelSelector = {
  matchExpressions: [
    { key: 'istio.io/dataplane-mode', operator: 'NotIn', values: ['none'] },
    { key: 'security.istio.io/tlsMode', operator: 'DoesNotExist' },
  ],
};
