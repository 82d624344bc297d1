/**
 * The tunnel of a namespace while the mesh is not known, or the kind of its policies is not there: what is open stays, and
 * nothing more opens. Pure.
 *
 * A rule that opens the tunnel's port by itself may go meanwhile, and so may the entrances of a profile that asks for none any
 * more. Connections that passed by these, and that another rule means, need an entrance of that rule (I2). It lets pass no more
 * than what passed before (I1): nobody can tell if permits hold it to the ports of the rule.
 */
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { NamespaceFacts } from '../../../policy/facts.ts';
import type { MeshTunnels, ProfileTunnels } from '../../../policy/tunnels.ts';
import { type OwnEntrance, ownedKey, partIn } from './choose.ts';
import { entrancesOf, tunnelPolicies } from './objects.ts';
import { entranceKey } from './passages.ts';
import { isIsolated, ownersIn, type TunnelProfile } from './plan.ts';
import { coversOf, openRulesOf, wantedPassages } from './wanted.ts';

export interface UnknownMesh {
  readonly profiles: readonly TunnelProfile[];
  /** The names of the profiles whose policies or objects go. */
  readonly leaving: readonly string[];
  /** All NetworkPolicies of the namespace, own and foreign ones. */
  readonly policies: readonly NetworkPolicy[];
  readonly namespaces: readonly NamespaceFacts[];
  /** The port on which the mesh carries all connections. */
  readonly port: number;
}

/** @param kept the tunnels that stay as they are */
export function withoutKnownMesh(kept: MeshTunnels, mesh: UnknownMesh): MeshTunnels {
  // Before the namespace is isolated, its isolation waits for the mesh.
  if (!isIsolated(mesh.policies)) return kept;
  const standing = [...kept.values()].flatMap(({ policies }) => entrancesOf(policies, mesh.port));
  const entrances = entrancesInstead(standing, mesh);
  const owners = mesh.profiles.flatMap(ownersIn);
  return new Map(
    [...kept].map(([profile, tunnels]): [string, ProfileTunnels] => {
      const own = (each: OwnEntrance) => each.profile === profile;
      if (!entrances.some(own)) return [profile, tunnels];
      const added = owners
        .filter((owner) => owner.profile === profile)
        .flatMap((owner) => tunnelPolicies(owner, [...standing, ...entrances], mesh.port));
      const names = new Set(added.map(({ metadata }) => metadata.name));
      const rest = tunnels.policies.filter(({ metadata }) => !names.has(metadata.name));
      const unresolved = tunnels.unresolved.map((each) => ({ ...each, hasLastKnown: true }));
      return [profile, { ...tunnels, policies: [...rest, ...added], unresolved }];
    }),
  );
}

/** The parts of rules in entrances that close. */
function entrancesInstead(
  standing: readonly OwnEntrance[],
  { profiles, leaving, policies, namespaces, port }: UnknownMesh,
): OwnEntrance[] {
  const { passages, unsayable } = wantedPassages(profiles, { port, trustDomain: undefined, namespaces });
  const open = passages.filter(({ needsEntrance }) => !needsEntrance);
  const needing = [
    ...passages.filter(({ needsEntrance }) => needsEntrance),
    ...unsayable
      .filter(({ isOpen }) => !isOpen)
      .map(({ entrance, profile, exception }) => ({ ...entrance, profile, exception })),
  ];
  const staying = new Set([...standing, ...open].map(entranceKey));
  // Entrances that a deleted profile has left stay.
  const changing = new Set([...profiles.map(({ profile }) => profile), ...leaving]);
  const closing = [
    ...entrancesOf(policies, port).filter(({ profile }) => changing.has(profile)),
    ...openRulesOf(policies, changing, port),
    ...coversOf(policies, port),
  ].filter((each) => !staying.has(entranceKey(each)));
  const owned = new Set(standing.map(ownedKey));
  return closing
    .flatMap((each) => needing.flatMap((rule) => partIn(each, rule) ?? []))
    .filter((each) => !owned.has(ownedKey(each)));
}
