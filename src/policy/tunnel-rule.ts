/** The rule of the policies that open the tunnel of a mesh without sidecars. Those for some pods have a digest behind it. */
export const TUNNEL_RULE = 'baseline.mesh.tunnel';
